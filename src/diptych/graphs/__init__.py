"""Graphs: what their nodes are described by, and many of them, changed, as one batch."""
