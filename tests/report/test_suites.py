"""Models side by side on suites: the history, the table in a terminal, the page."""

import json
from dataclasses import asdict, replace

import pytest

from diptych.core import DataError
from diptych.report import board, history, page
from diptych.report.history import Entry

HOSTILE = '<script>alert("1")</script>\x1b[31m'


def result(task="stsb", value=82.03, main=True, **more):
    told = {"task": task, "metric": "spearman", "value": value, "n": 1379, "low": value - 1, "high": value + 1}
    return {**told, "how": "Fieller", "main": main, "note": "", **more}


def entry(model="runs/a", *results, suite="sts", data="d1", date="2026-01-02T03:04:05+00:00", **more):
    told = results or (result(), result("stsb/dev", 85, main=False, low=None, high=None))
    return replace(Entry(suite, model, "fp32", f"hash of {model}", "sts", data, date, list(told)), **more)


def test_a_history_grows_by_a_line_each_and_reads_back(tmp_path):
    path = tmp_path / "new" / "scores.jsonl"
    assert history.read(path) == []
    history.append(path, [entry("a")])
    history.append(path, [entry("b"), entry("c")])
    assert history.read(path) == [entry("a"), entry("b"), entry("c")]
    assert len(path.read_text().splitlines()) == 3


def test_a_line_that_was_cut_off_is_named_and_costs_no_later_one(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_text(json.dumps(asdict(entry("a")))[:-9])
    history.append(path, [entry("b")])
    assert json.loads(path.read_text().splitlines()[1])["model"] == "b"
    with pytest.raises(DataError, match=r"scores.jsonl, line 1, is damaged"):
        history.read(path)


@pytest.mark.parametrize("line", ["[]", '{"text": "a"}', json.dumps(asdict(entry()) | {"results": [{"task": "a"}]})])
def test_a_file_of_something_else_is_no_history(tmp_path, line):
    (tmp_path / "docs.jsonl").write_text(line)
    with pytest.raises(DataError, match=r"docs.jsonl, line 1,"):
        history.read(tmp_path / "docs.jsonl")


def test_the_table_has_a_row_for_each_line_and_a_column_for_each_model():
    both = [entry("runs/a"), entry("runs/b", result(value=83.5), result("sts12", 70))]
    (told,) = map(board.text, board.boards(both))
    head, first, dev, other, _, legend = told.splitlines()
    assert head.split() == ["n", "a", "b"]
    assert " ".join(first.split()) == "stsb spearman 1,379 81.03 to 83.03 82.03 82.50 to 84.50 83.50 *"
    assert dev.split() == ["stsb/dev", "spearman", "1,379", "85.00", "–"]
    assert dev.startswith("  stsb/dev")
    assert " ".join(other.split()) == "sts12 spearman 1,379 – 69.00 to 71.00 70.00"
    assert legend.startswith("* best")


def test_one_model_is_no_contest():
    (told,) = map(board.text, board.boards([entry()]))
    assert "*" not in told


def test_what_was_judged_on_other_data_is_another_table_and_the_latest_counts():
    old, new, far = entry(date="2026-01-01"), entry(date="2026-01-03"), entry("b", data="d2")
    first, second = board.boards([old, far, new, entry(suite="pairs", data="d2")][:3])
    assert first.entries == [new]
    assert second.entries == [far]
    (both,) = board.boards([old, replace(new, precision="bf16")])
    assert len(both.entries) == 2


def test_tasks_of_several_calls_stand_on_one_board_and_the_latest_of_a_line_counts():
    """The data of mteb are named by its version, whichever tasks a call names."""
    calls = [[result("A", 70), result("B", 1)], [result("B", 75)], [result("C", 80)]]
    (found,) = board.boards([entry("a", *lines, suite="mteb", data="mteb 2") for lines in calls])
    assert [(line.task, line.cells[0]["value"]) for line in found.lines] == [("A", 70), ("B", 75), ("C", 80)]
    assert len(found.names) == 1


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["runs/a", "runs/b"], ["a", "b"]),
        (["x/model", "y/model"], ["x/model", "y/model"]),
        (["x/a", "y/a"], ["x/a", "y/a"]),
        (["x/a"], ["a"]),
        (["a", "a"], ["a", "a"]),
    ],
)
def test_models_are_called_by_as_much_of_their_paths_as_tells_them_apart(models, names):
    assert board.short(models) == names


def test_the_page_holds_every_number_once_and_nothing_from_elsewhere():
    text = page.suites([entry("runs/a"), entry("runs/b", result(value=83.5))])
    for words in ("82.03", "81.03 to 83.03", "83.50", "stsb/dev", "2026-01-02", "fp32", "2 models"):
        assert words in text
    assert '<td class="best">83.50' in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<table") == 1


def test_hostile_names_are_escaped_on_the_page_and_in_the_terminal():
    bad = entry(HOSTILE, result(HOSTILE), data=HOSTILE, precision=HOSTILE, fingerprint=HOSTILE)
    bad = replace(bad, suite=HOSTILE, date=HOSTILE)
    assert "<script>alert" not in page.suites([bad])
    assert "\x1b" not in board.text(board.boards([bad])[0])


def test_an_empty_history_has_no_page():
    with pytest.raises(ValueError, match="at least one entry"):
        page.suites([])
