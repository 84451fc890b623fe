"""Two augmentations of a picture are a positive pair (SimCLR, arXiv:2002.05709)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.pictures import Method, Settings, build
from diptych.recipes.usual import Defaults

if TYPE_CHECKING:
    from diptych.data.images.store import Pictures
    from diptych.views.input.image.strategy import Augmentation

COSINE = {"schedule": "cosine", "weight_decay": 1e-4}
KINDS = {
    "resnet": Defaults(lr=1e-3, batch=256, epochs=20, least=300, optimiser=COSINE),
    "vit": Defaults(lr=5e-4, batch=256, epochs=20, least=300, optimiser=COSINE | {"weight_decay": 0.05}),
    "pretrained": Defaults(lr=1e-4, batch=256, epochs=5, least=100, optimiser=COSINE),
}


def usual() -> "Augmentation":
    """As is usual for SimCLR on CIFAR: no blur."""
    from diptych.views.input.image.colour import Colour
    from diptych.views.input.image.strategy import Augmentation

    return Augmentation(scale=(0.2, 1.0), colour=Colour(0.4, 0.4, 0.4, 0.1, jitter_p=0.8, gray_p=0.2))


@recipe
def simclr(
    corpus: "str | Pictures",
    *,
    temperature: float = 0.5,
    projection: int = 128,
    **settings: Unpack[Settings],
) -> Recipe:
    """Two augmentations of a picture are a positive pair; all other views of the batch are negatives.

    A ResNet-18 with the stem for small pictures, a projection head of two linear layers with ReLU between, NT-Xent,
    AdamW with a cosine. Crops of 0.2 to 1 of the area, flips, colour jitter (.4, .4, .4, .1; p .8), gray (p .2), no
    blur: what is usual on CIFAR; --blur-p 0.5 for large pictures. Layers are 0 (the stem), 1 to 4 (stages) and 5 (after
    the head) of a ResNet, as the authors of Deep Augmentation count them but for the head, their 6. Batch normalisation
    sees all views of a step.
    Source: SimCLR, arXiv:2002.05709.

    Parameters
    ----------
    corpus
        A folder of pictures (a class is a folder), a .npz or .npy file of arrays, .parquet or .jsonl with bytes or
        paths, CIFAR's .bin files, a Hugging Face dataset folder, a hub id, or world:n=10000:size=48.
    temperature
        Temperature of NT-Xent.
    projection
        Width of what the objective compares.
    """
    from diptych.core import Model, View
    from diptych.data.images.store import COLUMN
    from diptych.encoders.heads import relu
    from diptych.objectives.ntxent import NTXent

    seed = settings.get("seed", 0)
    method = Method(
        encoder="resnet18",
        kinds=KINDS,
        usual=usual(),
        views=lambda encoder, augmentation: [View(column=COLUMN, transform=augmentation.transform)] * 2,
        objective=lambda encoder: NTXent(temperature),
        model=lambda encoder: Model(encoder, relu(encoder.dim, encoder.dim, projection, seed)),
    )
    return build(corpus, method, settings)
