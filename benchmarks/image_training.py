"""Pictures per second: SimCLR by diptych against a plain PyTorch loop with Pillow's transforms, interleaved.

    python benchmarks/image_training.py [--width 16] [--batch 128] [--steps 12] [--rounds 5] [--threads 2]

The same pictures (blotches of 32 x 32, decoded already), augmentations and probabilities, ResNet-18 with the stem for
small pictures, head, batch, loss, optimiser and numbers (fp32). The rival is written as its users write it: a
DataLoader whose workers augment picture by picture, both views of a batch through the network at once, NT-Xent from
the whole matrix, torch's AdamW. It is tried without workers and with as many as there are threads, and the faster
counts.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arena import interleaved, ratios, spread
from image_views import CASES, MEAN, STD, augmented, pictures

MANY, LR, TEMPERATURE = 2048, 1e-3, 0.5
CIFAR = CASES["cifar"]


def diptych(width: int, batch: int, steps: int, threads: int) -> Mapping[str, float]:
    from diptych import recipes
    from diptych.core import Machine
    from diptych.train.loop import train

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "blotches.npz", x=pictures(CIFAR, MANY))
        recipe = recipes.simclr(
            f"{folder}/blotches.npz", size=32, width=width, batch=batch, steps=steps, lr=LR, temperature=TEMPERATURE
        )
        start, seen = time.perf_counter(), []
        train(
            recipe,
            Path(folder) / "run",
            Machine(checkpoint=1e9, precision="fp32"),
            watch=lambda line: seen.append(float(line["loss"])),
        )
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "pictures_per_second": steps * batch / seconds, "loss": seen[-1]}


class Twice(torch.utils.data.Dataset[Any]):
    """Two views of a picture."""

    def __init__(self) -> None:
        from PIL import Image

        self.of = [Image.fromarray(x) for x in pictures(CIFAR, MANY)]
        self.mean, self.std = (np.array(x, np.float32) for x in (MEAN, STD))

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, i: int) -> torch.Tensor:
        rng = np.random.default_rng(torch.randint(2**31, ()).item())
        rows = [
            (np.asarray(augmented(self.of[i], CIFAR, rng), np.float32) / 255 - self.mean) / self.std for _ in range(2)
        ]
        return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


def plain(width: int, batch: int, steps: int, threads: int, workers: int) -> Mapping[str, float]:
    from torch.nn.functional import cross_entropy, normalize

    from diptych import allocator
    from diptych.encoders.image.scratch import fresh

    allocator.keep()  # as we do; without it the rival is slower
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network: Any = fresh("resnet18", 32, width=width).network.train().to(memory_format=torch.channels_last)
    d = 8 * width
    head = torch.nn.Sequential(torch.nn.Linear(d, d), torch.nn.ReLU(), torch.nn.Linear(d, 128))
    optimiser = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=LR)
    loader = torch.utils.data.DataLoader(Twice(), batch, shuffle=True, drop_last=True, num_workers=workers)
    other = (torch.arange(2 * batch) + batch) % (2 * batch)
    itself = torch.eye(2 * batch, dtype=torch.bool)
    done, start = 0, time.perf_counter()
    while done < steps:
        for views in loader:
            seen = torch.cat([views[:, 0], views[:, 1]]).contiguous(memory_format=torch.channels_last)
            z = normalize(head(network(seen).pooler_output.flatten(1)), dim=1)
            loss = cross_entropy((z @ z.T / TEMPERATURE).masked_fill(itself, -torch.inf), other)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if done == steps:
                break
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "pictures_per_second": steps * batch / seconds, "loss": float(loss.detach())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    common = (asked.width, asked.batch, asked.steps, asked.threads)
    arms = {
        "diptych": (diptych, common),
        "plain": (plain, (*common, 0)),
        "plain_workers": (plain, (*common, asked.threads)),
    }
    rows = interleaved(arms, asked.rounds)
    speed = {arm: statistics.median(row["pictures_per_second"] for row in many) for arm, many in rows.items()}
    rival = max(("plain", "plain_workers"), key=lambda arm: speed[arm])
    out = {
        "ratio_vs_faster_plain": spread(ratios(rows, "pictures_per_second", "diptych", rival)),
        "faster": rival,
        "pictures_per_second": {arm: round(x) for arm, x in speed.items()},
        "last_loss": {arm: round(statistics.median(row["loss"] for row in many), 3) for arm, many in rows.items()},
        "width": asked.width, "batch": asked.batch, "steps": asked.steps, "rounds": asked.rounds,
        "threads": asked.threads,
    }  # fmt: skip
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
