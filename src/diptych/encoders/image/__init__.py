"""Encoders of pictures: any vision network of `transformers`, from a folder, the hub, or from scratch."""
