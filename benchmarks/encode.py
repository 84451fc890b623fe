"""Embedding whole documents: diptych against `SentenceTransformer.encode`, interleaved; and the first embedding.

    python benchmarks/encode.py [--documents 1000] [--rounds 7] [--json]

MiniLM-L6 on docstrings of the installed packages, from strings to vectors, with the defaults of both; the rival in bf16
as well. Cosines are those of our embeddings to the rival's in fp32.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from arena import interleaved, ratios, spread
from static_training import texts
from text_training import model_path

FIRST = {
    "diptych": "from diptych import encoders; encoders.load({path!r}).encode(['a text'])",
    "st": "from sentence_transformers import SentenceTransformer as S; S({path!r}, device='cpu').encode(['a text'])",
}


def diptych(documents: list[str], threads: int) -> Mapping[str, Any]:
    torch.set_num_threads(threads)
    encoder = _ours()
    start = time.perf_counter()
    vectors = encoder.encode(documents)
    return {"seconds": time.perf_counter() - start, "vectors": vectors}


def sentence_transformers(documents: list[str], threads: int, bf16: bool) -> Mapping[str, Any]:
    torch.set_num_threads(threads)
    model = _theirs(bf16)
    start = time.perf_counter()
    vectors = model.encode(documents, show_progress_bar=False)
    return {"seconds": time.perf_counter() - start, "vectors": np.asarray(vectors, np.float32)}


@cache
def _ours() -> Any:
    from diptych import encoders

    return encoders.load(model_path())


@cache
def _theirs(bf16: bool) -> Any:
    from sentence_transformers import SentenceTransformer

    kwargs = {"dtype": torch.bfloat16} if bf16 else {}
    return SentenceTransformer(model_path(), device="cpu", model_kwargs=kwargs)


def first(name: str) -> float:
    """Seconds of a new process to its first embedding."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST[name].format(path=model_path())], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    documents = texts(args.documents)
    arms = {
        "diptych": (diptych, (documents, args.threads)),
        "st_fp32": (sentence_transformers, (documents, args.threads, False)),
        "st_bf16": (sentence_transformers, (documents, args.threads, True)),
    }
    rows = interleaved(arms, args.rounds, quiet=("vectors",))
    a, b = (rows[name][-1]["vectors"] for name in ("diptych", "st_fp32"))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    colds = [(first("diptych"), first("st")) for _ in range(3)]
    out = {
        "ratio_vs_st_fp32": spread([1 / r for r in ratios(rows, "seconds", "diptych", "st_fp32")]),
        "ratio_vs_st_bf16": spread([1 / r for r in ratios(rows, "seconds", "diptych", "st_bf16")]),
        "documents_per_second": spread([len(documents) / row["seconds"] for row in rows["diptych"]]),
        "cosine": {"median": round(float(np.median(cosines)), 6), "min": round(float(cosines.min()), 6)},
        "first_embedding_seconds": {"diptych": spread([x for x, _ in colds]), "st": spread([x for _, x in colds])},
        "documents": len(documents),
        "rounds": args.rounds,
    }
    print(json.dumps(out) if args.json else json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
