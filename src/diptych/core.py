"""The vocabulary of the house: every other file is written in these words.

One question runs through all of them: where do views come from?

    View(column=...)      given by data          premise and entailment
    View(transform=...)   made at the input      a crop of the text
    View(perturb=...)     made in the network    dropout at the output of one layer

Shapes: b samples, v views, t tokens, d width of an embedding, p width of a projection.
"""

import functools
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from diptych import allocator

Sample = Any  # token ids, an image, a graph: what a transform maps to its own kind
Record = Mapping[str, Sample]  # one row of data: {"text": ...} or {"premise": ..., "entailment": ...}
Batch = dict[str, Tensor]
Terms = dict[str, Tensor]  # named, weighted scalars; the loss is their sum


class DataError(ValueError):
    """The data cannot be used as they are. (A plain ValueError says that an argument must change.)"""


# ---------------------------------------------------------------- noise that knows its sample


def keys(seed: int, step: int, samples: Int[np.ndarray, " b"], view: int) -> Int[np.ndarray, " b"]:
    """One 64-bit key per sample, a function of (seed, step, sample, view) and of nothing else."""
    x = np.asarray(samples, dtype=np.uint64)
    for part in (seed, step, view):
        x = _mixed(x + np.uint64(part * 0xD1B54A32D192ED03 % 2**64))
    return x.view(np.int64)


def _mixed(x: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
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
    return key + torch.as_tensor(place, device=key.device) * 0x2545F4914F6CDD1D


def places(edges: Int[Tensor, " b+1"], t: int) -> tuple[Int[Tensor, " t"], Int[Tensor, " t"]]:
    """The sample of each token of a row, and its place there. What lies behind the last edge is of the last sample."""
    sample = torch.repeat_interleave(edges.diff())
    behind = sample.new_full((t - len(sample),), len(edges) - 2)
    sample = torch.cat([sample, behind])
    return sample, torch.arange(t, device=edges.device) - edges[sample]


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
    `view` is the place of the view in the recipe.
    """

    seed: int
    step: int
    sample: int
    view: int

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


# ---------------------------------------------------------------- where views come from


class Transform(Protocol):
    """Makes a view of a sample at the input. It returns its own kind and reads no global."""

    def __call__(self, sample: Sample, draw: Draw, /) -> Sample: ...


class Noise(Protocol):
    """A noisy copy of hidden states (b ... d); the noise of sample i is decided by key i alone."""

    def __call__(self, h: Tensor, key: Int[Tensor, " b"], /) -> Tensor: ...


def unchanged(sample: Sample, draw: Draw) -> Sample:
    return sample


@dataclass(frozen=True)
class Perturb:
    """Replaces the output of one layer by a noisy copy, for a fraction of the samples.

    Layers are numbered 0 (input embedding), 1..L (after block L), L+1 (after the head). With
    `gradient="stop"`, nothing at or below the layer learns from the samples it touched.
    Source: Deep Augmentation, arXiv:2303.14537.
    """

    layer: int
    noise: Noise
    fraction: float = 0.5
    gradient: Literal["stop", "pass"] = "stop"

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"Perturb.fraction is a part of the samples, in (0, 1]; got {self.fraction}")

    def __call__(self, h: Tensor, key: Int[Tensor, " b"], edges: Int[Tensor, " b+1"] | None = None) -> Tensor:
        """Samples are the first axis of `h`; with `edges` they may lie end to end in one row (1 t d)."""
        touched = uniform(~key, 1, 1).flatten() < self.fraction
        rows = h
        if edges is not None and h.ndim == 3:
            sample, place = places(edges, h.shape[1])
            touched, key, rows = touched[sample], at(key[sample], place), h[0][:, None]
        noisy = self.noise(rows, key).to(h.dtype)
        if self.gradient == "stop":
            noisy = noisy.detach()
        return torch.where(touched.view(-1, *[1] * (rows.ndim - 1)), noisy, rows).view_as(h)


@dataclass(frozen=True)
class View:
    """One row of a method: where one of its views comes from, and what it is for."""

    role: str = "view"  # the part it plays in the objective
    column: str = "text"  # given by data
    transform: Transform = unchanged  # made at the input
    perturb: Perturb | None = None  # made in the network
    by: Literal["model", "teacher", "both"] = "model"  # which network encodes it


# ---------------------------------------------------------------- what encodes them


_EMPTY = np.empty(0, np.int32)


def _nothing() -> Int[np.ndarray, " 0"]:
    return _EMPTY


@dataclass(frozen=True, eq=False)
class Text:
    """A text as a model's tokens. A crop is a slice of it.

    `words[i]` is true where token i starts a word. Sentence j starts at token `sentences[j]` and has
    `chars[j]` characters. Text that is only to be encoded needs none of the three.
    """

    ids: Int[np.ndarray, " t"]
    words: Bool[np.ndarray, " t"] = field(default_factory=_nothing)
    sentences: Int[np.ndarray, " s"] = field(default_factory=_nothing)
    chars: Int[np.ndarray, " s"] = field(default_factory=_nothing)


@dataclass(frozen=True)
class Encoded:
    """What a model makes of samples. The objective sees this and nothing else."""

    embedding: Float[Tensor, "b d"]
    projection: Float[Tensor, "b p"]

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.embedding, self.projection))

    def map(self, f: Callable[[Tensor], Tensor]) -> "Encoded":
        """Without a head the two are one tensor, and stay one."""
        embedding = f(self.embedding)
        return Encoded(embedding, embedding if self.projection is self.embedding else f(self.projection))

    @staticmethod
    def cat(parts: Sequence["Encoded"]) -> "Encoded":
        embedding = torch.cat([x.embedding for x in parts])
        if all(x.projection is x.embedding for x in parts):
            return Encoded(embedding, embedding)
        return Encoded(embedding, torch.cat([x.projection for x in parts]))


Precision = Literal["auto", "fp32", "bf16"]  # auto takes bf16 where the hardware multiplies it


@functools.cache
def has_bf16(device: str) -> bool:
    """Whether devices of a type multiply bf16 matrices in hardware; a processor with AMX, or the AVX-512 for it."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:  # where it cannot be read, no
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


class Encoder(nn.Module, ABC):
    """What ships: samples in, embeddings out. It knows of no view, head, teacher or objective."""

    dim: int
    padded: bool = True  # whether a batch is padded to its longest sample
    micro: int = 4096  # tokens of a micro-batch, unless the machine says otherwise
    threads: int | None = None  # of the processor; None is all of them
    precision: Precision = "fp32"  # of embedding; of training the machine decides
    recompute: bool = False  # in training: whether blocks keep nothing, and compute it again for the gradient

    @property
    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The input embedding, then each block: where views write and instruments read."""

    @abstractmethod
    def prepare(self, raw: Sequence[Any]) -> list[Sample]:
        """What a person has (strings, pictures) as samples (token ids, tensors)."""

    @abstractmethod
    def size(self, sample: Sample) -> int:
        """The cost of a sample: tokens, for text."""

    @abstractmethod
    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Samples as tensors; adds what the network needs, such as special tokens and padding."""

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "b d"]: ...

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes a folder that other tools load."""

    @property
    def fixed(self) -> Sequence[str]:
        """Names of weights that never learn and that lie elsewhere, so that no checkpoint needs them."""
        return ()

    @property
    def tables(self) -> Sequence[nn.Module]:
        """Modules of which a step looks up a few rows, and whose `look` an optimiser may set to be told of them."""
        return ()

    @property
    def noisy(self) -> bool:
        """Whether encoding one sample twice in training gives two embeddings."""
        return any(isinstance(m, nn.Dropout) and m.p > 0 for m in self.modules())

    def embed(self, samples: Sequence[Sample]) -> Float[np.ndarray, "b d"]:
        """Embeddings of samples in their order, without gradients, in the numbers of `precision`."""
        allocator.keep()
        out = np.empty((len(samples), self.dim), np.float32)
        was_training, device = self.training, next(self.parameters()).device
        lower = self.precision == "bf16" or (self.precision == "auto" and has_bf16(device.type))
        self.eval()
        try:
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, lower):
                for rows in cuts([self.size(s) for s in samples], 2 * self.micro, self.padded):
                    batch = self.collate([samples[i] for i in rows])
                    out[rows] = self({k: x.to(device) for k, x in batch.items()}).float().cpu().numpy()
        finally:
            self.train(was_training)
        return out

    def encode(self, raw: Sequence[Any]) -> Float[np.ndarray, "b d"]:
        """Embeddings of what a person has, in its order."""
        return self.embed(self.prepare(raw))


def cuts(sizes: Sequence[int], budget: int, padded: bool = True) -> list[Int[np.ndarray, " m"]]:
    """Rows, longest first, in parts of at most `budget` tokens (a longer row is a part of its own).

    Rows that are padded to the longest of their part share it only while padding stays below
    `1 + WASTE` tokens computed per real one.
    """
    order = np.argsort(-np.asarray(sizes, dtype=np.int64), kind="stable")
    parts: list[list[int]] = []
    longest = real = 0
    for row in order.tolist():
        size = max(1, sizes[row])
        many = len(parts[-1]) + 1 if parts else 0
        cost = longest * many if padded else real + size
        if not parts or cost > budget or (padded and cost > (1 + WASTE) * (real + size)):
            parts.append([])
            longest, real = size, 0
        parts[-1].append(row)
        real += size
    return [np.array(part) for part in parts]


WASTE = 0.08


class Model(nn.Module):
    """What trains: an encoder, which ships, and a head, which is thrown away."""

    sharded = False  # whether the processes of a run hold a part of the weights each

    def __init__(self, encoder: Encoder, head: nn.Module | None = None):
        super().__init__()
        self.encoder, self.head = encoder, head or nn.Identity()

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.encoder.layers, self.head]

    def forward(self, batch: Batch, perturb: Perturb | None = None) -> Encoded:
        with perturbed(self.layers if perturb else (), perturb, batch):
            embedding = self.encoder(batch)
            return Encoded(embedding, self.head(embedding))


@contextmanager
def perturbed(layers: Sequence[nn.Module], perturb: Perturb | None, batch: Batch) -> Iterator[None]:
    """While open, the output of `layers[perturb.layer]` passes through `perturb`.

    Raises ValueError if there is no such layer.
    """
    if perturb is None:
        yield
        return
    if not 0 <= perturb.layer < len(layers):
        raise ValueError(f"Perturb.layer is one of 0..{len(layers) - 1} for this model; got {perturb.layer}")
    key, edges = batch["key"], batch.get("edges")

    def hook(layer: nn.Module, args: Any, out: Any) -> Any:
        if isinstance(out, tuple):
            return (perturb(out[0], key, edges), *out[1:])
        return perturb(out, key, edges)

    handle = layers[perturb.layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


# ---------------------------------------------------------------- what they are trained for

Views = dict[str, list[Encoded]]  # by role, in the order of the recipe


class Objective(nn.Module, ABC):
    """A function of embeddings. It never sees the encoder, the optimiser or the processes."""

    paper: str

    @abstractmethod
    def forward(self, views: Views, teacher: Views) -> Terms: ...


@dataclass(frozen=True)
class Snapshot:
    """A moment of a run: the number of steps taken, the model, and what the objective last saw.

    To embed with the model shows it as it is. The `weight` of a table is behind in rows that no step looked up lately.
    """

    step: int
    model: Model
    views: Views


class Instrument(Protocol):
    """Looks at a run and names what it sees.

    It looks whenever a line of metrics.jsonl is written; one with an attribute `every`, after so many steps and at the
    end. It changes nothing, not even the state of a random generator.
    """

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]: ...


# ---------------------------------------------------------------- a method, whole


class Data(Protocol):
    """Records by number. The fingerprint changes when the data do."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Record: ...


Schedule = Literal["linear", "cosine"]  # how the learning rate falls after the warm-up


@dataclass(frozen=True)
class Optimiser:
    """AdamW, linear warm-up over a part of the steps, then linear or cosine decay to zero.

    Warm-up is a part of an epoch, or `warmup_steps`. `rates` gives parameters whose name starts with a prefix a
    learning rate of their own; a rate of 0 freezes them.
    """

    lr: float
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    rates: Mapping[str, float] = field(default_factory=dict)
    warmup_steps: int | None = None
    schedule: Schedule = "linear"

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"a learning rate is above 0; got lr={self.lr}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warm-up is a part of an epoch, from 0 to 1; got warmup={self.warmup}")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"gradients are cut to a length above 0; got clip={self.clip}")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight decay is 0 or more; got weight_decay={self.weight_decay}")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ValueError(f"warm-up takes 0 steps or more; got warmup_steps={self.warmup_steps}")
        if self.schedule not in get_args(Schedule):
            raise ValueError(f"a schedule is one of {', '.join(get_args(Schedule))}; got {self.schedule!r}")


@dataclass(frozen=True)
class Teacher:
    """A copy of the model that follows it: t <- momentum * t + (1 - momentum) * m. At 1 it is frozen."""

    momentum: float = 0.996


@dataclass(frozen=True)
class Call:
    """A recipe's function and all its arguments: what `run.toml` holds."""

    function: str  # "package.module:name"
    arguments: Mapping[str, Any]


@dataclass
class Recipe:
    """A method on some data: everything that decides what is learned, nothing about the machine."""

    model: Model
    views: Sequence[View]
    objective: Objective
    data: Data
    optimiser: Optimiser
    batch: int  # samples per step, as the objective sees them
    steps: int
    seed: int = 0
    teacher: Teacher | None = None
    documents: Any = None  # what the model is judged on, with labels where there are any
    tasks: Sequence[Any] = ()  # what it is asked besides: tasks of `evaluate/task.py`
    instruments: Sequence[Instrument] = ()  # what is measured while training, besides alignment and uniformity
    notes: Sequence[str] = ()  # what a person should know of what was understood
    call: Call | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"a run takes at least one step; got steps={self.steps}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"a seed is from 0 to 2**63 - 1; got seed={self.seed}")
        if self.batch < 1:
            raise ValueError(f"a batch has at least one sample; got batch={self.batch}")


def recipe(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """Marks a function that returns a Recipe: the recipe remembers the call that made it."""

    signature = inspect.signature(function)

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Recipe:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                arguments |= value
            else:
                arguments[name] = value
        made_by = f"{function.__module__}:{function.__qualname__}"
        return replace(function(*args, **kwargs), call=Call(made_by, arguments))

    recorded.is_recipe = True  # type: ignore[attr-defined]
    return recorded


@dataclass(frozen=True)
class Machine:
    """How a recipe is carried out: speed and memory, not what is learned.

    `tokens`, `graph` and `workers` change no more than the rounding of sums (and, with a library's own
    dropout, which numbers are dropped); `precision` and `device` change the numbers themselves.

    Graphs of a step are kept up to `graph` tokens; beyond it every micro-batch is encoded twice
    (GradCache), in the memory of one.
    """

    tokens: int | None = None
    """Tokens of a micro-batch (what suits the encoder)."""
    graph: int = 131072
    """Tokens of a step up to which it is encoded once."""
    precision: Precision = "auto"
    """Numbers that the network runs in; auto takes bf16 where the hardware multiplies it."""
    workers: int = 1
    """Threads that make views while the model learns."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU if there is one."""
    recompute: bool = False
    """Keep nothing within the blocks of a network, and compute it again for the gradient (gradient checkpointing): less
    memory, for a second pass forward."""
    checkpoint: float = 60.0
    """Seconds between checkpoints."""
    shard: bool = False
    """Divide weights, gradients and the optimiser's state among the processes (FSDP2), for a model that one device
    cannot hold."""

    def __post_init__(self) -> None:
        for name, least in (("tokens", 1), ("graph", 0), ("workers", 0), ("checkpoint", 0)):
            given = getattr(self, name)
            if given is not None and given < least:
                raise ValueError(f"{name} is {least} or more; got {given}")
