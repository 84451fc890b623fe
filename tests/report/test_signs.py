"""Numbers that round to zero have no sign, wherever they are shown."""

import io
import re

import pytest
from cards import card
from test_page import Seen
from test_suites import entry, result

from diptych.cli.progress import Live
from diptych.cli.search import shown
from diptych.report import board, page
from diptych.report.card import Comparison
from diptych.report.compared import compared
from diptych.report.comparison import comparison
from diptych.report.markdown import model_card
from diptych.report.sidebyside import side_by_side
from diptych.report.table import table, turned

SIGNED_ZERO = re.compile(r"(?<!\w)[-−+]0(\.0+)?(?![\d.])")
TINY = {"knn": 0.5, "crop_retrieval": -0.0001, "uniformity": -0.0004, "alignment": -1e-9}
SCORES = {"model": TINY, "untrained": {name: x - 0.0002 for name, x in TINY.items()}}
HISTORY = [{"step": s, "loss": -1e-4 / s, "uniformity": -1e-5 * s, "positive_cosine": -1e-6 * s} for s in range(1, 9)]
TOUCHED = card(scores=SCORES, errors={}, arguments={"margin": -0.0}, history=HISTORY)


def runs(n=4):
    return [card(s, lr=lr, scores=SCORES, errors={}, history=HISTORY) for lr in (0.1, 0.3) for s in range(n)]


def seen(made):
    return " ".join(Seen(made).text)


def live():
    stream = io.StringIO()
    Live("run", stream)({**HISTORY[0], "steps": 1, "tokens_per_second": 1, "padding": 1.0, "seconds": 1.0})
    return stream.getvalue()


@pytest.mark.parametrize(
    "made",
    [
        lambda: seen(page.page(TOUCHED)),
        lambda: model_card(TOUCHED),
        lambda: table(SCORES),
        lambda: turned(SCORES),
        lambda: seen(comparison(compared(Comparison("rates", runs())))),
        lambda: side_by_side(compared(Comparison("rates", runs()))),
        lambda: seen(page.suites([entry("a", result(value=-0.001, low=-0.004, high=0.003))])),
        lambda: board.text(board.boards([entry("a", result(value=-0.001, low=-0.004, high=0.003))])[0]),
        live,
        lambda: shown([{"cosine": -0.001, "label": None, "text": "a"}]),
    ],
    ids=["page", "card", "table", "turned", "comparison", "side by side", "suites", "board", "live line", "search"],
)
def test_a_number_that_rounds_to_zero_has_no_sign(made):
    told = made()
    assert "0.00" in told
    assert not SIGNED_ZERO.findall(told), SIGNED_ZERO.search(told)
