"""Random numbers that know their sample: what is drawn is a function of seed, step, view and sample alone.

Tensors take theirs from a fixed pool by a key per sample (`keys`, `uniform`, `kept`), transforms from a generator per
sample (`Draw`). Micro-batches, order, workers and processes change neither.

Shapes: b samples, t tokens, m rows.
"""

import functools
import threading
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def keys(seed: int, step: int, samples: Int[np.ndarray, " b"], view: int) -> Int[np.ndarray, " b"]:
    """One 64-bit key per sample, a function of (seed, step, sample, view) and of nothing else."""
    x = np.asarray(samples, dtype=np.uint64)
    for part in (seed, step, view):
        x = mixed(x + np.uint64(part * 0xD1B54A32D192ED03 % 2**64))
    return x.view(np.int64)


def mixed(x: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
    """The output function of splitmix64 (Steele, Lea & Flood, OOPSLA 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


POOL = 1 << 22  # random numbers, which rows of any width are cut from


@functools.cache
def _flat(device: str) -> Float[Tensor, " n"]:
    return torch.rand(POOL, generator=torch.Generator().manual_seed(0)).to(device)


@functools.cache
def _factors(p: float, dtype: torch.dtype, device: str) -> Float[Tensor, " n"]:
    return ((_flat(device) >= p) / (1 - p)).to(dtype)


def _rows(flat: Float[Tensor, " n"], width: int) -> Float[Tensor, "m width"]:
    if width > POOL:
        raise ValueError(f"noise is for layers of up to {POOL} numbers; got {width}")
    return flat[: POOL // width * width].view(-1, width)


def _chosen(key: Int[Tensor, " m"], rows: int) -> Int[Tensor, " m"]:
    """A row of a pool for each key, by a hash."""
    place = key & _POSITIVE
    place = ((place ^ (place >> 29)) * 0x3F58476D1CE4E5B9) & _POSITIVE
    return (place ^ (place >> 32)) % rows


def at(key: Int[Tensor, "*m"], place: Int[Tensor, "*m"] | int) -> Int[Tensor, "*m"]:
    """The key of a place (0, 1, ...) within a sample."""
    if isinstance(place, int):  # no tensor is made of it, which a GPU would wait for
        return key + ((place * APART + 2**63) % 2**64 - 2**63)
    return key + place * APART


APART = 0x2545F4914F6CDD1D  # of the keys of two places, modulo 2**64


def places(edges: Int[Tensor, " b+1"], t: int) -> tuple[Int[Tensor, " t"], Int[Tensor, " t"]]:
    """The sample of each token of a row, and its place there. What lies behind the last edge is of the last sample."""
    place = torch.arange(t, device=edges.device)
    sample = torch.searchsorted(edges[1:], place, right=True).clamp(max=len(edges) - 2)  # no wait for a GPU
    return sample, place - edges[sample]


def uniform(key: Int[Tensor, " b"], rows: int, width: int) -> Float[Tensor, "b rows width"]:
    """Numbers in [0, 1), decided for each sample by its key and the place within the sample.

    A sample gets the same numbers in whatever micro-batch, order or process it is encoded. Each row
    is one, chosen by a hash, of a fixed pool of thousands of random rows: as cheap as a copy.
    """
    pool = _rows(_flat(str(key.device)), width)
    place = at(key[:, None], torch.arange(1, rows + 1, device=key.device))
    return pool.index_select(0, _chosen(place.flatten(), len(pool))).view(len(key), rows, width)


def kept(key: Int[Tensor, " m"], width: int, p: float, dtype: torch.dtype) -> Float[Tensor, "m width"]:
    """Factors of dropout, decided by the keys as in `uniform`: 0 with probability p, else 1 / (1 - p)."""
    masks = _rows(_factors(p, dtype, str(key.device)), width)
    return masks.index_select(0, _chosen(key, len(masks)))


_POSITIVE = 0x7FFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Draw:
    """The random numbers of one view of one sample at one step.

    `own` differs from view to view; `shared` is the same stream for all views of a sample, so that
    two of them can agree (the same window twice) or differ on purpose (two different windows).
    `view` is the place of the view in the recipe, `place` that of the sample among the `of` of its step.
    """

    seed: int
    step: int
    sample: int
    view: int
    place: int = 0
    of: int = 1

    @property
    def own(self) -> np.random.Generator:
        return _stream("own", self, 1 + self.view)

    @property
    def shared(self) -> np.random.Generator:
        return _stream("shared", self, 0)


_streams = threading.local()


def _stream(name: str, draw: Draw, place: int) -> np.random.Generator:
    """The stream of a draw from its beginning; good until this thread asks for the next of that name.

    Philox is keyed by (seed, step) and counts from (sample, place), so that no two streams meet. One
    generator is set anew, because a new one takes ten times as long as a crop.
    """
    if not hasattr(_streams, name):
        fresh = np.random.Generator(np.random.Philox(0))
        setattr(_streams, name, (fresh, fresh.bit_generator.state))
    generator: np.random.Generator
    generator, state = getattr(_streams, name)
    state["state"]["key"][:] = draw.seed, draw.step
    state["state"]["counter"][:] = 0, 0, draw.sample, place
    generator.bit_generator.state = state
    return generator
