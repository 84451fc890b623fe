"""Encoders: samples in, embeddings out. `load` reads any of them from a folder or a hub id."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from diptych.core import Encoder
from diptych.encoders import folder as layout
from diptych.encoders.quiet import without_panics


def load(path_or_id: str | Path, pooling: Any = None, max_tokens: int | None = None, **options: Any) -> Encoder:
    """The encoder in a folder (a model, a run, any `transformers` network, an adapter for one) or of a hub id.

    `pooling` and `max_tokens` replace what the folder says, for a transformer; `options` are those of
    `pretrained.from_pretrained`: eos, prompt, bidirectional, weights. Nothing is downloaded
    unless the name is no folder here and looks like a hub id; nothing is unpickled.

    Raises FileNotFoundError, NotADirectoryError, ConnectionError, or ValueError for a folder that is
    no model or cannot be used as asked.
    """
    folder = layout.locate(path_or_id)
    with layout.reading("model", folder, unless_named=True), without_panics():
        return _load(path_or_id, folder, {"pooling": pooling, "max_tokens": max_tokens, **options})


def _load(path_or_id: str | Path, folder: Path, options: Mapping[str, Any]) -> Encoder:
    kind = _kind(folder)
    if kind == "transformer":
        from diptych.encoders import pretrained

        return pretrained.from_pretrained(path_or_id, **options)
    if kind == "vision":
        from diptych.encoders.image import load

        _only(folder, kind, {name: x for name, x in options.items() if name != "pooling"})
        return load.load(folder, options["pooling"])
    _only(folder, kind, options)
    if kind == "graph":
        from diptych.encoders.graph import network

        return network.load(folder)
    if kind == "static":
        from diptych.encoders import static

        return static.load(folder)
    from diptych.encoders import foreign

    return foreign.load(folder)


def _only(folder: Path, kind: str, options: Mapping[str, Any]) -> None:
    if chosen := [name for name, x in options.items() if x not in (None, False, "fp32")]:
        raise ValueError(f"{' and '.join(chosen)}: choices for a transformer; {folder} holds a {kind} model")


def kind(path_or_id: str | Path) -> str:
    """What sort of model it is: transformer, static, foreign, vision or graph. Raises as `load` does."""
    folder = layout.locate(path_or_id)
    with layout.reading("model", folder, unless_named=True):
        return _kind(folder)


def _kind(folder: Path) -> str:
    chain = layout.chain(folder)
    if chain:
        return _kind_of_chain(folder, chain)
    settings = layout.config(folder)
    if settings.get("model_type") == "diptych_graph":
        return "graph"
    if "num_channels" in settings and "vocab_size" not in settings:
        return "vision"
    if settings.get("model_type", "model2vec") != "model2vec" or (folder / "adapter_config.json").exists():
        return "transformer"
    if (folder / "tokenizer.json").exists() and any(folder.glob("*.safetensors")):
        return "static"
    if (folder / "run.toml").exists():
        raise ValueError(f"{folder} is a run that has no model yet: `diptych train --resume` finishes it")
    raise ValueError(
        f"{folder} is no model: it has neither modules.json (sentence-transformers), nor config.json with a "
        "model_type (transformers), nor model.safetensors with tokenizer.json (static), nor a folder model/"
    )


def _kind_of_chain(folder: Path, chain: list[layout.Module]) -> str:
    from diptych.encoders.pooling import SAVED
    from diptych.encoders.pretrained import saved_pooling

    kinds = [module.kind for module in chain]
    settings = layout.config(folder, "config_sentence_transformers.json")
    prompt = (settings.get("prompts") or {}).get(settings.get("default_prompt_name"))
    if kinds[-1] == "Normalize":
        kinds.pop()
    if prompt:  # a text that every text is to be prefixed with
        return "foreign"
    if kinds == ["StaticEmbedding"]:
        return "static"
    known = kinds == ["Transformer", "Pooling"] and saved_pooling(chain[1].folder) in SAVED
    encoder_decoder = layout.config(chain[0].folder).get("is_encoder_decoder", False)
    return "transformer" if known and not encoder_decoder else "foreign"
