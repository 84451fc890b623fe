"""What a recipe or a run uses, as BibTeX.

Classes name their source, `paper = "arXiv:..."`, and recipes do in their docstring; the entries are in papers.bib.
"""

import functools
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import nn

ARXIV = re.compile(r"\d{4}\.\d{4,5}")
ADAMW, LORA, QLORA, GRADCACHE = "arXiv:1711.05101", "arXiv:2106.09685", "arXiv:2305.14314", "arXiv:2101.06983"
PERTURB = "arXiv:2303.14537"
NETWORKS = {"BertModel": "arXiv:1810.04805"}  # of transformers
MEASURES = {  # of numbers that a run logs or is judged by
    "alignment": "arXiv:2005.10242",
    "uniformity": "arXiv:2005.10242",
    "rank": "arXiv:2405.11297, arXiv:2304.01434",
    "cka": "arXiv:1905.00414, arXiv:2010.15327",
}


class Made(Protocol):
    """What is read of a recipe."""

    @property
    def call(self) -> Any: ...
    @property
    def views(self) -> Sequence[Any]: ...
    @property
    def objective(self) -> "nn.Module": ...
    @property
    def model(self) -> Any: ...


@dataclass(frozen=True)
class Use:
    """Something that was used, and its source: a text with an arXiv number in it, or several."""

    what: str
    paper: str


@dataclass(frozen=True)
class Paper:
    """An entry of papers.bib. `name` is its arXiv number or, without one, what the paper is called."""

    name: str
    key: str
    title: str
    authors: Sequence[str]
    year: int
    bibtex: str


@functools.cache
def papers() -> Mapping[str, Paper]:
    """All entries, by arXiv number or name."""
    text = (Path(__file__).parent / "papers.bib").read_text(encoding="utf-8")
    found = [_paper(entry) for entry in re.findall(r"^@.+?^\}$", text, re.MULTILINE | re.DOTALL)]
    return {paper.name: paper for paper in found}


def _paper(entry: str) -> Paper:
    fields = dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE))
    return Paper(
        fields.get("eprint") or fields["keywords"],
        entry[entry.index("{") + 1 : entry.index(",")],
        fields["title"].replace("{", "").replace("}", ""),
        fields["author"].split(" and "),
        int(fields["year"]),
        entry,
    )


# ---------------------------------------------------------------- what was used


def of_recipe(recipe: Made) -> list[Use]:
    """What a recipe uses, as far as its parts name their source."""
    name = recipe.call.function.rpartition(":")[2] if recipe.call else "made by hand"
    found = [
        Use(f"recipe {name}", source(recipe.call.function) if recipe.call else ""),
        *(Use(f"objective {type(recipe.objective).__name__}", paper) for paper in _of_objective(recipe)),
        *(use for view in recipe.views for use in _of_view(view)),
        *_of_encoder(recipe.model.encoder),
        Use("optimiser AdamW", ADAMW),
    ]
    return [use for use in dict.fromkeys(found) if use.paper]


def source(function: str) -> str:
    """What the docstring of a recipe ("package.module:name") names as its source."""
    module, _, name = function.partition(":")
    told = inspect.getdoc(getattr(sys.modules.get(module), name, None)) or ""
    found = re.search(r"^Source: (.+?)\.?(?=\n\n|\Z)", told, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def _of_objective(recipe: Made) -> list[str]:
    """The papers of an objective; what is for hard negatives only if there are any."""
    hard = any(view.role == "negative" for view in recipe.views)
    parts = [part.strip() for part in getattr(recipe.objective, "paper", "").split(";")]
    return [part for part in parts if hard or not part.startswith("with hard negatives")]


def _of_view(view: Any) -> list[Use]:
    made = {"transform": view.transform, "perturbation": view.perturb, "noise": getattr(view.perturb, "noise", None)}
    return [Use(f"{kind} {type(x).__name__}", getattr(x, "paper", "")) for kind, x in made.items()]


def _of_encoder(encoder: "nn.Module") -> list[Use]:
    """The papers of an encoder and its network, of an adapter and of weights in four bits."""
    kinds = dict.fromkeys(type(module).__name__ for module in encoder.modules())
    named = [(name.split("."), type(p).__name__) for name, p in encoder.named_parameters()]
    adapted = any(part.startswith("lora_") for parts, _ in named for part in parts)
    four = any(kind == "Params4bit" for _, kind in named)
    return [
        Use(f"encoder {type(encoder).__name__}", getattr(encoder, "paper", "")),
        *(Use(f"network {kind}", NETWORKS[kind]) for kind in kinds if kind in NETWORKS),
        *([Use("adapter", LORA)] if adapted else []),
        *([Use("weights in four bits", QLORA)] if four else []),
    ]


def of_run(
    call: Mapping[str, Any], history: Sequence[Mapping[str, Any]], scores: Mapping[str, Any] | None
) -> list[Use]:
    """What a run used: what its run.toml names, GradCache where a step was too large, and what it was judged by.

    `call` is its run.toml, `history` the lines of its metrics.jsonl, `scores` its scores.json.
    """
    told = [Use(str(each["what"]), str(each["paper"])) for each in call.get("papers", [])]
    uses = told or _of_earlier(call)
    if _cached(call.get("machine", {}).get("graph"), history):
        uses.append(Use("gradient caching", GRADCACHE))
    rows = (scores or {}).get("scores", {}).values()
    words = {re.split(r"[^a-z]", name.lower())[0] for told in [*history, *rows] for name in told or ()}
    return [*uses, *(Use(f"measure {name}", paper) for name, paper in MEASURES.items() if name in words)]


def _of_earlier(call: Mapping[str, Any]) -> list[Use]:
    """Of a run whose run.toml names no papers: what it says of recipe, objective and views."""
    given = any(view.get("perturb") for view in call.get("views", []))
    hard = any(view.get("role") == "negative" for view in call.get("views", []))
    objective = call.get("paper", "") if hard else call.get("paper", "").partition("; with hard negatives")[0]
    found = [
        Use(f"recipe {call['recipe'].rpartition(':')[2]}", call.get("source", "")),
        Use(f"objective {call.get('objective', '')}", objective),
        Use("perturbation Perturb", PERTURB if given else ""),
        Use("adapter", LORA if call.get("arguments", {}).get("lora") else ""),
        Use("optimiser AdamW", ADAMW),
    ]
    return [use for use in found if use.paper]


def _cached(graph: int | None, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether steps between two lines had more tokens, padding counted, than `graph`: then each is encoded twice."""
    lines = [{"step": 0, "tokens": 0}, *(line for line in history if {"step", "tokens", "padding"} <= line.keys())]
    return graph is not None and any(
        (b["tokens"] - a["tokens"]) * b["padding"] > graph * (b["step"] - a["step"]) for a, b in pairwise(lines)
    )


# ---------------------------------------------------------------- as BibTeX


def cited(uses: Iterable[Use]) -> tuple[dict[str, list[str]], list[Use]]:
    """What each known paper was used for, by its name; and the uses whose source is not, or not only, a known one."""
    found: dict[str, list[str]] = {}
    unknown = []
    for use in dict.fromkeys(uses):
        numbers = ARXIV.findall(use.paper)
        names = list(dict.fromkeys(numbers or [name for name in papers() if re.search(rf"\b{name}\b", use.paper)]))
        for name in names:
            if name in papers() and use.what not in found.setdefault(name, []):
                found[name].append(use.what)
        if not names or not papers().keys() >= set(names):
            unknown.append(use)
    return found, unknown


def bibtex(uses: Iterable[Use]) -> str:
    """Entries, each under a comment that says what it was used for. What has no entry is a comment too."""
    found, unknown = cited(uses)
    entries = [f"% {', '.join(what)}\n{papers()[name].bibtex}\n" for name, what in found.items()]
    rest = [f"% {use.what}: {' '.join(use.paper.split())} (no entry is known)\n" for use in unknown]
    return "\n".join([*entries, *rest])
