"""What a run folder says, as the words of a page."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from diptych.report.card import THINGS, Card, Cost, Evidence, Gallery
from diptych.report.drawing import Drawn
from diptych.runs import Run

PICTURES, ABOUT, COLUMNS = "pictures.npz", "pictures.json", ("views", "patches")  # of evidence of pictures


def card(run: Run, name: str | None = None) -> Card:
    """The card of a run; scores and history are empty where it has none yet."""
    told, scores, history = run.call, run.scores or {}, run.metrics
    last = history[-1] if history else {}
    samples = any(view.get("column") in THINGS for view in told.get("views", []))
    return Card(
        name=name or run.name,
        recipe=told["recipe"],
        source=told.get("source", ""),
        arguments=told.get("arguments", {}),
        settings=_settings(told),
        views=told.get("views", []),
        objective=told.get("objective", ""),
        paper=told.get("paper", ""),
        aim=told.get("aim", ""),
        scores=scores.get("scores", {}),
        errors=scores.get("errors", {}),
        paired=scores.get("paired", {}),
        judged={name: scores[name] for name in ("documents", "labelled", "classes", "test", "pairs") if name in scores},
        history=history,
        cost=Cost(
            seconds=last.get("seconds"),
            tokens=None if samples else last.get("tokens"),
            samples=last["step"] * told["batch"] if samples and last and "batch" in told else None,
            documents=told.get("documents"),
            parameters=told.get("parameters"),
            trained=told.get("trained"),
            machine=told.get("ran_on", ""),
        ),
        seed=told.get("seed", 0),
        versions=told.get("versions", {}),
        commit=told.get("commit", ""),
        fingerprint=told.get("fingerprint", ""),
        documents=told.get("documents_fingerprint", ""),
        model=str(run.model),
        **_of_network(run.model),
        notes=[*told.get("notes", []), *scores.get("notes", [])],
    )


def _of_network(model: Path) -> dict[str, Any]:
    """What a user of `transformers` has to know of a network for pictures."""
    files = [model / name for name in ("config.json", "diptych.json")]
    config, ours = (json.loads(file.read_text()) if file.is_file() else {} for file in files)
    first = {"embedding": "last_hidden_state[:, 0]"} if ours.get("pooling") == "cls" else {}
    return {"own_code": "auto_map" in config} | first | {k: ours[k] for k in ("embedding",) if k in ours}


def _settings(told: Mapping[str, Any]) -> dict[str, Any]:
    """What defaults came to, as far as a run.toml says."""
    found = told.get("settings")
    known = {name: told[name] for name in ("batch", "steps") if name in told}
    return {**found, **known} if isinstance(found, dict) else known


def public(shown: Card) -> Card:
    """The card as it may leave this machine: of a path, the last part alone."""
    told = {k: Path(x).name if isinstance(x, str) and Path(x).is_absolute() else x for k, x in shown.arguments.items()}
    return replace(shown, arguments=told, model=shown.name)


def evidence(run: Run) -> Evidence | None:
    """The documents a run shows, with their embeddings; None if it keeps none."""
    if not (run.evidence / "documents.jsonl").is_file():
        return None
    lines = [json.loads(line) for line in (run.evidence / "documents.jsonl").read_text().splitlines()]
    labels = [line["label"] for line in lines]
    graphs = [Drawn(**line["graph"]) if line.get("graph") else None for line in lines]
    return Evidence(
        [line["text"] for line in lines],
        np.load(run.evidence / "after.npy"),
        np.load(run.evidence / "before.npy"),
        labels if any(label is not None for label in labels) else None,
        graphs if any(graph is not None for graph in graphs) else None,
    )


def gallery(run: Run) -> Gallery | None:
    """The pictures a run shows, with their embeddings; None if it keeps none."""
    if not (run.evidence / PICTURES).is_file():
        return None
    about = json.loads((run.evidence / ABOUT).read_text())
    before = run.evidence / "before.npy"
    with np.load(run.evidence / PICTURES, allow_pickle=False) as there:
        thumbnails = there["thumbnails"]
        columns = {kind: {name: there[f"{kind}_{i}"] for i, name in enumerate(about[kind])} for kind in COLUMNS}
    places = Evidence(
        [""] * len(thumbnails),
        np.load(run.evidence / "after.npy"),
        np.load(before) if before.is_file() else None,
        about["labels"],
    )
    return Gallery(thumbnails, places, **columns)
