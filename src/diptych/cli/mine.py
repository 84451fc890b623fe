"""`diptych mine`: hard negatives for pairs of texts."""

import json as jsonlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cyclopts import App

from diptych import encoders
from diptych.cli.progress import Counter, note
from diptych.core import DataError, Encoder
from diptych.data import triplets
from diptych.data.mining import Found, Pool, Wanted
from diptych.data.mining import mine as mine_part
from diptych.data.triplets import Triplets
from diptych.embedding import JOB, PART, apart, fingerprint, parts, same_job
from diptych.runs import held, whole

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
    made, without = mined(model, encoders.load(model), rows, wanted, out)
    if without:
        note(
            f"{without:,} of {len(rows):,} rows have no neighbour beyond the margin among ranks {ranks}, and are left "
            "out; --ranks looks further, --margin comes nearer to the positive"
        )
    told = {"out": str(out), "rows": made, "pairs": len(rows), "without": without}
    print(jsonlib.dumps(told) if json else f"{out}  {made:,} rows")


def _ranks(text: str) -> tuple[int, int]:
    """ "1..100" as numbers. Raises ValueError for anything else."""
    try:
        first, last = (int(part) for part in text.split(".."))
    except ValueError:
        raise ValueError(f"--ranks takes two numbers, such as 1..100 or 11..50; got {text!r:.60}") from None
    return first, last


def mined(model: str, encoder: Encoder, rows: Triplets, wanted: Wanted, out: Path) -> tuple[int, int]:
    """Writes the rows with their negatives; returns how many there are, and how many pairs have none.

    Parts that are finished are kept in OUT.parts until all are. Raises ValueError if those there are of another call.
    """
    anchors, positives = (rows.documents(role) for role in ("premise", "entailment"))
    pool = Pool.of(anchors.texts, positives.texts)
    scratch = out.with_name(f"{out.name}.parts")
    same_job(scratch, {"model": fingerprint(model), "pairs": rows.fingerprint, "wanted": repr(wanted)})
    with held(scratch, name=JOB):
        mine_from = parts(encoder, anchors, scratch / "anchors", Counter("embedding anchors"))
        known = parts(encoder, positives.select(pool.first), scratch / "positives", Counter("embedding positives"))
        bank = np.concatenate([np.load(part) for part in known])
        files, watch = [], Counter("mining")
        for number, part in enumerate(mine_from):
            files.append(file := scratch / f"mined-{number:05}.jsonl")
            pairs = np.arange(number * PART, min(len(rows), (number + 1) * PART))
            if not file.exists():
                _write(file, rows, pool, mine_part(np.load(part), pairs, bank, pool, wanted))
            watch(int(pairs[-1]) + 1, len(rows))
        made, with_one = _joined(out, files)
        shutil.rmtree(scratch)
    return made, len(rows) - with_one


def _write(file: Path, rows: Triplets, pool: Pool, found: list[Found]) -> None:
    """A line per negative, with the columns that SimCSE names, and the cosines that it was chosen by."""
    anchors, positives = rows.texts("premise"), rows.texts("entailment")
    with whole(file) as part, part.open("w", encoding="utf-8") as lines:
        for each in found:
            told = {
                "sent0": anchors[each.pair],
                "sent1": positives[each.pair],
                "hard_neg": positives[int(pool.first[each.negative])],
                "pair": each.pair,
                "positive_cosine": round(each.positive_cosine, 4),
                "negative_cosine": round(each.negative_cosine, 4),
            }
            lines.write(jsonlib.dumps(told, ensure_ascii=False) + "\n")


def _joined(out: Path, files: Sequence[Path]) -> tuple[int, int]:
    """Puts the parts together; returns their rows, and how many pairs have one. Raises DataError if there is none."""
    made, pairs = 0, 0
    with whole(out) as part, part.open("wb") as joined:
        for file in files:
            last = None
            for line in file.read_bytes().splitlines(keepends=True):
                joined.write(line)
                made, pair = made + 1, jsonlib.loads(line)["pair"]
                pairs, last = pairs + (pair != last), pair
        if not made:
            raise DataError("no pair has a neighbour beyond the margin; take --margin 1, more --ranks, or more pairs")
    return made, pairs
