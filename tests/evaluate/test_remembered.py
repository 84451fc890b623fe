"""What was embedded once is not embedded again, and what is damaged is."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from diptych.evaluate import remembered
from diptych.evaluate.remembered import Remembered


class Counting:
    """Embeds a text as its length and first letter; keeps what it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, texts):
        self.seen += texts
        return np.array([[len(t), ord(t[0])] for t in texts], np.float32)


def rows(texts):
    return Counting()(texts)


def test_a_second_call_embeds_what_is_new_and_keeps_the_order():
    encoder = Counting()
    np.testing.assert_array_equal(Remembered(encoder, "m")(["b", "aa", "b"]), rows(["b", "aa", "b"]))
    assert encoder.seen == ["b", "aa"]
    asked = ["ccc", "aa", "b", "ccc"]
    np.testing.assert_array_equal(Remembered(encoder, "m")(asked), rows(asked))
    assert encoder.seen == ["b", "aa", "ccc"]
    np.testing.assert_array_equal(Remembered(encoder, "m")(asked), rows(asked))
    assert encoder.seen == ["b", "aa", "ccc"]


def test_another_model_or_precision_shares_nothing():
    encoder = Counting()
    for model in ("m fp32", "m bf16", "n fp32"):
        Remembered(encoder, model)(["a"])
    assert encoder.seen == ["a"] * 3


def test_an_interrupted_call_loses_no_portion_that_was_done(monkeypatch):
    monkeypatch.setattr(remembered, "CALL", 2)
    texts, told = ["a", "bb", "ccc", "dddd", "eeeee"], []

    def stopped(texts):
        if "dddd" in texts:
            raise KeyboardInterrupt
        return rows(texts)

    with pytest.raises(KeyboardInterrupt):
        Remembered(stopped, "m", lambda done, of: told.append((done, of)))(texts)
    assert told == [(2, 5)]
    encoder = Counting()
    np.testing.assert_array_equal(Remembered(encoder, "m")(texts), rows(texts))
    assert encoder.seen == texts[2:]


def test_portions_are_written_as_time_goes(monkeypatch, cache):
    clock = iter(range(0, 1000, 8))
    monkeypatch.setattr(remembered.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(remembered, "CALL", 1)
    texts, there = ["a", "bb", "ccc", "dddd"], []

    def noted(texts):
        there.append(len([*cache.rglob("hashes.npy")]))
        return rows(texts)

    Remembered(noted, "m")(texts)
    assert there == [0, 0, 0, 1]  # 8 seconds each, and 20 between two writes


def test_which_texts_go_together_follows_from_them_alone(monkeypatch):
    monkeypatch.setattr(remembered, "CALL", 3)
    monkeypatch.setattr(remembered, "CHARACTERS", 10)
    calls = []
    texts = ["a", "b", "c", "d", "e" * 9, "f" * 99, "g", "h"]
    Remembered(lambda texts: calls.append(texts) or rows(texts), "m")(texts)
    assert calls == [["a", "b", "c"], ["d", "e" * 9], ["f" * 99], ["g", "h"]]


KILLED = """
import os, signal
import numpy as np
from diptych.evaluate import remembered
remembered.CALL, remembered.EVERY = 2, 0

def encode(texts):
    if "eeeee" in texts:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array([[len(t), ord(t[0])] for t in texts], np.float32)

remembered.Remembered(encode, "m")(["a", "bb", "ccc", "dddd", "eeeee"])
"""


def test_a_killed_call_goes_on_where_it_was():
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    encoder, texts = Counting(), ["a", "bb", "ccc", "dddd", "eeeee"]
    np.testing.assert_array_equal(Remembered(encoder, "m")(texts), rows(texts))
    assert encoder.seen == ["eeeee"]


def flipped(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("name", ["hashes.npy", "rows.npy"])
@pytest.mark.parametrize(
    "damage",
    [
        flipped,
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-3]),
        lambda path: path.write_bytes(b""),
    ],
    ids=["a flipped bit", "missing", "cut", "empty"],
)
def test_a_damaged_entry_is_made_anew(cache, name, damage):
    Remembered(Counting(), "m")(["a", "bb"])
    (path,) = cache.rglob(name)
    damage(path)
    for seen in (["a", "bb"], []):
        encoder = Counting()
        np.testing.assert_array_equal(Remembered(encoder, "m")(["a", "bb"]), rows(["a", "bb"]))
        assert encoder.seen == seen


def test_a_lone_surrogate_is_a_text_like_any_other():
    encoder = Counting()
    Remembered(encoder, "m")(["\ud800", "\ud801"])
    Remembered(encoder, "m")(["\ud801"])
    assert len(encoder.seen) == 2
