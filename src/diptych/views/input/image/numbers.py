"""The random numbers of one operation on one view of a picture."""

from dataclasses import replace

import numpy as np

from diptych.core import Draw

OF_ALL = 1 << 48  # in the place of a view; no recipe has so many


def numbers(draw: Draw, shared: bool, operation: int) -> np.random.Generator:
    """Those of a view alone; or those that all views of the picture share for an operation, by its number.

    Two operations that read `draw.shared` would both begin with the same numbers, and one would decide the other.
    """
    return replace(draw, view=OF_ALL + operation).own if shared else draw.own
