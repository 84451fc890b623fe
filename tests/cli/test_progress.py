"""The live line says where the rank goes, if there is room."""

import io
import sys

import pytest

from diptych.cli.progress import Live, note


class Terminal(io.StringIO):
    def isatty(self):
        return True


def watched(stream, ranks):
    live = Live("run", stream)
    for step, rank in enumerate(ranks, 1):
        told = {"step": step, "steps": len(ranks), "loss": 1.0, "tokens_per_second": 9, "padding": 1.0, "seconds": step}
        live(told | ({"rank": rank} if rank else {}))
    return stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize(
    ("ranks", "told"),
    [
        ([100, None, None], "· rank 100 ·"),
        ([100, 110, 120, None, 130, 140], "· rank 140 rising ·"),
        ([140, 130, 120, 110, 100], "· rank 100 falling ·"),
        ([100, 100, 100.4, 100, 100, None], "· rank 100 flat ·"),
    ],
)
def test_the_line_says_the_rank_and_its_phase(ranks, told):
    assert told in watched(io.StringIO(), ranks)


def test_what_has_no_tokens_is_counted_as_what_it_is():
    stream = io.StringIO()
    told = {"step": 4, "steps": 4, "loss": 1.0, "tokens_per_second": 9, "padding": 1.0, "seconds": 2.0, "rank": 3}
    Live("run", stream, ("pictures", 100))(told)
    assert stream.getvalue() == "run  step 4/4 · loss 1.000 · rank 3 · 200 pictures/s · 0:02 in all\n"


def test_a_line_without_ranks_names_none():
    assert "rank" not in watched(io.StringIO(), [None, None])


@pytest.mark.parametrize(("columns", "shown"), [("200", True), ("70", False)])
def test_a_narrow_terminal_is_left_without(monkeypatch, columns, shown):
    monkeypatch.setenv("COLUMNS", columns)
    line = watched(Terminal(), [100, 110, 120, 130]).rpartition("\x1b[2K")[2]
    assert ("rank 130 rising" in line) == shown
    assert "in all" in line


@pytest.mark.parametrize(("stream", "before"), [(Terminal, "\r\x1b[2K"), (io.StringIO, "")])
def test_a_note_takes_the_place_of_the_live_line(monkeypatch, stream, before):
    monkeypatch.setattr("sys.stderr", stream())
    note("step 9: something is wrong")
    assert sys.stderr.getvalue() == f"{before}step 9: something is wrong\n"
