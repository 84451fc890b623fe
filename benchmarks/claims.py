"""Claims 1, 3, 4, 5, 7, 11 and 12 of the cropping paper (arXiv:2508.03453) at the scale of two cores.

    python benchmarks/claims.py --data DIR [--parts epochs,longer,lengths,rates,tiny,dial] [--seeds 5]

`dial` has no claim: documents of a grammar, whose sentences are more or less alike. DIR as for crops.py.
Claims 1 and 5 are read off the table of crops.py. Lines go to --results as they are made, and what is
there is not run again.
"""

import argparse
import json
from pathlib import Path

import kept
import torch
from arms import Results, knn, mean, paired, trained

from diptych import recipes
from diptych.core import Machine
from diptych.data.docstrings import docstrings
from diptych.data.documents import Documents, read
from diptych.data.grammar import Topics
from diptych.evaluate.tfidf import TfIdf

RATES = (0.0001, 0.001, 0.01, 0.1, 1.0)
EPOCHS = (1, 3, 10)
LENGTHS = (1, 2, 3, 5)
LONGER = (1, 5, 20)
ALIKE = (0.0, 0.2, 0.4, 0.6, 0.8)


def corpus(data: Path, name: str) -> Documents:
    return docstrings() if name == "docstrings" else read(next(p for p in sorted(data.glob(f"{name}.*"))))


def arm(results: Results, part: str, documents: Documents, seed: int, recipe=recipes.crop, **settings) -> None:
    """Trains and scores one arm, once."""
    key = {"part": part, "corpus": documents.name, "arm": recipe.__name__, "seed": seed, **settings}

    def run():
        encoder, seconds = trained(recipe(documents, seed=seed, **settings), Machine(checkpoint=1e9, precision="auto"))
        return {**knn(encoder.encode, documents), "seconds": round(seconds, 1)}

    results.once(key, run)


def untrained(results: Results, part: str, documents: Documents, seed: int, **settings) -> None:
    key = {"part": part, "corpus": documents.name, "arm": "untrained", "seed": seed, **settings}
    encoder = recipes.crop(documents, seed=seed, **settings).model.encoder
    results.once(key, lambda: knn(encoder.encode, documents))


def epochs(results: Results, data: Path, seed: int) -> None:
    """Claim 3: how much of the gain of ten epochs over 24k documents the first one brings."""
    documents = corpus(data, "docstrings")
    untrained(results, "epochs", documents, seed)
    for n in EPOCHS:
        arm(results, "epochs", documents, seed, epochs=n)


def longer(results: Results, data: Path, seed: int) -> None:
    """Claim 4: whether dropout with more epochs reaches crops with one."""
    for name in ("docstrings", "iclr2021_papers"):
        documents = corpus(data, name)
        arm(results, "longer", documents, seed, epochs=1)
        for n in LONGER:
            arm(results, "longer", documents, seed, recipes.dropout, epochs=n)


def dial(results: Results, data: Path, seed: int) -> None:
    """Crops and dropout where sentences of a document are more and more alike."""
    for alike in ALIKE:
        documents = Topics(2000, alike=alike, seed=seed).read()
        settings = {"steps": 100, "vocabulary": 2000}
        untrained(results, f"dial {alike}", documents, seed, **settings)
        for recipe in (recipes.crop, recipes.dropout):
            arm(results, f"dial {alike}", documents, seed, recipe, **settings)
        key = {"part": f"dial {alike}", "corpus": documents.name, "arm": "tfidf", "seed": seed}
        results.once(key, lambda documents=documents: knn(TfIdf(), documents))


def lengths(results: Results, data: Path, seed: int) -> None:
    """Claim 7: sentences per crop, at equal batch and steps."""
    for name in ("iclr2021_papers", "bbc_news"):
        for n in LENGTHS:
            arm(results, "lengths", corpus(data, name), seed, sentences=n, steps=150)


def rates(results: Results, data: Path, seed: int) -> None:
    """Claim 12: the learning rate of a table, at equal steps."""
    documents = corpus(data, "iclr2021_papers")
    for rate in RATES:
        arm(results, "rates", documents, seed, lr=rate, steps=150)


def tiny(results: Results, data: Path, seed: int) -> None:
    """Claims 1 and 11 with attention: a small BERT from scratch."""
    documents = corpus(data, "iclr2021_papers")
    settings = {"encoder": "tiny", "dim": 128, "batch": 32, "steps": 100}
    untrained(results, "tiny", documents, seed, **settings)
    for recipe in (recipes.crop, recipes.dropout):
        arm(results, "tiny", documents, seed, recipe, **settings)


CORPORA = {  # of --data, by part
    "longer": ("iclr2021_papers",),
    "lengths": ("iclr2021_papers", "bbc_news"),
    "rates": ("iclr2021_papers",),
    "tiny": ("iclr2021_papers",),
}
PARTS = {"epochs": epochs, "longer": longer, "dial": dial, "lengths": lengths, "rates": rates, "tiny": tiny}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/claims.jsonl"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    needed = [name for part in args.parts.split(",") for name in CORPORA.get(part, ())]
    kept.folder(parser, args, "data", *(f"{name}.*" for name in dict.fromkeys(needed)))
    torch.set_num_threads(args.threads)
    results = Results(args.results)
    for seed in range(args.seeds):
        for part in args.parts.split(","):
            PARTS[part](results, args.data, seed)
    print(json.dumps({"rows": results.rows}) if args.json else tables(results))


def tables(results: Results) -> str:
    """Every setting with mean and spread over seeds, and the paired difference to the first of its part."""
    groups: dict[tuple, dict[int, float]] = {}
    for row in results.rows:
        skipped = ("seed", "knn", "knn_cosine", "seconds")
        key = tuple((k, str(x)) for k, x in row.items() if k not in skipped)
        groups.setdefault(key, {})[row["seed"]] = row["knn"]
    lines = ["| part | corpus | setting | k-NN, % | seeds | less the first, 95 % |", "|---|---|---|---|---|---|"]
    first: dict[tuple, dict[int, float]] = {}
    for key, values in groups.items():
        told = dict(key)
        base = first.setdefault((told["part"], told["corpus"]), values)
        seeds = sorted(values.keys() & base.keys())
        difference = "" if base is values else paired([values[s] for s in seeds], [base[s] for s in seeds])
        setting = ", ".join(f"{k} {x}" for k, x in told.items() if k not in ("part", "corpus"))
        cells = (told["part"], told["corpus"], setting, mean(list(values.values())), str(len(values)), difference)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
