"""Features of two augmentations agree, each with itself and with no other (Barlow Twins, arXiv:2103.03230)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.pictures import Method, Settings, build
from diptych.recipes.simclr import KINDS, usual

if TYPE_CHECKING:
    from diptych.data.images.store import Pictures


@recipe
def barlow_twins(
    corpus: "str | Pictures",
    *,
    off_diagonal: float = 0.0051,
    hidden: int = 1024,
    projection: int = 1024,
    **settings: Unpack[Settings],
) -> Recipe:
    """Two augmentations of a picture; the correlation of their features over the batch is to be the identity.

    Network, augmentation and optimiser are those of `simclr` (the authors have LARS, and batches of 2,048). Three
    linear layers with batch normalisation and ReLU between stand on the embedding; they are a part of the objective and
    see the whole batch, so that layer L + 1 is the embedding. The authors' are 8,192 wide, with the same weight beside
    the diagonal; what lies there grows with the square of the width.
    Source: Barlow Twins, arXiv:2103.03230.

    Parameters
    ----------
    corpus
        A folder of pictures (a class is a folder), a .npz or .npy file of arrays, .parquet or .jsonl with bytes or
        paths, CIFAR's .bin files, a Hugging Face dataset folder, a hub id, or world:n=10000:size=48.
    off_diagonal
        Weight of the squares beside the diagonal.
    hidden
        Width of the projector's layers.
    projection
        Features that are compared.
    """
    from diptych.core import Model, View
    from diptych.data.images.store import COLUMN
    from diptych.encoders.heads import projector
    from diptych.objectives.barlow_twins import BarlowTwins
    from diptych.objectives.headed import Headed

    for name, given in (("hidden", hidden), ("projection", projection)):
        if given < 1:
            raise ValueError(f"--{name} is a width of 1 or more; got {given}")
    seed, loss = settings.get("seed", 0), BarlowTwins(off_diagonal)
    method = Method(
        encoder="resnet18",
        kinds=KINDS,
        usual=usual(),
        views=lambda encoder, augmentation: [View(column=COLUMN, transform=augmentation.transform)] * 2,
        objective=lambda encoder: Headed(loss, projector(encoder.dim, hidden, projection, 3, seed)),
        model=Model,
    )
    return build(corpus, method, settings)
