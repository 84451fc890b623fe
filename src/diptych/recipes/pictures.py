"""What the recipes for pictures share: a corpus, an encoder, an augmentation, and the settings that go with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from diptych.recipes.also import Also, also
from diptych.recipes.settings import Labelled, Training, Warmup
from diptych.recipes.usual import Defaults, batch_of, check_name, optimiser_of, options, steps_of

if TYPE_CHECKING:
    from diptych.core import Model, Objective, Recipe, Teacher, View
    from diptych.data.images.store import Pictures
    from diptych.encoders.image.vision import Vision
    from diptych.views.input.image.strategy import Augmentation


class Settings(Labelled, Training, Warmup, Also, TypedDict, total=False):
    """Options of every recipe for pictures. What is left out gets the recipe's default, or that of the encoder."""

    encoder: str
    """What to train: resnet18, resnet34, resnet50, vit-tiny, -small, -base, -large, dinov2-tiny, ... from scratch; a
    folder, or a hub id."""
    init: str | None
    """Start from the weights of this model, in place of --encoder."""
    size: int | None
    """Side of the pictures that the network sees, in pixels (that of the corpus, up to 224)."""
    patch: int | None
    """Side of a patch (the largest of 16, 14, 8, 4, 2 of which eight or more fill the side)."""
    width: int | None
    """Width of a network from scratch: of a transformer's tokens, or of a ResNet's first stage (64)."""
    depth: int | None
    """Blocks of a transformer from scratch."""
    stem: Literal["cifar", "imagenet"] | None
    """First layers of a ResNet: one convolution of 3 x 3 (for sides up to 64), or 7 x 7 and pooling."""
    registers: int | None
    """Further tokens of a dinov2 network that stand for no patch (0)."""
    layer_scale: float | None
    """What a dinov2 network's branches are multiplied by at the start (1e-5)."""
    drop_path: float | None
    """Rate of stochastic depth of a dinov2 network, the same in all blocks."""
    pooling: Literal["cls", "mean"] | None
    """How the states of tokens become one (cls, where there is such a token)."""
    augmentation: Literal["original", "shared", "crop-resize", "crop"]
    """original: crops, flips and colours, each view for itself; shared: one draw of colours and flip for all views of a
    picture; crop-resize: crops of random size and aspect alone; crop: crops of a fixed size alone."""
    pre_resize: int | None
    """Short side of a picture before crops of a fixed size (8/7 of the side: 256 for 224)."""
    scale: tuple[float, float] | None
    """Part of a picture's area that a crop of random size takes, from and to."""
    aspect: tuple[float, float] | None
    """Its width over its height, from and to (0.75 1.333)."""
    flip: float | None
    """Probability of a mirror image (0.5)."""
    share_flip: bool
    """Whether the flip is shared too by all views, with --augmentation shared (yes)."""
    brightness: float | None
    """Colour jitter: factors from 1 - x to 1 + x."""
    contrast: float | None
    """The same of contrast."""
    saturation: float | None
    """The same of saturation."""
    hue: float | None
    """Colour jitter: hues are turned by up to so much of the circle."""
    jitter_p: float | None
    """Probability of colour jitter."""
    gray_p: float | None
    """Probability of a picture without colours."""
    blur_p: float | None
    """Probability of a blur."""
    sigma: tuple[float, float] | None
    """Standard deviation of the blur in pixels, from and to (0.1 2.0)."""
    blur_radius: int | None
    """Pixels to each side that the blur reaches (4: a kernel of 9)."""
    solarize_p: float | None
    """Probability of solarization: bright values are inverted."""
    threshold: float | None
    """Value from which on they are, of 0 to 256 (128)."""
    stored: int | None
    """Short side at which larger pictures are kept in the cache (twice that of what the network sees, up to 256)."""
    image_column: str | None
    """Column of a table that holds the pictures (found, if not given)."""
    ignore: int | None
    """Number of the pixels of a mask that have no class, for evaluation only (255)."""
    train_only: bool
    """Learn nothing from the tenth that is asked, where the corpus has no parts of its own; of one that has, only the
    training part is learned from anyway."""


SIDES = (32, 48, 64, 96, 128, 160, 192, 224)  # of what a network sees, unless it is given
STORED = 256  # short side of larger pictures in the cache, at most, unless it is given
OF_NETWORK = ("patch", "width", "depth", "stem", "registers", "layer_scale", "drop_path")
OF_COLOUR = ("brightness", "contrast", "saturation", "hue", "jitter_p", "gray_p", "blur_p", "sigma", "solarize_p",
             "threshold")  # fmt: skip


TOGETHER = (
    "batch normalisation reads all views of one size that a process has of a step, in one pass: what is learned "
    "depends on the number of processes"
)


@dataclass(frozen=True)
class Method:
    """What a recipe makes of an encoder and an augmentation: its views, heads, and what they are trained for.

    `kinds` are defaults of "resnet", "vit" and "pretrained" encoders; `encoder` is the one from scratch unless another
    is asked for, `usual` how this method augments unless other numbers are.
    """

    encoder: str
    kinds: Mapping[str, Defaults]
    usual: "Augmentation"
    views: "Callable[[Vision, Augmentation], Sequence[View]]"
    objective: "Callable[[Vision], Objective]"
    model: "Callable[[Vision], Model]"
    teacher: "Teacher | None" = None


def build(corpus: "str | Pictures", method: Method, settings: Mapping[str, Any]) -> "Recipe":
    """A recipe for pictures of a corpus.

    Where the corpus has parts, it learns from the training part. Raises ValueError where settings contradict one
    another, and for a corpus of fewer than two pictures.
    """
    from diptych.core import Recipe
    from diptych.plural import counted

    given = options(settings, Settings.__annotations__)
    before = loaded(given, method)
    pictures = read(corpus, given, before.side if before else 1)
    seen, notes = _learned(pictures, given)
    kind, encoder = ("pretrained", before) if before else fresh(seen, given, method)
    encoder.freeze(given.get("train_last"))
    augmentation = augmentation_of(given, method.usual, encoder.side)
    defaults = method.kinds[kind]
    batch = batch_of(given, defaults, len(seen), "pictures", notes)
    small = int((seen.of(seen.index.extent).min(1) < encoder.side).sum())
    notes += [f"{counted(small, 'picture')} narrower than {encoder.side} pixels, enlarged"] if small else []
    notes += [TOGETHER] if encoder.together else []
    steps = steps_of(given, defaults, len(seen), batch)
    made = Recipe(
        model=method.model(encoder),
        views=method.views(encoder, augmentation),
        objective=method.objective(encoder),
        data=seen,
        optimiser=optimiser_of(given, defaults, steps),
        batch=batch,
        steps=steps,
        seed=given.get("seed", 0),
        teacher=method.teacher,
        documents=pictures,
        notes=[*pictures.notes, *notes],
    )
    return also(made, given)


def read(corpus: "str | Pictures", given: Mapping[str, Any], side: int = 1) -> "Pictures":
    """The corpus, from the cache if it was read before at that size; for a network that sees `side` pixels or more."""
    from diptych.data.images import corpus as of_pictures
    from diptych.data.images.store import Pictures

    if isinstance(corpus, Pictures):
        return _ignoring(corpus, given)
    check_name(Path(str(corpus)))
    for name in ("size", "pre_resize", "stored"):
        if (x := given.get(name)) is not None and x < 1:
            raise ValueError(f"--{name.replace('_', '-')} is a number of pixels, 1 or more; got {x}")
    size, least = given.get("size"), max(side, given.get("size", 1), given.get("pre_resize", 1))
    stored = given.get("stored", max(least, min(STORED, 2 * size) if size else STORED))
    found = of_pictures.pictures(corpus, stored, given.get("image_column"), given.get("label_column"))
    return _ignoring(found, given)


def _ignoring(pictures: "Pictures", given: Mapping[str, Any]) -> "Pictures":
    return pictures.ignoring(given["ignore"]) if "ignore" in given else pictures


def _learned(pictures: "Pictures", given: Mapping[str, Any]) -> "tuple[Pictures, list[str]]":
    """The pictures to learn from, and what to say of that."""
    import numpy as np

    from diptych.evaluate.images.corpus import never_asked
    from diptych.plural import counted

    train, kept = pictures.part("train"), np.arange(len(pictures))
    if given.get("train_only"):
        kept = never_asked(pictures)
    if not len(train) or len(train) == len(pictures):
        return pictures.select(kept) if len(kept) < len(pictures) else pictures, []
    kept = np.intersect1d(kept, train)
    others = counted(len(pictures) - len(kept), "picture")
    return pictures.select(kept), [f"learned from the {len(kept):,} of the training part; {others} are not seen"]


def loaded(given: Mapping[str, Any], method: Method) -> "Vision | None":
    """The network that learned before, if one is asked for. Raises ValueError for contradictions."""
    from diptych import encoders
    from diptych.encoders.image.scratch import NAMES
    from diptych.encoders.image.vision import Vision

    name = given.get("encoder", method.encoder)
    if "init" in given and "encoder" in given:
        raise ValueError(f"--init {given['init']} brings its own encoder; leave --encoder {name} out")
    if "init" not in given and name in NAMES:
        return None
    name = given.get("init", name)
    if made := min((k for k in OF_NETWORK if k in given), default=None):
        belongs = f"--{made.replace('_', '-')} belongs to an encoder from scratch"
        raise ValueError(f"{belongs} ({', '.join(NAMES)}), and {name} is none")
    found = encoders.load(name, given.get("pooling"))
    if not isinstance(found, Vision):
        raise ValueError(f"{name} is no encoder of pictures; those are {', '.join(NAMES)}")
    if "size" in given:
        found.filled(given["size"])
        found.side = given["size"]
    return found


def fresh(pictures: "Pictures", given: Mapping[str, Any], method: Method) -> "tuple[str, Vision]":
    """The network from scratch that is asked for, and its kind."""
    from diptych.encoders.image import scratch

    name, side = given.get("encoder", method.encoder), given.get("size") or usual_side(pictures)
    made = {k: given[k] for k in OF_NETWORK if k in given}
    encoder = scratch.fresh(name, side, given.get("seed", 0), **made)
    encoder.pooling = given.get("pooling", encoder.pooling)
    return "resnet" if name in scratch.RESNET else "vit", encoder


def usual_side(pictures: "Pictures") -> int:
    """The largest of SIDES that half of the pictures have."""
    import numpy as np

    rows = slice(None) if pictures.rows is None else pictures.rows
    short = float(np.median(pictures.index.extent[rows].min(1)))
    return max((side for side in SIDES if side <= short), default=SIDES[0])


def augmentation_of(given: Mapping[str, Any], usual: "Augmentation", side: int) -> "Augmentation":
    """The augmentation of a method with what is asked for. Raises ValueError for what the strategy does not do."""
    colours: dict[str, Any] = {k: given[k] for k in OF_COLOUR if k in given}
    if "blur_radius" in given:
        colours["radius"] = given["blur_radius"]
    if "sigma" in colours:
        colours["sigma"] = _pair(colours["sigma"], "sigma")
    other: dict[str, Any] = {k: _pair(given[k], k) for k in ("scale", "aspect") if k in given}
    other |= {k: given[k] for k in ("flip", "share_flip") if k in given}
    strategy = given.get("augmentation", usual.strategy)
    unused = [*colours, *[k for k in ("flip", "share_flip") if k in other]] if strategy.startswith("crop") else []
    unused += [k for k in ("scale", "aspect") if k in other] if strategy == "crop" else []
    unused += ["share_flip"] if strategy == "original" and "share_flip" in other else []
    if unused:
        name = "blur_radius" if unused[0] == "radius" else unused[0]
        raise ValueError(f"--{name.replace('_', '-')} changes nothing with --augmentation {strategy}; leave it out")
    if "pre_resize" in given and strategy != "crop":
        raise ValueError(f"--pre-resize is for --augmentation crop; with {strategy} crops are resized each for itself")
    colour = replace(usual.colour, **colours)
    return replace(usual, strategy=strategy, size=side, resize=given.get("pre_resize"), colour=colour, **other)


def _pair(x: Any, name: str) -> tuple[float, float]:
    if len(x) != 2:
        raise ValueError(f"--{name} is two numbers, from and to; got {x}")
    return float(x[0]), float(x[1])
