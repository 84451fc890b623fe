"""A network predicts what a slow copy of it makes of another augmentation (BYOL, arXiv:2006.07733)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.pictures import Method, Settings, build
from diptych.recipes.simclr import KINDS, usual

if TYPE_CHECKING:
    from diptych.core import Objective
    from diptych.data.images.store import Pictures
    from diptych.encoders.image.vision import Vision

OTHER_HEAD = 1 << 40  # in the seed of the predictor


@recipe
def byol(
    corpus: "str | Pictures",
    *,
    momentum: float = 0.99,
    hidden: int = 1024,
    projection: int = 256,
    **settings: Unpack[Settings],
) -> Recipe:
    """Two augmentations of a picture, without negatives: the model predicts its teacher's projection of the other one.

    Network, augmentation and optimiser are those of `simclr`. Projector and predictor are two linear layers with batch
    normalisation and ReLU between; they are parts of the objective and see the whole batch, so that layer L + 1 is the
    embedding. The teacher has a projector of its own and follows with a momentum that rises to 1 by a cosine. It is in
    training mode, as the authors' is: batch normalisation there reads the batch, and a perturbed layer is perturbed.
    The authors' momentum is .996, for a million steps, and their layers 4,096 wide.
    Source: BYOL, arXiv:2006.07733.

    Parameters
    ----------
    corpus
        A folder of pictures (a class is a folder), a .npz or .npy file of arrays, .parquet or .jsonl with bytes or
        paths, CIFAR's .bin files, a Hugging Face dataset folder, a hub id, or world:n=10000:size=48.
    momentum
        How much of the teacher stays at the first step.
    hidden
        Width of the first layer of projector and predictor.
    projection
        Width of what is predicted.
    """
    from diptych.core import Model, Teacher, Twin, View
    from diptych.data.images.store import COLUMN
    from diptych.encoders.heads import projector
    from diptych.objectives.byol import BYOL

    for name, given in (("hidden", hidden), ("projection", projection)):
        if given < 1:
            raise ValueError(f"--{name} is a width of 1 or more; got {given}")
    seed = settings.get("seed", 0)

    def objective(encoder: "Vision") -> "Objective":
        head = Twin(projector(encoder.dim, hidden, projection, seed=seed))
        return BYOL(head, projector(projection, hidden, projection, seed=seed ^ OTHER_HEAD))

    method = Method(
        encoder="resnet18",
        kinds=KINDS,
        usual=usual(),
        views=lambda encoder, augmentation: [View(column=COLUMN, transform=augmentation.transform, by="both")] * 2,
        objective=objective,
        model=Model,
        teacher=Teacher(momentum, schedule="cosine"),
    )
    return build(corpus, method, settings)
