"""Encoders of graphs: GIN, and any other convolution of PyTorch Geometric, from their folder or from scratch."""
