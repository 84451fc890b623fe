"""`diptych mine`: hard negatives for pairs of texts."""

import json as jsonlib
from pathlib import Path

from cyclopts import App

from diptych import encoders
from diptych.cli.progress import Counter, note
from diptych.data import triplets
from diptych.data.mining import Wanted
from diptych.embedding import apart
from diptych.mining import mine as mine_pairs
from diptych.plural import counted

app = App(name="mine", help="Find hard negatives for pairs of texts.")


@app.default
def mine(
    model: str,
    pairs: str,
    *,
    out: Path,
    columns: str | None = None,
    k: int = 1,
    ranks: str = "1..100",
    margin: float = 0.95,
    less: float = 0.0,
    json: bool = False,
) -> None:
    """Find hard negatives for pairs of texts: the nearest texts that belong to another anchor.

    The result is a table that `train nli` reads, a row per negative. Search is exact. What is nearer than the margin
    is likely an answer too, and skipped (arXiv:2407.15831). A call that was interrupted goes on where it stopped when
    it is repeated.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    pairs
        A table of anchors and positives, in any form that `train nli` reads; hard negatives in it are not used.
    out
        A file ending in .jsonl.
    columns
        Columns of anchor and positive, as sent0,sent1 (found by their usual names, if not given).
    k
        Negatives per anchor, the nearest that are left.
    ranks
        Neighbours that are looked at, nearest first.
    margin
        Skip what is nearer than this part of the positive's cosine; 1 skips what is nearer than the positive.
    less
        Skip what is nearer than the positive's cosine less this.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    first, last = _ranks(ranks)
    wanted = Wanted(k, first, last, margin, less)
    if out.suffix != ".jsonl" or out.is_dir():
        raise ValueError(f"--out names a file that ends in .jsonl; got {out}")
    apart(out, pairs)
    rows = triplets.read(pairs, [name.strip() for name in columns.split(",")][:2] if columns else [], False)
    note(*rows.notes)
    made, without = mine_pairs(model, encoders.load(model), rows, wanted, out, Counter)
    if without:
        note(
            f"left out, without a neighbour beyond the margin among ranks {ranks}: {without:,} of "
            f"{counted(len(rows), 'row')}; --ranks looks further, --margin comes nearer to the positive"
        )
    told = {"out": str(out), "rows": made, "pairs": len(rows), "without": without}
    print(jsonlib.dumps(told) if json else f"{out}  {counted(made, 'row')}")


def _ranks(text: str) -> tuple[int, int]:
    """ "1..100" as numbers. Raises ValueError for anything else."""
    try:
        first, last = (int(part) for part in text.split(".."))
    except ValueError:
        raise ValueError(f"--ranks takes two numbers, such as 1..100 or 11..50; got {text!r:.60}") from None
    return first, last
