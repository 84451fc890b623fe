"""What `dino` and `dinov2` share: crops of two sizes, heads of prototypes, a teacher, and schedules over the run."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from diptych.core import Optimiser, Recipe, Teacher, Twin, View
    from diptych.encoders.image.vision import Vision
    from diptych.objectives.targets import Targets
    from diptych.views.input.image.mask import BlockMask
    from diptych.views.input.image.strategy import Augmentation

Kind = Literal["centring", "sinkhorn"]
LAST = "objective*.last.*"  # weights of the layer of prototypes
PATCHES = "network.embeddings.patch_embeddings"
SMALL = 64  # pixels: up to this side, heads are those for small pictures
LOCAL = 3 / 7  # of the side: 96 for 224


@dataclass(frozen=True)
class Plan:
    """Numbers of a method that are parts of a run or belong to a size of picture; `small` replaces those of its name.

    `lr` is for a batch of 1,024 and goes with the square root of the batch; weight decay goes to `weight_decay_end`,
    unless another is asked for, which stays. `warmup` (of the rate), `temperature` (of
    the teacher's temperature) and `frozen` (of the last layer) are parts of the run.
    """

    lr: float
    momentum: float
    targets: Kind
    prototypes: int
    bottleneck: int
    hidden: int
    warmup: float
    temperature: float
    frozen: float
    layer_decay: float | None
    weight_decay_end: float
    small: Mapping[str, int] = field(default_factory=dict)

    def sized(self, side: int, **asked: Any) -> "Plan":
        """For pictures of a side, with what is asked for."""
        changes: dict[str, Any] = {**self.small} if side <= SMALL else {}
        return replace(self, **changes | {k: x for k, x in asked.items() if x is not None})


@dataclass(frozen=True)
class Crops:
    """Two global crops and `local` small ones. `blur` is for the first, the second and the local ones.

    `size` is the side of a local crop (3/7 of that of a global one, in whole patches). Solarization is of the second
    global crop alone, with `solarize`; under --augmentation shared all crops have the blur of a local one, and
    `solarize_shared` says whether all are solarized with that probability, or none.
    """

    local: int
    size: int | None
    scale: tuple[float, float]
    blur: tuple[float, float, float]
    solarize: float
    solarize_shared: bool

    def side(self, encoder: "Vision") -> int:
        """Of a local crop. Raises ValueError if patches do not fill it."""
        if self.size is None:
            unit = encoder.patch or 1
            return max(1, round(LOCAL * encoder.side / unit)) * unit
        encoder.filled(self.size)
        return self.size

    def views(
        self, encoder: "Vision", augmentation: "Augmentation", column: str, masks: "list[BlockMask] | None" = None
    ) -> "list[View]":
        """The global crops, by model and teacher, then the local ones. Raises ValueError for fewer than none."""
        from diptych.core import View
        from diptych.views.input.image.strategy import resized
        from diptych.views.input.then import chain

        if self.local < 0:
            raise ValueError(f"there are 0 local crops or more; got local={self.local}")
        colour, whole = augmentation.colour, augmentation.resize or resized(augmentation.size)
        shared = replace(colour, blur_p=self.blur[2], solarize_p=self.solarize if self.solarize_shared else 0.0)
        usual = replace(augmentation, resize=whole, shared=shared)
        rows = []
        for place, solarize in enumerate((0.0, self.solarize)):
            made = replace(usual, colour=replace(colour, blur_p=self.blur[place], solarize_p=solarize)).transform
            rows.append(View("global", column, chain(made, masks[place]) if masks else made, by="both"))
        size = self.side(encoder)
        small = replace(usual, size=size, scale=self.scale, colour=replace(colour, blur_p=self.blur[2], solarize_p=0.0))
        return [*rows, *[View("local", column, small.transform)] * self.local]


def crops(settings: Mapping[str, Any], local: int, size: int | None, scale: Any, blur: Any, shared: bool) -> Crops:
    """Crops with --blur-p and --solarize-p, if they are given, in place of the method's own. ValueError for others."""
    blurs = (settings["blur_p"],) * 3 if settings.get("blur_p") is not None else tuple(map(float, blur))
    if len(blurs) != 3:
        raise ValueError(f"--blur is three probabilities, of global 1, global 2 and local crops; got {blur}")
    if len(scale) != 2:
        raise ValueError(f"--local-scale is two numbers, from and to; got {scale}")
    solarize = settings["solarize_p"] if settings.get("solarize_p") is not None else 0.2
    return Crops(local, size, (float(scale[0]), float(scale[1])), blurs, solarize, shared)


def head(encoder: "Vision", plan: Plan, bottleneck: int, seed: int) -> "Twin":
    """A head of prototypes, and the teacher's. Raises ValueError for fewer than one."""
    from diptych.core import Twin
    from diptych.encoders.heads import Prototypes

    for name, given in (("prototypes", plan.prototypes), ("bottleneck", bottleneck), ("hidden", plan.hidden)):
        if given < 1:
            raise ValueError(f"--{name} is 1 or more; got {given}")
    return Twin(Prototypes(encoder.dim, plan.prototypes, plan.hidden, bottleneck, seed=seed))


def targets(plan: Plan) -> "Targets":
    """What the teacher's logits are turned into; `timed` says how long its temperature rises."""
    from diptych.objectives.centring import Centring
    from diptych.objectives.sinkhorn import SinkhornKnopp

    return Centring(plan.prototypes) if plan.targets == "centring" else SinkhornKnopp()


def teacher(momentum: float) -> "Teacher":
    """It encodes as after training, so that nothing is left out or perturbed there; its momentum rises to 1."""
    from diptych.core import Teacher

    return Teacher(momentum, dropout=False, schedule="cosine")


def timed(made: "Recipe", plans: Callable[[int], Plan], settings: Mapping[str, Any]) -> "Recipe":
    """The recipe with what depends on its batch and its number of steps; `plans` gives the plan for a side."""
    from diptych.encoders.image.vision import Vision
    from diptych.objectives.targets import Targets

    assert isinstance(made.model.encoder, Vision)
    plan = plans(made.model.encoder.side)
    for part in made.objective.modules():
        if isinstance(part, Targets):
            part.warmup = round(plan.temperature * made.steps)
    return replace(made, optimiser=_timed(made, plan, settings))


def _timed(made: "Recipe", plan: Plan, settings: Mapping[str, Any]) -> "Optimiser":
    from diptych.encoders.image.scratch import NAMES

    changes: dict[str, Any] = {"late": {LAST: min(made.steps - 1, math.ceil(plan.frozen * made.steps))}}
    lr, fresh = made.optimiser.lr, settings.get("init") is None and settings.get("encoder") in (None, *NAMES)
    if settings.get("lr") is None and fresh:  # else that of its kind
        changes["lr"] = lr = plan.lr * math.sqrt(made.batch / 1024)
    if settings.get("warmup") is None and settings.get("warmup_steps") is None:
        changes["warmup_steps"] = round(plan.warmup * made.steps)
    if any(name.startswith(PATCHES) for name, _ in made.model.encoder.named_parameters()):
        changes["rates"] = {PATCHES: 0.2 * lr}
    if settings.get("weight_decay") is None:
        changes["weight_decay_end"] = plan.weight_decay_end
    return replace(made.optimiser, lr_end=min(1e-6, lr), layer_decay=plan.layer_decay, **changes)
