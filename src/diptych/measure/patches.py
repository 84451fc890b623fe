"""What patches have in common, as colours: their first three principal components are red, green and blue.

Source: the maps of DINOv2, arXiv:2304.07193, where the first component also parts foreground from background.

Shapes: n pictures, (h w) patches, d width.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

CUT = 2.0  # per cent of patches at both ends of a component that get its darkest and its brightest colour


@dataclass(frozen=True)
class Painted:
    """`colours` of patches, and which of them are `foreground`."""

    colours: UInt8[np.ndarray, "n h w 3"]
    foreground: Bool[np.ndarray, "n h w"]


def painted(patches: Float[np.ndarray, "n h w d"]) -> Painted:
    """Colours of patches, alike where patches are, over all pictures together.

    The foreground is what lies on one side of the mean along the first component: the side that fewer patches at the
    edges of pictures are on. Components that patches do not differ in are gray. Raises ValueError for no patch.
    """
    if patches.ndim != 4 or not patches.size:
        raise ValueError(f"patches are [n, h, w, d], one or more; got {list(patches.shape)}")
    x = patches.reshape(-1, patches.shape[-1]).astype(np.float64)
    x = x - x.mean(0)
    values, axes = np.linalg.eigh(x.T @ x)
    found = x @ axes[:, ::-1][:, :3]
    found = np.pad(found, ((0, 0), (0, 3 - found.shape[1])))
    found[:, : len(values)][:, values[::-1][:3] <= 1e-12 * max(values[-1], 1e-300)] = 0
    places = found.reshape(*patches.shape[:3], 3)
    found = found * np.where(_at_edges(places[..., 0] > 0) > _at_edges(places[..., 0] < 0), -1, 1)
    low, high = np.percentile(found, [CUT, 100 - CUT], axis=0)
    part = np.divide(found - low, high - low, out=np.full(found.shape, 0.5), where=high > low)
    colours = np.rint(255 * part.clip(0, 1)).astype(np.uint8).reshape(places.shape)
    return Painted(colours, (found[:, 0] > 0).reshape(patches.shape[:3]))


def _at_edges(x: Bool[np.ndarray, "n h w"]) -> float:
    """The part of patches at the edges of pictures where this is true."""
    inner = x[:, 1:-1, 1:-1]
    return float((x.sum() - inner.sum()) / max(1, x.size - inner.size))
