"""Guessing masked words from scratch: loss on held-out texts by learning rate, batch and part masked.

    python benchmarks/pretraining.py FILE lr=1e-3,batch=64,rate=0.15,steps=200 lr=1e-3,batch=16,rate=0.3,steps=1600

FILE has a text per line; 1,000 of them are held out, masked once at .15. `tiny` as `mlm` takes it, one thread, seed 0.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kept
import numpy as np
import torch

from diptych import from_texts, recipes
from diptych.core import Draw, Machine, Model, outputs
from diptych.recipes.masking import mask_tokens
from diptych.train.loop import train

HELD, TOGETHER = 1000, 100


@torch.inference_mode()
def held_out(model: Model, texts: list[str]) -> dict[str, float]:
    """The mean of -log p over masked tokens, and the part that is guessed right."""
    encoder, masking = model.encoder.eval(), mask_tokens(model.encoder, 0.15)
    samples = [masking(sample, Draw(0, 0, i, 0)) for i, sample in enumerate(encoder.prepare(texts))]
    loss, right, n = 0.0, 0, 0
    for first in range(0, len(samples), TOGETHER):
        batch = encoder.collate(samples[first : first + TOGETHER])
        with outputs(encoder.layers, len(encoder.layers) - 1) as seen:
            encoder(batch)
        asked = batch["labels"] != -100
        logits, labels = model.language.logits(seen[0].reshape(-1, encoder.dim)[asked]), batch["labels"][asked]
        loss += float(torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum"))
        right, n = right + int((logits.argmax(1) == labels).sum()), n + len(labels)
    return {"loss": round(loss / n, 4), "right": round(right / n, 4), "masked": n}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("file", type=Path)
    asked.add_argument("settings", nargs="+")
    given = asked.parse_args()
    kept.file(asked, given.file, "FILE")
    torch.set_num_threads(1)
    lines = [line for line in given.file.read_text().splitlines() if line.strip()]
    order = np.random.default_rng(0).permutation(len(lines)).tolist()
    held, learned = ([lines[i] for i in part] for part in (order[:HELD], order[HELD:]))
    for text in given.settings:
        options = {k: json.loads(x) for k, x in (part.split("=") for part in text.split(","))}
        recipe, told = recipes.mlm(from_texts(learned, name=given.file.name), **options), dict[str, Any]()

        def watch(line: Mapping[str, Any], told: dict[str, Any] = told) -> None:
            told["tokens"] = line["tokens"]

        start = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            train(recipe, Path(folder), Machine(), watch=watch)
        told["processor_seconds"] = round(time.process_time() - start, 1)
        print(json.dumps({"settings": text, **told, **held_out(recipe.model, held)}))


if __name__ == "__main__":
    main()
