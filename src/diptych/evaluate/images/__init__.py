"""Tasks of encoders of pictures, on frozen features: classes, segmentation, depth, invariance."""
