"""Made-up runs for the tests of this room."""

import numpy as np

from diptych.report.card import Card, Cost, Evidence

HOSTILE = '<script>alert("x")</script></script><img src=x onerror=alert(1)> {{ 7*7 }} | `a` \ud800\x00'


def card(seed=0, lr=0.3, knn=0.781, recipe="crop", **changed):
    scores = {
        "model": {"knn": knn, "crop_retrieval": 0.9142, "uniformity": -3.4121},
        "dropout": {"knn": 0.7024, "crop_retrieval": 0.733, "uniformity": -3.61},
        "untrained": {"knn": 0.5071, "crop_retrieval": 0.402, "uniformity": -1.204},
        "tfidf": {"knn": 0.7694, "crop_retrieval": 0.871, "uniformity": None},
    }
    given = {
        "name": f"{recipe}-{seed}",
        "recipe": f"diptych.recipes.{recipe}:{recipe}",
        "arguments": {"corpus": "docs.jsonl", "lr": lr, "seed": seed},
        "views": [{"role": "view", "column": "text", "transform": "Crop(2)", "perturb": "", "by": "model"}] * 2,
        "objective": "InfoNCE(temperature=0.05)",
        "paper": "arXiv:1807.03748",
        "source": "Some, Body & Else, arXiv:2508.03453",
        "scores": scores,
        "errors": {row: {"knn": 0.0093} for row in scores},
        "judged": {"documents": 2000, "labelled": 1990, "classes": 12, "test": 199},
        "history": [{"step": s, "loss": 5 / s, "alignment": 1 / s, "uniformity": -2.0 - s / 100} for s in range(1, 50)],
        "cost": Cost(45.2, 36_500_000, 2000, 15_360_000, "2 cores"),
        "seed": seed,
        "versions": {"torch": "2.13.0"},
        "commit": "74064f4",
        "fingerprint": "9d3f1c",
        "notes": ["3 exact duplicates were removed."],
    }
    return Card(**(given | changed))


def evidence(n=60, labels=("birds", "fish", "trees")):
    rng = np.random.default_rng(0)
    of = np.arange(n) % 3
    words = ["feather wing song nest", "fin river scale gill", "leaf bark root branch"]
    return Evidence(
        [f"{words[c]} number {i}" for i, c in enumerate(of)],
        (np.eye(3)[of] * 4 + rng.normal(size=(n, 3))).astype(np.float32),
        rng.normal(size=(n, 5)).astype(np.float32),
        [labels[c] for c in of] if labels else None,
    )
