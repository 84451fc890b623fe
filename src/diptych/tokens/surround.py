"""Tokens that a tokenizer itself puts around every text, so that whoever reads its tokenizer.json puts them too."""

import json
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from diptych.tokens.tokenise import surroundings


def surround(tokenizer: Tokenizer, before: Sequence[int] = (), after: Sequence[int] = ()) -> Tokenizer:
    """A copy that puts further tokens around a text, between it and those that it puts there already.

    A text that is cut leaves room for all of them.
    """
    first, last = surroundings(tokenizer)
    pieces = {"before": [*first, *before], "after": [*after, *last]}
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
