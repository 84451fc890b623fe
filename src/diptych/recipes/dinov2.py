"""Crops, hidden patches, embeddings spread out: DINOv2 (arXiv:2304.07193), augmented as in arXiv:2406.09294."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import distillation
from diptych.recipes.dino import ADAMW, usual
from diptych.recipes.distillation import Kind, Plan
from diptych.recipes.pictures import Method, Settings, build
from diptych.recipes.usual import Defaults

if TYPE_CHECKING:
    from diptych.core import Objective
    from diptych.data.images.store import Pictures
    from diptych.encoders.image.vision import Vision
    from diptych.views.input.image.mask import BlockMask

Length = Literal["short", "long"]
Heads = Literal["shared", "separate"]
SHORT = Plan(
    lr=4e-3, momentum=0.992, targets="centring", prototypes=65536, bottleneck=256, hidden=2048, warmup=0.1,
    temperature=0.3, frozen=0.01, layer_decay=0.9, weight_decay_end=0.4,
    small={"prototypes": 2048, "bottleneck": 128, "hidden": 512},
)  # fmt: skip
LONG = Plan(
    lr=2e-4, momentum=0.994, targets="sinkhorn", prototypes=131072, bottleneck=384, hidden=2048, warmup=0.16,
    temperature=0.06, frozen=0.002, layer_decay=None, weight_decay_end=0.2,
    small={"prototypes": 4096, "bottleneck": 192, "hidden": 512},
)  # fmt: skip
PLANS = {"short": SHORT, "long": LONG}
EPOCHS = {"short": 20, "long": 100}  # as 100 and 500 of the authors' epochs of 1,250 steps
OF_PATCHES = 2 / 3  # of the bottleneck of crops, where heads are separate: 256 for 384
DROP_PATH = 0.1  # for small networks; the authors' is 0.3 and 0.4 for large ones
OTHER_HEAD = 1 << 40  # in the seed of the second head


@recipe
def dinov2(
    corpus: "str | Pictures",
    *,
    length: Length = "short",
    local: int = 8,
    local_size: int | None = None,
    local_scale: tuple[float, float] = (0.05, 0.32),
    blur: tuple[float, float, float] = (0.0, 0.9, 0.5),
    solarize_shared: bool = False,
    mask: float = 0.5,
    mask_ratio: tuple[float, float] = (0.1, 0.5),
    ibot: float = 1.0,
    koleo: float = 0.1,
    heads: Heads | None = None,
    targets: Kind | None = None,
    prototypes: int | None = None,
    bottleneck: int | None = None,
    hidden: int | None = None,
    momentum: float | None = None,
    layer_decay: float | None = None,
    **settings: Unpack[Settings],
) -> Recipe:
    """DINO on crops, iBOT on patches that are hidden from the student, and KoLeo, which spreads a batch out.

    DINO is the mean over 2 + 2 x local pairs of a teacher's large crop and a student's other crop. Of the two large
    crops of all pictures of a step, int(mask x 2 x batch) have hidden patches: a part of them in (.1, .5), stratified
    over the step, in blocks. A patch weighs 1 / number hidden in its crop. KoLeo (weight .1) is of the embeddings of
    each large crop. The teacher sees everything; it follows with a momentum that rises to 1 by a cosine.

    What the authors have for ViT-L, `length` short (100 of their epochs of 1,250 steps) | long (500), as parts of it:
    rate .004 | .0002 x sqrt(batch / 1024), to 1e-6 by a cosine; warm-up 10 | 16 %; weight decay .04 to .4 | .2, none of
    vectors; momentum .992 | .994; targets centred | Sinkhorn-Knopp; one head for crops and patches | two; 65,536 |
    131,072 prototypes behind a bottleneck of 256 | 384 (patches 256); layer decay .9 | none; the teacher's temperature
    from .04 to .07 in 30 | 6 %; prototypes frozen for 1 | .2 %; the rate of the patches' embedding times .2; gradients
    of the encoder and of each head cut to 3; layer scale 1e-5; stochastic depth .3 | .4, here .1 for small networks.
    For pictures of up to 64 pixels heads are smaller: 2,048 | 4,096 prototypes, bottleneck 128 | 192, layers of 512. 20
    | 100 epochs of the corpus are the default.

    `blur` is as their code comes out, which hands the probability of not blurring on: .0, .9, .5. What is written there
    is 1.0, .1, .5. Layers are 0 (the patches' embedding) to L, and L + 1, the embedding: heads are parts of the
    objective.
    Source: DINOv2, arXiv:2304.07193; augmentations arXiv:2406.09294.

    Parameters
    ----------
    corpus
        A folder of pictures (a class is a folder), a .npz or .npy file of arrays, .parquet or .jsonl with bytes or
        paths, CIFAR's .bin files, a Hugging Face dataset folder, a hub id, or world:n=10000:size=48.
    length
        Schedules and heads of a short run, or of a long one.
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
    mask
        Part of the large crops that have hidden patches; 0 hides nothing, and leaves iBOT out.
    mask_ratio
        Part of their patches that is hidden, from and to.
    ibot
        Weight of iBOT in the loss; 0 leaves it out, and patches hidden.
    koleo
        Weight of KoLeo in the loss.
    heads
        Whether patches have a head of their own (separate), or that of crops (shared).
    targets
        How the teacher's logits become targets: centring, or sinkhorn (Sinkhorn-Knopp).
    prototypes
        Columns of the heads.
    bottleneck
        Width of the heads before their prototypes.
    hidden
        Width of their other layers.
    momentum
        How much of the teacher stays at the first step.
    layer_decay
        What the rate of a block is multiplied by for each block above it; 1 is none.
    """
    from diptych.core import Model
    from diptych.data.images.store import COLUMN

    _check(length, heads, mask, ibot, koleo)
    seed = settings.get("seed", 0)
    crops = distillation.crops(settings, local, local_size, local_scale, blur, solarize_shared)
    separate = (heads or ("shared" if length == "short" else "separate")) == "separate"

    def plan(side: int) -> Plan:
        asked = {"targets": targets, "prototypes": prototypes, "bottleneck": bottleneck, "hidden": hidden}
        return PLANS[length].sized(side, **asked, layer_decay=layer_decay)

    def objective(encoder: "Vision") -> "Objective":
        return _objective(encoder, plan(encoder.side), ibot if mask else 0.0, koleo, separate, bottleneck, seed)

    method = Method(
        encoder="dinov2-tiny",
        kinds=_kinds(length),
        usual=usual(),
        views=lambda encoder, how: crops.views(encoder, how, COLUMN, _masks(encoder, mask, mask_ratio)),
        objective=objective,
        model=Model,
        teacher=distillation.teacher(PLANS[length].momentum if momentum is None else momentum),
    )
    made = build(corpus, method, _with_depth(settings))
    return distillation.timed(made, plan, settings)


def _check(length: str, heads: str | None, mask: float, ibot: float, koleo: float) -> None:
    """Raises ValueError for what cannot be, before a corpus is read."""
    if length not in PLANS:
        raise ValueError(f"--length is one of {', '.join(PLANS)}; got {length!r}")
    if heads not in (None, "shared", "separate"):
        raise ValueError(f"--heads is shared or separate; got {heads!r}")
    if not 0 <= mask <= 1:
        raise ValueError(f"--mask is a part of the large crops, from 0 to 1; got {mask}")
    for name, weight in (("ibot", ibot), ("koleo", koleo)):
        if not 0 <= weight < float("inf"):
            raise ValueError(f"--{name} is a weight in the loss, 0 or more; got {weight}")


def _kinds(length: str) -> dict[str, Defaults]:
    fresh = Defaults(lr=1e-3, batch=64, epochs=EPOCHS[length], least=300, optimiser=ADAMW)
    return {"resnet": fresh, "vit": fresh, "pretrained": replace(fresh, lr=1e-4, epochs=EPOCHS[length] / 4, least=100)}


def _with_depth(settings: Settings) -> Settings:
    """With the stochastic depth of small networks, where one is made and none is asked for."""
    own = settings.get("encoder", "dinov2-tiny").startswith("dinov2-") and settings.get("init") is None
    return {"drop_path": DROP_PATH, **settings} if own and settings.get("drop_path") is None else settings


def _masks(encoder: "Vision", part: float, ratio: Any) -> "list[BlockMask] | None":
    from diptych.views.input.image.mask import BlockMask

    if not part:
        return None
    if not encoder.patch:
        raise ValueError("patches are hidden, and this network has none; take dinov2-tiny, ..., or --mask 0")
    if len(ratio) != 2:
        raise ValueError(f"--mask-ratio is two numbers, from and to; got {ratio}")
    return [BlockMask(encoder.patch, crop, 2, part, (float(ratio[0]), float(ratio[1]))) for crop in range(2)]


def _objective(
    encoder: "Vision", plan: Plan, ibot: float, koleo: float, separate: bool, bottleneck: int | None, seed: int
) -> "Objective":
    from diptych.objectives.dino import DINO
    from diptych.objectives.ibot import IBOT
    from diptych.objectives.koleo import KoLeo
    from diptych.objectives.sum import Sum

    head = distillation.head(encoder, plan, plan.bottleneck, seed)
    parts: list[Any] = [DINO(head, distillation.targets(plan))]
    if ibot:
        narrow = plan.bottleneck if bottleneck else max(1, round(OF_PATCHES * plan.bottleneck))
        other = distillation.head(encoder, plan, narrow, seed ^ OTHER_HEAD) if separate else head
        parts.append((ibot, IBOT(other, distillation.targets(plan))))
    if koleo:
        parts.append((koleo, KoLeo()))
    return Sum(*parts)
