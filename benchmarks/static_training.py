"""Static embeddings from scratch: diptych against sentence-transformers' StaticEmbedding, interleaved, on one corpus.

    python benchmarks/static_training.py [--documents 24000] [--epochs 3] [--rounds 5] [--parts] [--json]

With --parts: milliseconds of a step of ours, and of its parts, each alone (median of 30 steps).

One corpus (docstrings of the installed packages), one pair of crops per document and epoch, one tokenizer, the same
width, batch, temperature, learning rate and optimiser. The rival trains on pairs of strings, as its trainer does, and
tokenises them in its collator; ours builds its token store from the documents inside the timing, and crops token ids.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from arena import interleaved, spread

BATCH, DIM, LR, TEMPERATURE = 512, 512, 0.1, 0.1


def texts(n: int) -> list[str]:
    from diptych.data.docstrings import docstrings

    return list(docstrings().texts[:n])


def untrained(tokenizer: str) -> Any:
    from tokenizers import Tokenizer

    from diptych.encoders.static import fresh

    return fresh(Tokenizer.from_str(tokenizer), DIM, normalize=True)


def recipe(documents: list[str], epochs: int, encoder: Any) -> Any:
    """Ours, with its token store built."""
    from diptych.core import Model, Optimiser, Recipe, View
    from diptych.data import store
    from diptych.data.documents import from_texts
    from diptych.objectives.infonce import InfoNCE
    from diptych.views.input.text.crop import Crop

    data = store.build(from_texts(documents), encoder.tokenizer)
    model, views, steps = Model(encoder), [View(transform=Crop())] * 2, epochs * (len(data) // BATCH)
    return Recipe(model, views, InfoNCE(TEMPERATURE), data, Optimiser(LR), BATCH, steps)


def diptych(documents: list[str], epochs: int, tokenizer: str, threads: int) -> Mapping[str, float]:
    """Seconds from documents to the last step: token store, crops, training."""
    from diptych.core import Machine
    from diptych.train.loop import train

    torch.set_num_threads(threads)
    encoder = untrained(tokenizer)
    seen: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIPTYCH_CACHE"] = f"{folder}/cache"
        start = time.perf_counter()
        ours = recipe(documents, epochs, encoder)
        stored = time.perf_counter()
        watch = lambda m: seen.append({**m, "at": time.perf_counter()})  # noqa: E731
        train(ours, Path(folder), Machine(checkpoint=1e9), watch=watch)
    last = seen[-1]
    return {"seconds": last["at"] - start, "store": stored - start, "steps": ours.steps, "loss": last["loss"]}


def parts(documents: list[str], tokenizer: str, threads: int, times: int = 30) -> dict[str, float]:
    """Milliseconds of a step and of its parts, one after the other; no views are made beside them."""
    from diptych import allocator
    from diptych.core import Encoded, Machine
    from diptych.train import batches, optim, step

    torch.set_num_threads(threads)
    allocator.keep()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIPTYCH_CACHE"] = f"{folder}/cache"
        ours = recipe(documents, 1, untrained(tokenizer))
        works = [batches.work(ours, i, Machine()) for i in range(times)]
        model, objective = ours.model.train(), ours.objective
        optimiser = optim.build(ours.optimiser, model, objective, by_rows=True)
        rows = torch.nn.functional.normalize(torch.randn(2, BATCH, DIM), dim=-1)

        def loss(i: int) -> None:
            views = [Encoded(x, x) for x in (row.clone().requires_grad_() for row in rows)]
            objective({"view": views}, {})["infonce"].backward()

        def gradient(i: int) -> None:
            optimiser.zero_grad()
            step.backward(model, objective, ours.views, works[i])

        def whole(i: int) -> None:
            gradient(i)
            optimiser.step()

        told = {
            "views": _median(lambda i: batches.work(ours, i, Machine()), times),
            "step": _median(whole, times),
            "gradient, of which": _median(gradient, times),
            "InfoNCE": _median(loss, times),
        }
    return told | {"optimiser": round(told["step"] - told["gradient, of which"], 1)}


def _median(call: Callable[[int], Any], times: int) -> float:
    """Milliseconds."""
    seconds = []
    for i in range(times):
        start = time.perf_counter()
        call(i)
        seconds.append(time.perf_counter() - start)
    return round(1000 * statistics.median(seconds), 1)


def sentence_transformers(documents: list[str], epochs: int, tokenizer: str, threads: int) -> Mapping[str, float]:
    """The rival, on as many pairs of crops as strings; making these is not timed."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer
    from transformers import TrainerCallback

    from diptych.data.pairs import crop_pairs

    torch.set_num_threads(threads)
    model = SentenceTransformer(modules=[StaticEmbedding(Tokenizer.from_str(tokenizer), embedding_dim=DIM)])
    many = [crop_pairs(documents, len(documents), seed) for seed in range(epochs)]
    one, other = ([text for pairs in many for text in pairs[i]] for i in (0, 1))
    clock: dict[str, float] = {}

    class Clock(TrainerCallback):
        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            clock["start"] = time.perf_counter()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            clock["end"] = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        arguments = SentenceTransformerTrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=LR, max_grad_norm=0,
            use_cpu=True, save_strategy="no", report_to="none", disable_tqdm=True, logging_strategy="no",
            dataloader_pin_memory=False, dataloader_drop_last=True, seed=0,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": one, "positive": other}),
            loss=MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE),
            callbacks=[Clock()],
        )
        loss = trainer.train().training_loss
    return {"seconds": clock["end"] - clock["start"], "steps": len(one) // BATCH, "loss": loss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=24_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    from diptych.data import vocabulary

    documents = texts(args.documents)
    tokenizer = vocabulary.train(documents, max(2000, sum(map(len, documents)) // 300), punctuation=False).to_str()
    if args.parts:
        print(json.dumps(parts(documents, tokenizer, args.threads)))
        return
    common = (documents, args.epochs, tokenizer, args.threads)
    rows = interleaved({"diptych": (diptych, common), "st": (sentence_transformers, common)}, args.rounds)
    per_step = [
        (b["seconds"] / b["steps"]) / (a["seconds"] / a["steps"])
        for a, b in zip(rows["diptych"], rows["st"], strict=True)
    ]
    out = {
        "ratio_vs_st": spread(per_step),
        "seconds": spread([row["seconds"] for row in rows["diptych"]]),
        "seconds_store": spread([row["store"] for row in rows["diptych"]]),
        "seconds_st": spread([row["seconds"] for row in rows["st"]]),
        "steps": {name: many[-1]["steps"] for name, many in rows.items()},
        "peak_mb": {name: round(max(row["peak_mb"] for row in many)) for name, many in rows.items()},
        "documents": len(documents),
        "epochs": args.epochs,
        "rounds": args.rounds,
    }
    print(json.dumps(out) if args.json else json.dumps(out, indent=1), file=sys.stdout)


if __name__ == "__main__":
    main()
