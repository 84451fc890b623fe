"""STS on small files whose answers are known by hand."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from diptych.core import DataError
from diptych.evaluate.asked import notes, run
from diptych.evaluate.suites import tasks
from diptych.measure.correlation import fieller

RNG = np.random.default_rng(0)
LIKENESS = {f"s{i}": x for i, x in enumerate(RNG.uniform(-1, 1, 400))}  # the cosine of "s7" with "one"


def encode(texts):
    """ "one" is (1, 0), and each "s7" has a known cosine with it, at a length of its own."""
    found = [(1.0, 0.0) if t == "one" else (LIKENESS[t], (1 - LIKENESS[t] ** 2) ** 0.5) for t in texts]
    return np.array(found, np.float32) * (1 + np.arange(len(texts)))[:, None]


def pairs(n=12, start=0, seed=1, **more):
    scores = np.random.default_rng(seed).integers(0, 6, n)
    return [{"sentence1": "one", "sentence2": f"s{start + i}", "score": float(s), **more} for i, s in enumerate(scores)]


def write(folder, name, rows):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def correlation(rows):
    return 100 * spearmanr([LIKENESS[r["sentence2"]] for r in rows], [r["score"] for r in rows]).statistic


def answered(folder, **options):
    return {line.task: line for line in run(tasks("sts", folder, **options), encode).results}


def test_a_year_is_one_correlation_over_all_of_its_pairs(tmp_path):
    parts = [pairs(12, subset="a"), pairs(20, 12, 2, subset="b"), pairs(6, 40, 3, subset="c")]
    rows = [row for part in parts for row in part]
    write(tmp_path, "sts12.jsonl", rows)
    found = answered(tmp_path)
    each = [correlation(part) for part in parts]
    assert found["sts12"].value == pytest.approx(correlation(rows))
    assert [found[f"sts12/{name}"].value for name in "abc"] == pytest.approx(each)
    assert found["sts12/mean"].value == pytest.approx(np.mean(each))
    assert found["sts12/weighted mean"].value == pytest.approx(np.average(each, weights=[12, 20, 6]))
    assert len({round(found[x].value, 6) for x in ("sts12", "sts12/mean", "sts12/weighted mean")}) == 3
    assert [name for name, line in found.items() if line.main] == ["sts12"]
    assert {line.metric for line in found.values()} == {"spearman"}


def test_intervals_are_of_fieller_and_those_of_means_of_independent_errors(tmp_path):
    write(tmp_path, "sts13.jsonl", pairs(30, subset="a") + pairs(30, 30, 2, subset="b"))
    found = answered(tmp_path)
    line = found["sts13/a"]
    assert (line.low, line.high) == pytest.approx([100 * x for x in fieller(line.value / 100, 30)])
    ends = [found[f"sts13/{x}"] for x in "ab"]
    low = np.hypot(*(x.value - x.low for x in ends)) / 2
    assert found["sts13/mean"].value - found["sts13/mean"].low == pytest.approx(low)
    assert "Fieller over 30 pairs" in line.how


def test_test_pairs_count_and_of_stsb_those_of_dev_on_a_line_of_their_own(tmp_path):
    train, dev, test = pairs(9, 100, split="train"), pairs(10, 0, 2, split="dev"), pairs(11, 20, 3, split="test")
    for name in ("stsb", "sts14", "sickr"):
        write(tmp_path, f"{name}.jsonl", train + dev + test)
    made = tasks("sts", tmp_path)
    found = answered(tmp_path)
    for name in ("stsb", "sts14", "sickr"):
        assert (found[name].value, found[name].n) == (pytest.approx(correlation(test)), 11)
    assert (found["stsb/dev"].value, found["stsb/dev"].n) == (pytest.approx(correlation(dev)), 10)
    assert (found["sickr/all"].value, found["sickr/all"].n) == (pytest.approx(correlation(train + dev + test)), 30)
    assert not found["stsb/dev"].main
    assert not found["sickr/all"].main
    stsb = next(task for task in made if task.name == "stsb")
    assert not {row["sentence2"] for row in train} & set(stsb.texts)  # what is not asked is not embedded


def nine(folder, without=()):
    rows = {}
    for i, name in enumerate(["sts12", "sts13", "sts14", "sts15", "sts16", "stsb", "sickr", "sts17", "biosses"]):
        rows[name] = pairs(10, 30 * i, i, split="train") + pairs(14, 30 * i + 10, 50 + i, split="test")
        if name not in without:
            write(folder, f"{name}.jsonl", rows[name])
    return rows


def test_the_mean_of_seven_takes_sick_test_and_that_of_nine_all_of_sick(tmp_path):
    rows = nine(tmp_path)
    found = answered(tmp_path)
    tests = {name: correlation([r for r in told if r["split"] == "test"]) for name, told in rows.items()}
    seven = [tests[name] for name in tests if name not in ("sts17", "biosses")]
    assert found["mean of 7"].value == pytest.approx(np.mean(seven))
    assert found["mean of 9"].value == pytest.approx(
        np.mean([*(tests | {"sickr": correlation(rows["sickr"])}).values()])
    )
    assert not found["mean of 7"].main
    assert [*found][-2:] == ["mean of 7", "mean of 9"]


def test_all_of_sick_is_no_part_of_the_mean_of_seven(tmp_path, monkeypatch):
    monkeypatch.setattr("diptych.evaluate.suites.sts.SICK", 14)  # as many as the test here has
    rows = nine(tmp_path)
    write(tmp_path, "sickr.jsonl", [row for row in rows["sickr"] if row["split"] == "test"])
    assert [name for name in answered(tmp_path) if name.startswith("mean")] == ["mean of 9"]
    assert notes(tasks("sts", tmp_path)) == [
        "sickr is asked on all of its 14 pairs (MTEB); the mean of 7 is of the 4,927 of its test",
        "there is no mean of 7, for these sets are missing: sickr",
    ]


def test_means_take_the_lines_that_were_scored(tmp_path, monkeypatch):
    from diptych.evaluate.suites import sts

    nine(tmp_path)
    scored, line = [], sts._line
    monkeypatch.setattr(sts, "_line", lambda *given: scored.append(given[0]) or line(*given))
    made = tasks("sts", tmp_path)
    found = run(made, encode).results
    assert len(scored) == len({*scored}) == 10  # nine sets, and all of SICK-R
    assert len(run(made, lambda texts: -encode(texts)).results) == len(found)
    assert len(scored) == 20  # other embeddings are scored anew


def test_a_mean_with_a_set_missing_is_not_there_and_says_which(tmp_path):
    nine(tmp_path, without=["sts17", "biosses"])
    assert "mean of 7" in answered(tmp_path)
    assert "mean of 9" not in answered(tmp_path)
    assert notes(tasks("sts", tmp_path)) == ["there is no mean of 9, for these sets are missing: sts17, biosses"]
    (tmp_path / "stsb.jsonl").unlink()
    assert "mean of 7" not in answered(tmp_path)
    assert "there is no mean of 7, for these sets are missing: stsb" in notes(tasks("sts", tmp_path))


def test_the_order_of_files_and_rows_changes_nothing(tmp_path):
    rows = pairs(20, subset="a") + pairs(20, 20, 2, subset="b")
    write(tmp_path, "sts12.jsonl", rows)
    write(tmp_path, "stsb.jsonl", rows)
    before = answered(tmp_path)
    write(tmp_path, "sts12.jsonl", rows[::-1])
    after = answered(tmp_path)
    assert {name: after[name].value for name in before} == pytest.approx({k: x.value for k, x in before.items()})


def test_pairs_without_a_score_are_left_out_and_counted(tmp_path):
    rows = pairs(10)
    rows[3]["score"], rows[5]["score"], rows[7]["score"] = None, "", float("nan")
    write(tmp_path, "sts16.jsonl", rows)
    assert answered(tmp_path)["sts16"].value == pytest.approx(
        correlation([r for i, r in enumerate(rows) if i not in (3, 5, 7)])
    )
    assert "sts16.jsonl: no score, and left out: 3 of 10 pairs" in notes(tasks("sts", tmp_path))


def test_a_pair_without_a_cosine_counts_as_zero_and_is_noted(tmp_path):
    rows = pairs(10)
    write(tmp_path, "sts16.jsonl", rows)

    def empty(texts):
        return encode(texts) * np.array([[text != "s4"] for text in texts])

    (line,) = run(tasks("sts", tmp_path), empty).results
    cosine = [0 if r["sentence2"] == "s4" else LIKENESS[r["sentence2"]] for r in rows]
    assert line.value == pytest.approx(100 * spearmanr(cosine, [r["score"] for r in rows]).statistic)
    assert line.note.startswith("1 pair without a cosine")


def test_a_model_that_tells_nothing_apart_scores_nothing(tmp_path):
    write(tmp_path, "stsb.jsonl", pairs(10))
    (line,) = run(tasks("sts", tmp_path), lambda texts: np.ones((len(texts), 4), np.float32)).results
    assert line.value == 0


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl.gz"])
def test_other_tables_hold_the_same(tmp_path, ending):
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, path = pairs(10), tmp_path / f"stsb.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif ending == "jsonl.gz":
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    else:
        comma = "," if ending == "csv" else "\t"
        path.write_text("".join(comma.join(map(str, line)) + "\n" for line in [rows[0], *(r.values() for r in rows)]))
    assert answered(tmp_path)["stsb"].value == pytest.approx(correlation(rows))


def test_tokenised_files_are_taken_where_they_are(tmp_path):
    write(tmp_path, "sts12.jsonl", pairs(10))
    write(tmp_path, "sts12.senteval_tok.jsonl", pairs(10, 50, 4))
    write(tmp_path, "sickr.jsonl", pairs(10, 80, 5))
    assert answered(tmp_path)["sts12"].value == pytest.approx(correlation(pairs(10)))
    found = answered(tmp_path, tokenised=True)
    assert found["sts12"].value == pytest.approx(correlation(pairs(10, 50, 4)))
    assert found["sickr"].value == pytest.approx(correlation(pairs(10, 80, 5)))


BAD = {
    "row 2: 'score' is to be a number, but it is 'much'": lambda rows: rows[1].update(score="much"),
    "row 2: 'score' is to be a number, but it is True": lambda rows: rows[1].update(score=True),
    "row 3: 'score' is to be from 0 to 5, but it is 7": lambda rows: rows[2].update(score=7),
    "row 3: 'score' is to be from 0 to 5, but it is -1": lambda rows: rows[2].update(score=-1),
    "all scores (10) are 2": lambda rows: [row.update(score=2) for row in rows],
    "2 pairs have a score, and 3 are needed": lambda rows: [row.update(score=None) for row in rows[2:]],
    "0 pairs have a score, and 3 are needed": lambda rows: [row.update(score=None) for row in rows],
    "no column 'score'; there are 'sentence1', 'sentence2', 'gold'": lambda rows: [
        row.update(gold=row.pop("score")) for row in rows
    ],
    "row 4: 'sentence2' is to hold text, but it holds None": lambda rows: rows[3].update(sentence2=None),
    "no pair with a score is of the split 'test'; there are 'train'": lambda rows: [
        row.update(split="train") for row in rows
    ],
}


@pytest.mark.parametrize("message", BAD)
def test_a_file_that_cannot_be_used_says_why(tmp_path, message):
    rows = pairs(10)
    BAD[message](rows)
    write(tmp_path, "sts12.jsonl", rows)
    with pytest.raises(DataError) as told:
        tasks("sts", tmp_path)
    assert str(told.value).startswith(str(tmp_path / "sts12.jsonl"))
    assert message in str(told.value)


def test_a_subset_without_an_order_has_no_line_and_leaves_no_mean(tmp_path):
    write(tmp_path, "sts12.jsonl", pairs(10, subset="a") + pairs(10, 10, 2, subset="b") + pairs(2, 30, subset="c"))
    assert [*answered(tmp_path)] == ["sts12", "sts12/a", "sts12/b"]
    assert any(note.startswith("sts12/c has no line") for note in notes(tasks("sts", tmp_path)))


def test_a_folder_without_any_of_the_files_says_which_there_could_be(tmp_path):
    write(tmp_path, "other.jsonl", pairs())
    with pytest.raises(DataError, match="none of the tables of sts, which are sts12, sts13"):
        tasks("sts", tmp_path)


def test_two_files_of_one_name_are_one_too_many(tmp_path):
    write(tmp_path, "sts12.jsonl", pairs())
    write(tmp_path, "sts12.json", pairs())
    with pytest.raises(DataError, match="both called sts12"):
        tasks("sts", tmp_path)


def test_an_unknown_suite_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"no suite 'stss'; the nearest is 'sts', all are sts, pairs, transfer"):
        tasks("stss", tmp_path)
