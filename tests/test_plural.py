"""One is one: numbers agree with their nouns, and no message writes a plural after a number by hand."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from diptych.plural import counted

SOURCE = Path(__file__).parents[1] / "src" / "diptych"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (counted(1, "document"), "1 document"),
        (counted(2000, "document"), "2,000 documents"),
        (counted(0, "near copy"), "0 near copies"),
        (counted(1, "near copy"), "1 near copy"),
        (counted(3, "class"), "3 classes"),
        (counted(2, "batch"), "2 batches"),
        (counted(2, "key"), "2 keys"),
        (counted(1, "query has", "queries have"), "1 query has"),
        (counted(4, "query has", "queries have"), "4 queries have"),
        (counted(1.0, "pass", digits=".3g"), "1 pass"),
        (counted(0.5, "pass", digits=".3g"), "0.5 passes"),
        (counted(1.0004, "pass", digits=".3g"), "1 pass"),
    ],
)
def test_a_number_agrees_with_its_noun(told, expected):
    assert told == expected


PLURAL = re.compile(r" (?:[a-z]+ )?[a-z]+(?<![su])s(?: |[,.;:)]|$)")
FREE = {"has", "is", "was", "as", "its", "this", "holds", "names", "pools", "needs", "differs", "belongs"}


def by_hand():
    """Lengths in messages that have a plural right behind them."""
    for path in sorted(SOURCE.rglob("*.py")):
        texts = [node.values for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr)]
        for values in texts:
            for number, behind in pairwise(values):
                if isinstance(number, ast.FormattedValue) and isinstance(behind, ast.Constant):
                    said, found = ast.unparse(number.value), PLURAL.match(str(behind.value))
                    if re.fullmatch(r"len\(.*\)", said) and found and not FREE & {*re.findall("[a-z]+", found[0])}:
                        yield f"{path.relative_to(SOURCE)}:{number.lineno}: {said}{found[0]}"


def test_no_message_has_a_plural_behind_a_length():
    assert list(by_hand()) == []
