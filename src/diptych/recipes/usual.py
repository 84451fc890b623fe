"""What suits an encoder where nothing is asked, and how what is asked takes its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych.plural import counted
from diptych.recipes.settings import Settings

if TYPE_CHECKING:
    from diptych.core import Optimiser


@dataclass(frozen=True)
class Defaults:
    """What suits a kind of encoder."""

    lr: float
    batch: int
    epochs: float
    least: int  # steps, on a small corpus
    temperature: float = 0.05
    dim: int = 256
    optimiser: Mapping[str, Any] = field(default_factory=dict)  # settings of AdamW but for the rate
    adapter: Mapping[str, Any] = field(default_factory=dict)  # options of LoRA; --lora 0 does without


KINDS = {
    "static": Defaults(lr=0.1, batch=512, epochs=6, least=150, temperature=0.1, dim=512),
    "tiny": Defaults(lr=5e-4, batch=64, epochs=3, least=200),
    "pretrained": Defaults(lr=2e-5, batch=64, epochs=1, least=100),
}


def options(settings: Mapping[str, Any], known: Mapping[str, Any] = Settings.__annotations__) -> dict[str, Any]:
    """Those that were given. Raises ValueError for one that is not known."""
    unknown = settings.keys() - known
    if unknown:
        raise ValueError(f"no option is called {min(unknown)!r}; there are {', '.join(known)}")
    return {k: x for k, x in settings.items() if x is not None}


def batch_of(given: Mapping[str, Any], kind: Defaults, rows: int, what: str, notes: list[str]) -> int:
    """The batch that is asked for, or as many as there are, which is told. Raises ValueError for fewer than two."""
    wanted = given.get("batch", kind.batch)
    batch = min(wanted, rows)
    if batch < wanted:
        notes.append(f"batch {wanted:,} -> {batch:,}: there are {batch:,} {what}")
    if batch < 2:
        told = f"got batch={wanted}" if wanted < 2 else f"the corpus has {rows}"
        raise ValueError(f"a batch has at least two {what.split()[0]}; {told}")
    return batch


def optimiser_of(given: Mapping[str, Any], kind: Defaults, steps: int) -> "Optimiser":
    """AdamW as it is asked for, or as it suits the kind. Raises ValueError for a warm-up as long as the run."""
    from diptych.core import Optimiser

    if "warmup" in given and "warmup_steps" in given:
        raise ValueError("--warmup and --warmup-steps say the same thing; give one of them")
    if 0 < steps <= given.get("warmup_steps", 0):
        raise ValueError(
            f"--warmup-steps {given['warmup_steps']:,} in a run of {counted(steps, 'step')}: the peak rate "
            "would never be reached; give fewer of them, or more --steps"
        )
    named = ("warmup", "warmup_steps", "schedule", "weight_decay", "clip")
    usual = {k: x for k, x in kind.optimiser.items() if not (k == "warmup_steps" and "warmup" in given)}
    return Optimiser(given.get("lr", kind.lr), **usual | {k: given[k] for k in named if k in given})


def check_name(corpus: Path) -> None:
    """Raises ValueError for a path that run.toml cannot hold."""
    from diptych.data.files import shown

    where = str(corpus.resolve() if corpus.exists() else corpus)
    if where != shown(where):
        raise ValueError(f"{shown(where)} has a name that is not UTF-8, so run.toml cannot hold it; rename it")


def steps_of(given: Mapping[str, Any], kind: Defaults, documents: int, batch: int) -> int:
    epoch = max(1, documents // batch)
    if "steps" in given and "epochs" in given:
        raise ValueError("--steps and --epochs say the same thing; give one of them")
    if "steps" in given:
        return int(given["steps"])
    if "epochs" in given and not 0 < given["epochs"] < float("inf"):
        raise ValueError(f"--epochs is a number of passes above 0; got {given['epochs']}")
    if "epochs" in given:
        return max(1, round(given["epochs"] * epoch))
    return max(kind.least, round(kind.epochs * epoch))
