import json
import shlex

import pytest

from diptych import from_texts


@pytest.fixture
def docstrings(monkeypatch):
    """In place of the machine's docstrings, a corpus of two hundred."""
    texts = [
        f"Open file number {i} and read it. Each of the lines is returned. Raises an error when {i} is gone."
        if i % 2
        else f"Shuffle array {i} in place. The rows stay whole. A seed such as {i} makes it the same every time."
        for i in range(200)
    ]
    made = from_texts(texts, ["io" if i % 2 else "random" for i in range(200)], name="docstrings")
    for place in ("diptych.cli.demo.docstrings", "diptych.data.docstrings.docstrings"):
        monkeypatch.setattr(place, lambda: made)


def test_the_demo_judges_four_rows_and_tells_them_as_json(diptych, docstrings, tmp_path):
    code, out, err = diptych("demo", "--json", "--out", tmp_path / "demo")
    assert code == 0, err
    told = json.loads(out)
    assert out.count("\n") == 1
    assert {row: set(values) >= {"knn"} for row, values in told["scores"].items()} == dict.fromkeys(
        ("crop", "dropout", "untrained", "tfidf"), True
    )
    assert told["documents"] == 200
    assert told["classes"] == 2
    assert told["seconds"] > 0
    assert (tmp_path / "demo" / "crop" / "report.html").is_file()


def test_the_demo_says_who_won_and_how_to_go_on(diptych, docstrings, tmp_path):
    code, out, err = diptych("demo", "--out", tmp_path / "my 'demo'; $x")
    assert code == 0, err
    assert "beat" in out
    (command,) = [line.removeprefix("search  ") for line in out.splitlines() if line.startswith("search  ")]
    program, *tokens = shlex.split(command)
    assert program == "diptych"
    assert diptych(*tokens)[0] == 0


def test_the_demo_admits_that_tfidf_won():
    from diptych.cli.demo import _verdict

    rows = {"crop": 0.6, "dropout": 0.5, "untrained": 0.4, "tfidf": 0.7}
    assert "TF-IDF (0.700) beats crops (0.600)" in _verdict({row: {"knn": x} for row, x in rows.items()})
