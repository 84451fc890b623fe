"""Premise, what follows from it, what contradicts it: views given by data (arXiv:2104.08821, arXiv:2408.00690)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from diptych.core import Recipe, View, recipe
from diptych.plural import counted
from diptych.recipes.also import also
from diptych.recipes.rows import EVERY, Judged, of_rows
from diptych.recipes.settings import Settings
from diptych.recipes.start import encoder_of
from diptych.recipes.usual import KINDS, Defaults, batch_of, check_name, optimiser_of, options, steps_of

if TYPE_CHECKING:
    from diptych.data.triplets import Triplets

WARM = 100  # steps; a tenth of a run that is shorter than ten times as long
PAPER = {"schedule": "cosine", "warmup_steps": WARM, "weight_decay": 1e-4}
OWN = {
    **KINDS,
    "pretrained": Defaults(lr=5e-5, batch=128, epochs=3, least=1, optimiser={"warmup": 0.0, "clip": 1.0}),
    "causal": Defaults(
        lr=5e-5, batch=60, epochs=1, least=1, optimiser=PAPER, adapter={"lora": 8, "lora_init": "gaussian"}
    ),
}


@recipe
def nli(
    corpus: str,
    *,
    columns: str | None = None,
    hard_negatives: bool | None = None,
    negatives: Literal["own", "batch", "all"] = "all",
    hard_weight: float = 1.0,
    evaluate: str | None = None,
    every: int = EVERY,
    **settings: Unpack[Settings],
) -> Recipe:
    """A premise and what follows from it are a positive pair; what contradicts it is a hard negative.

    Any other pairs and triplets do as well: a question, its answer, an answer that is wrong. For an encoder such as
    BERT the defaults are those of supervised SimCSE (arXiv:2104.08821: all weights, rate 5e-5, 3 epochs, with a
    smaller batch); for a causal language model those of arXiv:2408.00690 (LoRA, rate 5e-5, batch 60, 1 epoch, 100
    steps of warm-up, then a cosine; --lora 0 trains all weights). There is no head: what is trained is what is saved.
    Source: arXiv:2408.00690 for language models, SimCSE, arXiv:2104.08821, for encoders.

    Parameters
    ----------
    corpus
        A table: .jsonl, .csv, .tsv or .parquet (each also .gz), a folder, pattern or URL of these, or a hub id.
    columns
        Columns of premise, entailment and contradiction, as sent0,sent1,hard_neg (found by their usual names, if not
        given); two of them for pairs alone.
    hard_negatives
        Whether contradictions are candidates (where there are any).
    negatives
        What a premise chooses among: "all" entailments and contradictions of the batch, the entailments of the
        "batch" and its own contradiction, or its "own" two texts.
    hard_weight
        Weight of a premise's own contradiction among its candidates; its logarithm is the logit that SimCSE adds.
    evaluate
        A folder of STS sets (sts12 ... sts16, stsb, sickr, sts17, biosses), to be judged on along the way and at the
        end.
    every
        Steps between judging along the way.
    """
    from diptych.core import Model
    from diptych.data import triplets
    from diptych.objectives.infonce import InfoNCE
    from diptych.tokens.damped import undamped

    given = options(settings)
    of_rows(given)
    judged = Judged.of(evaluate, every)
    check_name(Path(corpus))
    named = [name.strip() for name in columns.split(",")] if columns else []
    rows = triplets.read(corpus, named, hard_negatives)
    _check_negatives(rows, negatives, hard_weight)
    kind, encoder = encoder_of(rows.documents(), given, OWN, dropout=0.0)
    notes = list(rows.notes)
    batch = batch_of(given, kind, len(rows), "rows to learn from", notes)
    steps = steps_of(given, kind, len(rows), batch)
    notes += _of_repeated(rows, batch)
    made = Recipe(
        model=Model(encoder),
        views=_views(rows),
        objective=InfoNCE(given.get("temperature", kind.temperature), negatives=negatives, hard_weight=hard_weight),
        data=rows.tokens(undamped(encoder.tokenizer)),
        optimiser=optimiser_of(_short(given, kind, steps, notes), kind, steps),
        batch=batch,
        steps=steps,
        seed=given.get("seed", 0),
        tasks=judged.tasks,
        instruments=judged.instruments,
        notes=[*notes, *judged.notes],
    )
    return also(made, given)


def _views(rows: "Triplets") -> list[View]:
    views = [View(column="premise"), View(column="entailment")]
    return [*views, View("negative", "contradiction")] if "contradiction" in rows.roles else views


def _check_negatives(rows: "Triplets", negatives: str, hard_weight: float) -> None:
    """Raises ValueError for a choice among hard negatives where there are none, or DataError for one row alone."""
    from diptych.core import DataError

    if "contradiction" not in rows.roles and (negatives == "own" or hard_weight != 1):
        asked = "--negatives own" if negatives == "own" else "--hard-weight"
        raise ValueError(f"{asked} is about hard negatives, and none are read from {rows.name}")
    if negatives == "own" and hard_weight == 0:
        raise ValueError(
            "--negatives own with --hard-weight 0 leaves a premise nothing to choose among, so the loss is always 0; "
            "give a weight above 0, or --negatives batch"
        )
    if len(rows) < 2:
        raise DataError(f"{rows.name} has one whole row: contrastive learning needs at least two")


def _of_repeated(rows: "Triplets", batch: int) -> list[str]:
    """What is to be known of premises that come more than once."""
    from diptych.data.triplets import false_negatives

    expected = false_negatives(rows.texts("premise"), batch)
    if expected < 0.01:
        return []
    told = (
        f"a batch of {batch} has {counted(expected, 'time', digits='.2g')}, on average, a premise beside "
        "a row that repeats it"
    )
    return [f"{told}: what follows from one is then a negative of the other"]


def _short(given: dict[str, Any], kind: Defaults, steps: int, notes: list[str]) -> dict[str, Any]:
    """The options, with a shorter warm-up where the usual one would take most of the run."""
    usual = kind.optimiser.get("warmup_steps")
    if usual is None or {"warmup", "warmup_steps"} & given.keys() or steps >= 10 * usual:
        return given
    short = steps // 10
    notes.append(f"warm-up {usual} -> {counted(short, 'step')}: the run takes {steps:,}")
    return {**given, "warmup_steps": short}
