"""Hard negatives for a table of pairs, mined part by part into a file; what was stopped goes on."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from diptych.core import DataError, Encoder
from diptych.data.mining import Found, Pool, Wanted
from diptych.data.mining import mine as mine_part
from diptych.data.triplets import Triplets
from diptych.embedding import JOB, PART, fingerprint, parts, same_job
from diptych.runs import held, whole

Watch = Callable[[int, int], None]  # is told how many are done, and of how many


def mine(
    model: str,
    encoder: Encoder,
    rows: Triplets,
    wanted: Wanted,
    out: Path,
    watch: Callable[[str], Watch] = lambda what: lambda done, of: None,
) -> tuple[int, int]:
    """Writes the rows with their negatives; returns how many there are, and how many pairs have none.

    Parts that are finished are kept in OUT.parts until all are. For each part of the work `watch` gives what is told
    how far it is. Raises ValueError if those there are of another call.
    """
    anchors, positives = (rows.documents(role) for role in ("premise", "entailment"))
    pool = Pool.of(anchors.texts, positives.texts)
    scratch = out.with_name(f"{out.name}.parts")
    same_job(scratch, {"model": fingerprint(model), "pairs": rows.fingerprint, "choice of negatives": repr(wanted)})
    with held(scratch, name=JOB):
        mine_from = parts(encoder, anchors, scratch / "anchors", watch("embedding anchors"))
        known = parts(encoder, positives.select(pool.first), scratch / "positives", watch("embedding positives"))
        bank = np.concatenate([np.load(part) for part in known])
        files, mining = [], watch("mining")
        for number, part in enumerate(mine_from):
            files.append(file := scratch / f"mined-{number:05}.jsonl")
            pairs = np.arange(number * PART, min(len(rows), (number + 1) * PART))
            if not file.exists():
                _write(file, rows, pool, mine_part(np.load(part), pairs, bank, pool, wanted))
            mining(int(pairs[-1]) + 1, len(rows))
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
            lines.write(json.dumps(told, ensure_ascii=False) + "\n")


def _joined(out: Path, files: Sequence[Path]) -> tuple[int, int]:
    """Puts the parts together; returns their rows, and how many pairs have one. Raises DataError if there is none."""
    made, pairs = 0, 0
    with whole(out) as part, part.open("wb") as joined:
        for file in files:
            last = None
            for line in file.read_bytes().splitlines(keepends=True):
                joined.write(line)
                made, pair = made + 1, json.loads(line)["pair"]
                pairs, last = pairs + (pair != last), pair
        if not made:
            raise DataError("no pair has a neighbour beyond the margin; take --margin 1, more --ranks, or more pairs")
    return made, pairs
