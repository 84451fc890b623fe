"""Any other chain of sentence-transformers modules: it can be judged and used, not trained."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from jaxtyping import Float
from torch import nn

from diptych.core import Batch, Encoder
from diptych.encoders import folder as layout
from diptych.tokens.tokenise import only_strings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Foreign(Encoder):
    """A SentenceTransformer as an encoder whose samples are the strings themselves."""

    def __init__(self, model: "SentenceTransformer"):
        super().__init__()
        self.model = model.eval()
        self.dim = len(self.model.encode("a", show_progress_bar=False))

    @property
    def layers(self) -> list[nn.Module]:
        self._refuse()

    @property
    def noisy(self) -> bool:
        return False

    def prepare(self, raw: Sequence[str]) -> list[str]:
        only_strings(raw)
        return list(raw)

    def size(self, sample: str) -> int:
        return max(1, len(sample) // 4)

    def embed(self, samples: Sequence[str]) -> Float[np.ndarray, "b d"]:
        if not len(samples):
            return np.empty((0, self.dim), np.float32)
        out = self.model.encode(list(samples), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(out, np.float32)

    def collate(self, samples: Sequence[str]) -> Batch:
        self._refuse()

    def forward(self, batch: Batch) -> Any:
        self._refuse()

    def _refuse(self) -> NoReturn:
        chain = ", ".join(type(module).__name__ for module in self.model)
        raise ValueError(
            f"a chain of {chain} can be evaluated and used, not trained: what is trained is a "
            "StaticEmbedding, or a Transformer with Pooling (mean, cls or last) and Normalize"
        )

    def save(self, folder: Path) -> None:
        with layout.staged(folder) as new:
            self.model.save(str(new), create_model_card=False, safe_serialization=True)


def load(folder: Path) -> Foreign:
    """Reads a sentence-transformers folder with sentence-transformers.

    Raises ModuleNotFoundError without that package, and ValueError for pickled weights or for modules
    that are not its own.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{folder} is a chain of modules that only sentence-transformers reads: "
            "pip install 'diptych[sentence-transformers]'"
        ) from None
    from diptych.encoders.quiet import quiet

    for name in _code(folder):
        if not name.startswith("sentence_transformers."):
            raise ValueError(f"{folder} needs {name}, code of its own, which is never run")
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        if pickle := layout.pickled(place):
            raise ValueError(f"{place} has its weights as {pickle} only, and a pickle is never opened")
    with layout.reading("model", folder), quiet():
        return Foreign(SentenceTransformer(str(folder), device="cpu", local_files_only=True))


def _code(folder: Path) -> Iterator[str]:
    """The types of the modules, and of those within a router; repositories whose code is asked for."""
    yield from (module.type for module in layout.chain(folder))
    for file in folder.rglob("*config.json"):
        settings = layout.config(file.parent, file.name)
        types = settings.get("types")
        for name, kind in types.items() if isinstance(types, dict) else ():
            layout.inside(folder, file.parent / name)
            yield str(kind)
        yield from layout.kernels(settings)
