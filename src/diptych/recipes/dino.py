"""A student says of small crops what a teacher says of large ones (DINO, arXiv:2104.14294)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import distillation
from diptych.recipes.distillation import Kind, Plan
from diptych.recipes.pictures import Method, Settings, build
from diptych.recipes.usual import Defaults

if TYPE_CHECKING:
    from diptych.core import Objective
    from diptych.data.images.store import Pictures
    from diptych.encoders.image.vision import Vision
    from diptych.views.input.image.strategy import Augmentation

ADAMW = {"schedule": "cosine", "weight_decay": 0.04, "decayed": "matrices", "clip": 3.0, "clipped": "parts"}
KINDS = {
    "resnet": Defaults(lr=1e-3, batch=128, epochs=20, least=300, optimiser=ADAMW),
    "vit": Defaults(lr=1e-3, batch=128, epochs=20, least=300, optimiser=ADAMW),
    "pretrained": Defaults(lr=1e-4, batch=128, epochs=5, least=100, optimiser=ADAMW),
}
PLAN = Plan(
    lr=2e-3, momentum=0.996, targets="centring", prototypes=65536, bottleneck=256, hidden=2048, warmup=0.1,
    temperature=0.3, frozen=0.01, layer_decay=None, weight_decay_end=0.4,
    small={"prototypes": 2048, "bottleneck": 128, "hidden": 512},
)  # fmt: skip


def usual() -> "Augmentation":
    """Colours and flips of DINO; blur and solarization differ from crop to crop."""
    from diptych.views.input.image.colour import Colour
    from diptych.views.input.image.strategy import Augmentation

    return Augmentation(scale=(0.32, 1.0), colour=Colour(0.4, 0.4, 0.2, 0.1, jitter_p=0.8, gray_p=0.2))


@recipe
def dino(
    corpus: "str | Pictures",
    *,
    local: int = 8,
    local_size: int | None = None,
    local_scale: tuple[float, float] = (0.05, 0.32),
    blur: tuple[float, float, float] = (1.0, 0.1, 0.5),
    solarize_shared: bool = False,
    targets: Kind | None = None,
    prototypes: int | None = None,
    bottleneck: int | None = None,
    hidden: int | None = None,
    momentum: float | None = None,
    **settings: Unpack[Settings],
) -> Recipe:
    """Large and small crops of a picture: a student says of each what a teacher says of the other large ones.

    The teacher follows the student, its momentum rising from .996 to 1 by a cosine, and encodes as after training. The
    head has 65,536 prototypes behind three layers (2,048, 2,048, 256); for pictures of up to 64 pixels 2,048 behind
    512, 512, 128. Targets are centred; the teacher's temperature goes from .04 to .07 in the first 30 % of the run, the
    student's is .1. AdamW with weight decay from .04 to .4 (of matrices), a rate of .002 x sqrt(batch / 1024) unless
    --lr is given, a tenth of the run of warm-up, gradients of encoder and head each cut to 3, prototypes that stay as
    they are in the first hundredth. Layer L + 1 is the embedding: the head is a part of the objective. Crops as in
    `dinov2`, but for the blur.
    Source: DINO, arXiv:2104.14294.

    Parameters
    ----------
    corpus
        A folder of pictures (a class is a folder), a .npz or .npy file of arrays, .parquet or .jsonl with bytes or
        paths, CIFAR's .bin files, a Hugging Face dataset folder, a hub id, or world:n=10000:size=48.
    local
        Small crops of a picture.
    local_size
        Their side in pixels (3/7 of that of large ones, in whole patches: 96 for 224).
    local_scale
        Part of a picture's area that a small crop of random size takes, from and to.
    blur
        Probability of a blur of the first large crop, of the second, and of small ones.
    solarize_shared
        With --augmentation shared, whether all crops may be solarized; else none is.
    targets
        How the teacher's logits become targets: centring, or sinkhorn (Sinkhorn-Knopp).
    prototypes
        Columns of the head.
    bottleneck
        Width of the head before its prototypes.
    hidden
        Width of its other layers.
    momentum
        How much of the teacher stays at the first step.
    """
    from diptych.core import Model
    from diptych.data.images.store import COLUMN
    from diptych.objectives.dino import DINO

    seed = settings.get("seed", 0)
    crops = distillation.crops(settings, local, local_size, local_scale, blur, solarize_shared)

    def plan(side: int) -> Plan:
        return PLAN.sized(side, targets=targets, prototypes=prototypes, bottleneck=bottleneck, hidden=hidden)

    def objective(encoder: "Vision") -> "Objective":
        sized = plan(encoder.side)
        return DINO(distillation.head(encoder, sized, sized.bottleneck, seed), distillation.targets(sized))

    method = Method(
        encoder="vit-tiny",
        kinds=KINDS,
        usual=usual(),
        views=lambda encoder, augmentation: crops.views(encoder, augmentation, COLUMN),
        objective=objective,
        model=Model,
        teacher=distillation.teacher(PLAN.momentum if momentum is None else momentum),
    )
    made = build(corpus, method, settings)
    return distillation.timed(made, plan, settings)
