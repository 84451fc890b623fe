"""The vocabulary of the house: every other file is written in these words.

One question runs through all of them: where do views come from?

    View(column=...)      given by data          premise and entailment
    View(transform=...)   made at the input      a crop of the text
    View(perturb=...)     made in the network    dropout at the output of one layer

Shapes: b samples, v views, t tokens, d width of an embedding, p width of a projection.
"""

import functools
import inspect
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from diptych import allocator, citations
from diptych.draws import Draw as Draw
from diptych.draws import at, places, uniform

Sample = Any  # token ids, an image, a graph: what a transform maps to its own kind
Record = Mapping[str, Sample]  # one row of data: {"text": ...} or {"premise": ..., "entailment": ...}
Batch = dict[str, Tensor]
Terms = dict[str, Tensor]  # named, weighted scalars; the loss is their sum


class DataError(ValueError):
    """The data cannot be used as they are. (A plain ValueError says that an argument must change.)"""


# ---------------------------------------------------------------- where views come from


class Transform(Protocol):
    """Makes a view of a sample at the input. It returns its own kind and reads no global."""

    def __call__(self, sample: Sample, draw: Draw, /) -> Sample: ...


class Noise(Protocol):
    """A noisy copy of hidden states (b ... d); the noise of sample i is decided by key i alone."""

    def __call__(self, h: Tensor, key: Int[Tensor, " b"], /) -> Tensor: ...


@runtime_checkable
class Fitted(Protocol):
    """A noise that first looks at all hidden states of a batch. Such a batch is encoded in one pass."""

    def fitted(self, h: Tensor, batch: Batch, /) -> Noise: ...


def unchanged(sample: Sample, draw: Draw) -> Sample:
    return sample


Gradient = Literal["stop", "pass", "reverse"]
Unit = Literal["row", "pair", "batch"]


@dataclass(frozen=True)
class Perturb:
    """Replaces the output of one layer by a noisy copy, for a fraction of the samples.

    Layers are numbered 0 (input embedding), 1..L (after block L), L+1 (after the head). With `gradient="stop"`, nothing
    at or below the layer learns from the samples it touched; with "reverse" it learns the opposite. What is touched is
    chosen by `unit`: every view of a sample for itself ("row"), a sample with all its views ("pair"), or a whole
    "batch". Source: Deep Augmentation, arXiv:2303.14537.
    """

    paper = "arXiv:2303.14537"

    layer: int
    noise: Noise | Fitted
    fraction: float = 0.5
    gradient: Gradient = "stop"
    unit: Unit = "row"

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"Perturb.fraction is a part of the samples, in (0, 1]; got {self.fraction}")
        for name, kinds in (("gradient", Gradient), ("unit", Unit)):
            if (given := getattr(self, name)) not in get_args(kinds):
                raise ValueError(f"Perturb.{name} is one of {', '.join(get_args(kinds))}; got {given!r}")

    def __call__(self, h: Tensor, batch: Batch) -> Tensor:
        """Samples are the first axis of `h`; with "edges" in the batch they may lie end to end in one row (1 t d)."""
        key, edges = batch["key"], batch.get("edges")
        touched = uniform(~batch.get("unit", key), 1, 1).flatten() < self.fraction
        noise = self.noise.fitted(h, batch) if isinstance(self.noise, Fitted) else self.noise
        rows = h
        if edges is not None and h.ndim == 3:
            sample, place = places(edges, h.shape[1])
            touched, key, rows = touched[sample], at(key[sample], place), h[0][:, None]
        noisy = noise(rows, key).to(h.dtype)
        if self.gradient == "stop":
            noisy = noisy.detach()
        elif self.gradient == "reverse":
            noisy = 2 * noisy.detach() - noisy
        return torch.where(touched.view(-1, *[1] * (rows.ndim - 1)), noisy, rows).view_as(h)


@dataclass(frozen=True)
class View:
    """One row of a method: where one of its views comes from, and what it is for."""

    role: str = "view"  # the part it plays in the objective
    column: str = "text"  # given by data
    transform: Transform = unchanged  # made at the input
    perturb: Perturb | None = None  # made in the network
    by: Literal["model", "teacher", "both", "data"] = "model"  # which network encodes it; none, for a number to learn


# ---------------------------------------------------------------- what encodes them


_EMPTY = np.empty(0, np.int32)


def _nothing() -> Int[np.ndarray, " 0"]:
    return _EMPTY


@dataclass(frozen=True, eq=False)
class Text:
    """A text as a model's tokens. A crop is a slice of it.

    `words[i]` is true where token i starts a word. Sentence j starts at token `sentences[j]` and has
    `chars[j]` characters. Text that is only to be encoded needs none of the three.

    `labels[i]` is the token that was at place i before it was masked, -100 where there is none to guess. `positions[i]`
    is the position of token i, where it is not i. With `whole`, special tokens are among the ids already.
    """

    ids: Int[np.ndarray, " t"]
    words: Bool[np.ndarray, " t"] = field(default_factory=_nothing)
    sentences: Int[np.ndarray, " s"] = field(default_factory=_nothing)
    chars: Int[np.ndarray, " s"] = field(default_factory=_nothing)
    labels: Int[np.ndarray, " t"] = field(default_factory=_nothing)
    positions: Int[np.ndarray, " t"] = field(default_factory=_nothing)
    whole: bool = False


Jitter = Literal["brightness", "contrast", "saturation", "hue"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done to a picture, in the order of the fields. Pixels are computed later, of many pictures at once.

    A `box` (top, left, height, width in pixels of the picture; None is all of it) is resized to `out` (height, width;
    None is what the network wants). Factors of `jitter` come in an order of their own: 1 changes nothing, a hue is
    turned by a part of the circle. `blur` is the sigma of a Gaussian in pixels of the output, which ends at `radius`;
    what is at `solarize` (of 0 to 256) or above is inverted. Patches that are True in `mask` are hidden from the model.
    """

    box: tuple[float, float, float, float] | None = None
    out: tuple[int, int] | None = None
    flip: bool = False
    jitter: tuple[tuple[Jitter, float], ...] = ()
    gray: bool = False
    blur: float = 0.0
    radius: int = 4
    solarize: float | None = None
    mask: Bool[np.ndarray, "gh gw"] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it is stored, and what is to be done to it. A view of it is the same pixels with another plan."""

    pixels: UInt8[np.ndarray, "h w 3"]
    plan: Plan = Plan()


Alteration = Literal["drop nodes", "keep nodes", "drop edges", "add edges", "mask", "noise"]


@dataclass(frozen=True, eq=False)
class Change:
    """What is done to a part `rate` of a graph's nodes or edges; `key` decides to which.

    Nodes are dropped with their edges, or those at `nodes` kept; features are masked (0) or replaced by noise.
    """

    kind: Alteration
    rate: float = 0.0
    key: int = 0
    nodes: Int[np.ndarray, " m"] = field(default_factory=_nothing)


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph as it is stored, and what is to be done to it, in this order. A view is the same arrays, changed later.

    Nodes are features, or whole numbers of which each stands for a column that is 1. Edges go from `edges[0]` to
    `edges[1]`, sorted, each in both directions, and a loop once.
    """

    nodes: Float[np.ndarray, "n f"] | Int[np.ndarray, " n"]
    edges: Int[np.ndarray, "2 e"]
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Encoded:
    """What a model makes of samples. The objective sees this and nothing else.

    `guessed` is the sum of -log p of a sample's masked tokens, and their number; of models with a head for language.
    `tokens` are hidden states, and `labels` the tokens that were masked there; of teachers that are asked for them, in
    place of embeddings, which are then empty (b 0). Of pictures, where an objective asks for them, `tokens` are states
    of the patches that are masked (for a teacher, which sees them, the same patches), and `labels` their numbers; of
    graphs, states of all nodes. Behind a sample's end they are 0 and -100.
    """

    embedding: Float[Tensor, "b d"]
    projection: Float[Tensor, "b p"]
    guessed: Float[Tensor, "b 2"] | None = None
    tokens: Float[Tensor, "b t d"] | None = None
    labels: Int[Tensor, "b t"] | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """The tensors there are, by name; without a head, embedding and projection are one tensor."""
        return {name: x for name, x in vars(self).items() if x is not None}

    def map(self, f: Callable[[Tensor], Tensor]) -> "Encoded":
        """What is one tensor stays one."""
        done = {id(x): f(x) for x in self.parts.values()}
        return Encoded(**{name: done[id(x)] for name, x in self.parts.items()})

    @staticmethod
    def cat(parts: Sequence["Encoded"]) -> "Encoded":
        """Rows of all parts, which have the same tensors."""
        whole = {name: torch.cat([x.parts[name] for x in parts]) for name in parts[0].parts if name != "projection"}
        one = all(x.projection is x.embedding for x in parts)
        return Encoded(projection=whole["embedding"] if one else torch.cat([x.projection for x in parts]), **whole)


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
    waste: float = 0.08  # padding for a real token; at 0, samples of different sizes are never together
    micro: int = 4096  # tokens of a micro-batch on a processor, unless the machine says otherwise
    threads: int | None = None  # of the processor; None is all of them
    precision: Precision = "fp32"  # of embedding; of training the machine decides
    recompute: bool = False  # in training: whether blocks keep nothing, and compute it again for the gradient
    pads_as: str | None = None  # the type of device whose padding is used within the network, if not that of the batch

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
    def patches(self) -> nn.Module:
        """The module whose output (b t d) ends in the states of a picture's patches, row by row, as they are pooled.

        Raises ValueError if there is none.
        """
        raise ValueError(
            f"{type(self).__name__} has no patches, and masked patches are to be told; take a vision transformer"
        )

    @property
    def leaks(self) -> Mapping[int, str]:
        """Layers that gradients go round, and how: at these they can be neither stopped nor reversed."""
        return {}

    @property
    def fixed(self) -> Sequence[str]:
        """Names of weights that never learn and that lie elsewhere, so that no checkpoint needs them."""
        return ()

    @property
    def tables(self) -> Sequence[nn.Module]:
        """Modules of which a step looks up a few rows; an optimiser may set their `look`, to be told or asked."""
        return ()

    @property
    def together(self) -> bool:
        """Whether in training a sample's embedding depends on those beside it: all of one size are then one batch."""
        return False

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
                for rows in portions(self, device, [self.size(s) for s in samples]):
                    batch = self.collate([samples[i] for i in rows])
                    out[rows] = self({k: x.to(device) for k, x in batch.items()}).float().cpu().numpy()
        finally:
            self.train(was_training)
        return out

    def encode(self, raw: Sequence[Any]) -> Float[np.ndarray, "b d"]:
        """Embeddings of what a person has, in its order."""
        return self.embed(self.prepare(raw))


ON_GPU = 16  # times as many tokens at once: launching its work takes longer there than doing it


def micro_of(encoder: Encoder, device: torch.device) -> int:
    """Tokens of a micro-batch on a device, unless the machine says otherwise."""
    return encoder.micro * (ON_GPU if device.type == "cuda" else 1)


def portions(encoder: Encoder, device: torch.device, sizes: Sequence[int]) -> list[Int[np.ndarray, " m"]]:
    """Rows of samples that are encoded together where nothing is kept for a gradient: `cuts` of two micro-batches.

    On a GPU they are smaller where the memory that is free has no room for these, what torch holds of it for later
    among it. A network without blocks, such as one table, keeps nothing for a token.
    """
    most = 2 * micro_of(encoder, device)
    found = cuts(sizes, most, encoder.padded, encoder.waste)
    if device.type != "cuda" or not (blocks := encoder.layers[1:]):
        return found
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    attends = not any(isinstance(part, nn.Conv2d) for part in blocks[-1].modules())
    taken, tokens = encoding(sizes, encoder.dim, attends), np.asarray(sizes)
    worst = [(int(taken[rows].sum()), int(tokens[rows].sum())) for rows in found]
    fewer = fitting(worst, most, torch.cuda.mem_get_info(device)[0] + held)
    return found if fewer == most else cuts(sizes, fewer, encoder.padded, encoder.waste)


COLUMNS, ROWS = 24, 8  # numbers of a token for each column: within a block; of its padded place in attention
HEAD, SCORES, PADDED = 32, 4, 64  # columns of a narrow head; numbers for a pair of tokens; lengths are multiples of it


def encoding(sizes: Sequence[int], width: int, attends: bool = True) -> Int[np.ndarray, " n"]:
    """Bytes that each sample takes while a block of this width computes it: an estimate from above, in fp32."""
    real = np.maximum(1, np.asarray(sizes, np.int64))
    padded = -(-real // PADDED) * PADDED
    looked = ROWS * padded + padded * padded * SCORES // HEAD if attends else 0
    return 4 * width * (COLUMNS * real + looked)


def fitting(parts: Sequence[tuple[int, int]], most: int, free: int) -> int:
    """Tokens, of `most`, that go at once where parts take so many bytes for so many tokens, in half of what is free."""
    room = free // 2
    return min([most, *(max(1, tokens * room // taken) for taken, tokens in parts if taken > room)])


def cuts(
    sizes: Sequence[int], budget: int, padded: bool = True, waste: float = Encoder.waste
) -> list[Int[np.ndarray, " m"]]:
    """Rows, longest first, in parts of at most `budget` tokens (a longer row is a part of its own).

    Rows that are padded to the longest of their part share it only while padding stays below
    `1 + waste` tokens computed per real one.
    """
    order = np.argsort(-np.asarray(sizes, dtype=np.int64), kind="stable")
    parts: list[list[int]] = []
    longest = real = 0
    for row in order.tolist():
        size = max(1, sizes[row])
        many = len(parts[-1]) + 1 if parts else 0
        cost = longest * many if padded else real + size
        if not parts or cost > budget or (padded and cost > (1 + waste) * (real + size)):
            parts.append([])
            longest, real = size, 0
        parts[-1].append(row)
        real += size
    return [np.array(part) for part in parts]


class Language(Protocol):
    """A head that guesses masked tokens from the hidden states above them (m d): -log p of each."""

    def __call__(self, hidden: Float[Tensor, "m d"], labels: Int[Tensor, " m"], /) -> Float[Tensor, " m"]: ...


@runtime_checkable
class Kept(Protocol):
    """A head that is of use after training: it can be saved into the folder of its encoder."""

    def save(self, folder: Path, /) -> None: ...


class Model(nn.Module):
    """What trains: an encoder, which ships, and heads, which are thrown away."""

    sharded = False  # whether the processes of a run hold a part of the weights each

    def __init__(self, encoder: Encoder, head: nn.Module | None = None, language: nn.Module | None = None):
        super().__init__()
        self.encoder, self.head, self.language = encoder, head or nn.Identity(), language

    @property
    def has_head(self) -> bool:
        return not isinstance(self.head, nn.Identity)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.encoder.layers, self.head]

    def forward(
        self, batch: Batch, perturb: Perturb | None = None, keep: int | None = None, patches: bool = False
    ) -> Encoded:
        """Embeddings, and guesses of what is masked; or the hidden states of layer `keep`, if that is asked.

        Then nothing above that layer is computed, and embeddings are empty (b 0). With `patches`, also the states of
        patches that are "masked" in the batch (b n), or "asked" for.
        """
        self._stoppable(perturb)
        read = keep if keep is not None else len(self.encoder.layers) - 1 if self.language else None
        if (perturb or patches or read is not None) and self.encoder._compiled_call_impl is not None:
            raise ValueError(
                "the encoder is compiled as a whole, so that nothing can be changed or read at a layer; compile its "
                "blocks one by one: for block in encoder.layers[1:]: block.compile()"
            )
        stop = keep is not None
        last, first = ([self.encoder.patches], 0) if patches else ((), None)
        with (
            perturbed(self.layers if perturb else (), perturb, batch),
            outputs(self.encoder.layers, read, stop) as seen,
            outputs(last, first) as states,
        ):
            if stop:
                return self._states(seen, batch)
            embedding = self.encoder(batch)
            projection = self.head(embedding)
            encoded = Encoded(embedding if self.has_head else projection, projection)
        if patches:
            encoded = replace(encoded, **_asked(states[0], batch))
        return replace(encoded, guessed=_guessed(self.language, seen[0], batch)) if self.language else encoded

    def _states(self, seen: Sequence[Tensor], batch: Batch) -> Encoded:
        """What a layer gives that the encoder stops at."""
        with suppress(_Seen):
            self.encoder(batch)
        tokens = apart(seen[0], batch)
        none = tokens.new_zeros(len(tokens), 0)
        return Encoded(none, none, tokens=tokens, labels=apart(_labels(batch), batch, -100))

    def save(self, folder: Path) -> None:
        """Writes the encoder's folder, with the head for language in it; the other head is thrown away."""
        self.encoder.save(folder)
        if isinstance(self.language, Kept):
            self.language.save(folder)

    def _stoppable(self, perturb: Perturb | None) -> None:
        """Raises ValueError where gradients would go round a stop."""
        if perturb and perturb.gradient != "pass" and (why := self.encoder.leaks.get(perturb.layer)):
            raise ValueError(f"gradients go round a stop at layer {perturb.layer} of this network: {why}; take another")


def _labels(batch: Batch) -> Int[Tensor, "..."]:
    """The tokens to guess, in the shape of the batch: of a row (1 t), or of padded ones (b t)."""
    labels = batch.get("labels", torch.full_like(batch["ids"], -100))
    return labels[None] if "edges" in batch else labels


def _guessed(language: Language, hidden: Tensor, batch: Batch) -> Float[Tensor, "b 2"]:
    """For each sample the sum of -log p of its masked tokens, and their number."""
    labels = _labels(batch)
    asked = labels != -100
    packed = "edges" in batch
    sample = places(batch["edges"], labels.shape[1])[0][asked[0]] if packed else asked.nonzero()[:, 0]
    losses = language(hidden[asked], labels[asked]).float()
    told = losses.new_zeros(len(batch["key"]), 2)
    return told.index_add(0, sample, torch.stack([losses, torch.ones_like(losses)], 1))


def _asked(states: Float[Tensor, "b t d"], batch: Batch) -> dict[str, Tensor]:
    """States of the patches that are masked or asked for, and their numbers; 0 and -100 behind a sample's last.

    Of graphs, all nodes.
    """
    if "edges" in batch:
        place = places(batch["edges"], states.shape[1])[1]
        return {"tokens": apart(states, batch), "labels": apart(place[None], batch, -100)}
    b = len(states)
    asked = batch.get("masked", batch.get("asked", torch.zeros(b, 0, dtype=torch.bool, device=states.device)))
    most = int(asked.sum(1).max()) if asked.numel() else 0
    which = asked.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    there = asked.gather(1, which)
    patches = states[:, states.shape[1] - asked.shape[1] :]
    found = patches.gather(1, which[..., None].expand(-1, -1, states.shape[2]))
    return {"tokens": found * there[..., None], "labels": torch.where(there, which, -100)}


def unmasked(batch: Batch) -> Batch:
    """A batch as a teacher reads it: nothing is masked, and what was is asked for."""
    return {"asked" if name == "masked" else name: x for name, x in batch.items()}


def apart(x: Tensor, batch: Batch, padding: float = 0.0) -> Tensor:
    """Samples that lie end to end in a row (1 t ...), or are padded already, as padded rows (b t ...)."""
    if "mask" in batch:
        mask = batch["mask"].bool()
        return torch.where(mask.view(*mask.shape, *[1] * (x.ndim - 2)), x, padding)
    if "edges" not in batch:
        return x
    edges = batch["edges"].tolist()
    rows = [x[0, a:b] for a, b in pairwise(edges)]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)


class _Seen(Exception):  # noqa: N818 - it is no error
    """A layer has given what was asked for, and what follows it is not computed."""


@contextmanager
def outputs(layers: Sequence[nn.Module], index: int | None, stop: bool = False) -> Iterator[list[Tensor]]:
    """While open, what `layers[index]` gives is put in the list, and nothing if there is no index.

    With `stop` the layer then raises `_Seen`. Raises ValueError if there is no such layer.
    """
    seen: list[Tensor] = []
    if index is None:
        yield seen
        return
    if not 0 <= index < len(layers):
        raise ValueError(f"layers of this encoder are 0..{len(layers) - 1}; got {index}")

    def hook(layer: nn.Module, args: Any, out: Any) -> None:
        seen.append(_first(out))
        if stop:
            raise _Seen

    handle = layers[index].register_forward_hook(_uncompiled(hook) if stop else hook)
    try:
        yield seen
    finally:
        handle.remove()


def _uncompiled(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook that stays as it is where its module is compiled."""
    return torch.compiler.disable(hook) if "torch._dynamo" in sys.modules else hook


def _first(out: Any) -> Tensor:
    found: Tensor = out[0] if isinstance(out, tuple) else out
    return found


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

    def hook(layer: nn.Module, args: Any, out: Any) -> Any:
        if isinstance(out, tuple):
            return (perturb(out[0], batch), *out[1:])
        return perturb(out, batch)

    handle = layers[perturb.layer].register_forward_hook(_uncompiled(hook))
    try:
        yield
    finally:
        handle.remove()


# ---------------------------------------------------------------- what they are trained for

Views = dict[str, list[Encoded]]  # by role, in the order of the recipe


def compared(views: Views) -> list[Encoded]:
    """The views that an objective compares, which instruments look at: of role "view", or "global" where none is."""
    return views.get("view") or views.get("global", [])


class Twin(nn.Module):
    """A head within an objective, and the teacher's own, which follows it as a teacher does its model.

    As a part of the objective it sees all samples of a step, and what it makes of them (of each embedding, as many
    numbers as there are prototypes) is not sent between processes.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.model, self.teacher = head, deepcopy(head).requires_grad_(False)

    def forward(self, x: Float[Tensor, "m d"], teacher: bool = False) -> Float[Tensor, "m p"]:
        """In the numbers of its weights, whatever those of `x`. What the teacher's makes has no gradient."""
        head = self.teacher if teacher else self.model
        x = x.to(next(head.parameters()).dtype)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not teacher):
            made: Tensor = head(x)
            return made


class Objective(nn.Module, ABC):
    """A function of embeddings. It never sees the encoder, the optimiser or the processes."""

    paper: str
    reads_tokens: bool = False  # whether it reads the states of masked patches (`Encoded.tokens`), of model and teacher

    @abstractmethod
    def forward(self, views: Views, teacher: Views) -> Terms: ...

    @property
    def needs_tokens(self) -> bool:
        """Whether it, or an objective within it, reads the states of masked patches."""
        return any(part.reads_tokens for part in self.modules() if isinstance(part, Objective))

    @property
    def twins(self) -> list[Twin]:
        """The heads within it of which a teacher has its own, each once."""
        return [part for part in self.modules() if isinstance(part, Twin)]

    def told(self, name: str) -> Any:
        """A setting of the objective, or of the first within it that has one by that name; None if there is none.

        One that is a tensor, such as a temperature that is learned, is told as the numbers that it holds now.
        """
        held = (each for part in self.modules() for each in (vars(part), part._parameters, part._buffers))
        found = next((each[name] for each in held if name in each), None)
        if not isinstance(found, Tensor):
            return found
        return found.item() if found.numel() == 1 else found.tolist()


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
    """AdamW, linear warm-up over a part of the steps, then linear or cosine decay to zero, or to `lr_end`.

    Warm-up is a part of an epoch, or `warmup_steps`. `rates` gives parameters whose name starts with a prefix a
    learning rate of their own; a rate of 0 freezes them. Those whose name fits a pattern of `late` ("*" is anything)
    stay as they are for so many steps.

    With `layer_decay`, rates are multiplied by it once for each layer between a weight and the end of the encoder: of
    L blocks, those of layer l by `layer_decay` ** (L + 1 - l); what lies behind the last block, and heads, by 1.

    Weight decay goes from `weight_decay` to `weight_decay_end` by half a cosine over the run, if that is given. With
    `decayed="matrices"` vectors and numbers (biases, norms, scales of layers) have none. `clip` is the longest
    gradient, of all weights together, or with `clipped="parts"` of the encoder and of each head for itself.
    """

    lr: float
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    rates: Mapping[str, float] = field(default_factory=dict)
    warmup_steps: int | None = None
    schedule: Schedule = "linear"
    lr_end: float | None = None
    late: Mapping[str, int] = field(default_factory=dict)
    layer_decay: float | None = None
    weight_decay_end: float | None = None
    decayed: Literal["matrices"] | None = None
    clipped: Literal["parts"] | None = None

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
        if self.lr_end is not None and not 0 <= self.lr_end <= self.lr:
            raise ValueError(f"the last learning rate is from 0 to lr={self.lr}; got lr_end={self.lr_end}")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise ValueError(f"rates of earlier layers are a part, in (0, 1]; got layer_decay={self.layer_decay}")
        if self.weight_decay_end is not None and not 0 <= self.weight_decay_end < float("inf"):
            raise ValueError(f"weight decay is 0 or more; got weight_decay_end={self.weight_decay_end}")
        if any(steps < 0 for steps in self.late.values()):
            raise ValueError(f"weights stay as they are for 0 steps or more; got late={dict(self.late)}")
        if self.clipped and self.clip is None:
            raise ValueError("the gradients of parts are cut to a length; give clip= too")
        for name, given, only in (("decayed", self.decayed, "matrices"), ("clipped", self.clipped, "parts")):
            if given not in (None, only):
                raise ValueError(f"Optimiser.{name} is {only!r}, or None for everything; got {given!r}")


Momentum = Literal["constant", "cosine"]


@dataclass(frozen=True)
class Teacher:
    """A copy of the model that follows it: t <- momentum * t + (1 - momentum) * m. At 1 it is frozen.

    Its head is its own, or that of the model ("shared"); a `Twin` within the objective has always its own. Without
    `dropout` it encodes as after training. `layer` asks for the hidden states of that layer in place of embeddings:
    what lies above it is not computed. With `schedule="cosine"` the momentum rises by half a cosine from `momentum` to
    1 at the end of the run, as in BYOL (arXiv:2006.07733).
    """

    momentum: float = 0.996
    head: Literal["own", "shared"] = "own"
    dropout: bool = True
    layer: int | None = None
    schedule: Momentum = "constant"

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"a teacher's momentum is from 0 to 1; got {self.momentum}")
        if self.schedule not in get_args(Momentum):
            raise ValueError(f"a momentum's schedule is one of {', '.join(get_args(Momentum))}; got {self.schedule!r}")

    def at(self, step: int, steps: int) -> float:
        """The momentum at a step (from 0) of so many."""
        if self.schedule == "constant":
            return self.momentum
        return 1 - (1 - self.momentum) * (math.cos(math.pi * step / steps) + 1) / 2


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

    def cite(self) -> str:
        """BibTeX of what it uses, each entry under a comment that says for what."""
        return citations.bibtex(citations.of_recipe(self))


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
