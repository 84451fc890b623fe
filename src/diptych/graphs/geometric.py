"""PyTorch Geometric, where it is installed."""

import warnings
from typing import Any


def library() -> Any:
    """The package, with its convolutions and data. Raises ModuleNotFoundError that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it scripts parts of itself, as torch advises against
            import torch_geometric.data
            import torch_geometric.nn
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"graphs are learned with PyTorch Geometric, and its files read ({error}): pip install 'diptych[graphs]'"
        ) from error
    return torch_geometric
