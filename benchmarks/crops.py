"""Crops, dropout, the untrained encoder and TF-IDF on labelled corpora: the table of docs/benchmarks.md.

    python benchmarks/crops.py --data DIR [--encoder static] [--seeds 3] [--corpora bbc_news,ag_news] [--folds 10]

DIR holds the corpora as .jsonl or .jsonl.gz with columns `text` and `label`. Labels are used for k-NN
only: on the paper's random tenth, or with --folds on every document. Lines go to --results as they are
made, and what is there is not run again.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import kept
from arms import Results, folded, knn, mean, paired, trained

from diptych import encoders, recipes
from diptych.data.documents import read
from diptych.evaluate.tfidf import TfIdf

CORPORA = ("arxiv_lite", "bbc_news", "iclr2021_papers", "ag_news", "newsgroups20", "stackoverflow_titles")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/crops.jsonl"))
    parser.add_argument("--encoder", choices=("static", "tiny"), default="static")
    parser.add_argument("--dim", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--corpora", default=",".join(CORPORA))
    parser.add_argument("--folds", type=int, help="ask every document, in this many parts")
    parser.add_argument("--reference", help="a sentence-transformers folder to show beside")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    kept.folder(parser, args, "data", *(f"{name}.*" for name in args.corpora.split(",")))

    if args.reference:
        kept.model(parser, args.reference, "--reference")
    cut = {name: getattr(args, name) for name in ("dim", "batch", "steps")}
    own = {name: x for name, x in cut.items() if x is not None}
    results, how = Results(args.results), {"folds": args.folds}
    ask = partial(folded, folds=args.folds) if args.folds else knn
    names = args.corpora.split(",")
    for name in names:
        path = next(path for path in sorted(args.data.glob(f"{name}.*")))
        documents = read(path)
        results.once({"corpus": name, "arm": "tfidf", **how}, lambda d=documents: ask(TfIdf().fit(d.texts).encode, d))
        if args.reference:
            model = encoders.load(args.reference)
            key = {"corpus": name, "arm": "reference", **how}
            results.once(key, lambda d=documents, m=model: ask(m.encode, d))
        for seed in range(args.seeds):
            key = {"corpus": name, "encoder": args.encoder, "seed": seed, **cut, **how}
            settings = {"encoder": args.encoder, "seed": seed, **own}
            results.once(
                key | {"arm": "untrained"},
                lambda d=documents, s=settings: ask(recipes.crop(d, **s).model.encoder.encode, d),
            )
            for arm in (recipes.crop, recipes.dropout):

                def run(d=documents, s=settings, arm=arm):
                    encoder, seconds = trained(arm(d, **s))
                    return {**ask(encoder.encode, d), "seconds": round(seconds, 1), "documents": len(d)}

                results.once(key | {"arm": arm.__name__}, run)
    if args.json:
        print(json.dumps({"rows": results.rows}))
    else:
        print(table(results, names, {"encoder": args.encoder, **cut}, args.folds))


def table(results: Results, names: list[str], trained: dict[str, Any], folds: int | None) -> str:
    """Markdown: k-NN in percent, mean and standard deviation over seeds."""
    lines = [
        "| corpus | crops | dropout | untrained | TF-IDF | reference | crops - dropout, 95 % | seconds, crops |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        found = {
            arm: results.values("knn", corpus=name, arm=arm, folds=folds, **trained)
            for arm in ("crop", "dropout", "untrained")
        }
        fixed = [mean(results.values("knn", corpus=name, arm=arm, folds=folds)) for arm in ("tfidf", "reference")]
        cells = [name, *(mean(found[arm]) for arm in ("crop", "dropout", "untrained")), *fixed]
        seconds = mean(results.values("seconds", corpus=name, arm="crop", folds=folds, **trained))
        lines.append(f"| {' | '.join([*cells, paired(found['crop'], found['dropout']), seconds])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
