"""Tokens that a tokenizer itself puts around every text, so that whoever reads its tokenizer.json puts them too."""

import json
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

STOP = {"type": "Replace", "pattern": {"Regex": r"\s*\.\s*\z"}, "content": ""}


def enclose(tokenizer: Tokenizer, before: Sequence[int] = (), after: Sequence[int] = ()) -> Tokenizer:
    """A copy that puts these tokens around a text, and none besides. A text that is cut leaves room for all of them."""
    pieces = {"before": [*before], "after": [*after]}
    there = [name for name, ids in pieces.items() if ids]
    single = ["before"] * ("before" in there) + ["$A"] + ["after"] * ("after" in there)
    template = TemplateProcessing(
        single=single,
        pair=[*single, *(f"{piece if piece != '$A' else '$B'}:1" for piece in single)],
        special_tokens=[
            {"id": name, "ids": pieces[name], "tokens": [tokenizer.id_to_token(i) for i in pieces[name]]}
            for name in there
        ],
    )
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.post_processor = template
    state = json.loads(copy.to_str())
    if kept := _offsets(json.loads(tokenizer.to_str())["post_processor"]):
        state["post_processor"] = {"type": "Sequence", "processors": [*kept, state["post_processor"]]}
    return Tokenizer.from_str(json.dumps(state))


def _offsets(rule: dict | None) -> list[dict]:
    """The parts of a rule that say where in a text a token is, and add none."""
    parts = (rule or {}).get("processors", [rule] if rule else [])
    return [part for part in parts if part["type"] == "ByteLevel"]


def without_stop(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that does not read the full stop that a text ends in; to be used where one is put behind every text."""
    state = json.loads(tokenizer.to_str())
    given = state["normalizer"]
    parts = given["normalizers"] if given and given["type"] == "Sequence" else [given] if given else []
    if STOP not in parts:
        state["normalizer"] = {"type": "Sequence", "normalizers": [STOP, *parts]}
    return Tokenizer.from_str(json.dumps(state))
