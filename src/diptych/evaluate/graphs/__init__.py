"""Tasks of encoders of graphs: the two protocols by which papers judge them, and baselines without a network."""
