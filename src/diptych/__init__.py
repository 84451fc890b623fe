"""Learn embeddings from two views of the same thing, without labels.

from diptych import fit, load, recipes

run = fit(recipes.crop("docs.jsonl"), "runs/docs")
model = load(run.model)
vectors = model.encode(["a question", "a document"])
"""

from importlib import import_module
from typing import Any

CORE = (
    "Draw", "Encoded", "Encoder", "Machine", "Model", "Objective", "Optimiser", "Perturb", "Recipe", "Text", "View",
    "Views", "recipe",
)  # fmt: skip
_HOME = {
    "fit": "diptych.fitting",
    "resume": "diptych.fitting",
    "verify": "diptych.fitting",
    "load": "diptych.encoders",
    "read": "diptych.data.documents",
    "from_texts": "diptych.data.documents",
    "from_graphs": "diptych.data.graphs.corpus",
    "judge": "diptych.evaluate",
    "recipes": "",
    "Run": "diptych.runs",
    **dict.fromkeys(CORE, "diptych.core"),
}
__version__ = "0.1.0"
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used."""
    if name not in _HOME:
        raise AttributeError(f"diptych has no {name!r}; it has {', '.join(_HOME)}")
    home = _HOME[name]
    return getattr(import_module(home), name) if home else import_module(f"diptych.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
