"""Views of pictures per second: diptych against a Pillow loop picture by picture, and against kornia; interleaved.

    python benchmarks/image_views.py [--case cifar|photo] [--rounds 7] [--threads 1] [--kornia FOLDER] [--json]

Two cases, of pictures that are decoded already: SimCLR's views of CIFAR (32 of 32 pixels: crop, flip, jitter, gray),
and a global view of DINOv2 (224 of 256: the same, and a blur for all). All arms do the same operations with the same
probabilities, from uint8 pixels to a standardised float tensor. Where kornia is not installed, FOLDER holds it
(`pip install --target FOLDER --no-deps kornia kornia_rs`); without it that arm is left out.

Seconds are of the clock and of the processor: on a machine that does other work besides, compare the latter. In every
arm the allocator keeps what is freed, as it does in our training.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kept
import numpy as np
import torch
from arena import interleaved, ratios, spread

BATCHES = 6  # of a round
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Case:
    stored: int
    size: int
    scale: tuple[float, float]
    jitter: tuple[float, float, float, float]
    blur_p: float
    batch: int


CASES = {
    "cifar": Case(32, 32, (0.2, 1.0), (0.4, 0.4, 0.4, 0.1), 0.0, 256),
    "photo": Case(256, 224, (0.32, 1.0), (0.4, 0.4, 0.2, 0.1), 1.0, 32),
}
ASPECT, JITTER_P, GRAY_P, SIGMA, KERNEL = (3 / 4, 4 / 3), 0.8, 0.2, (0.1, 2.0), 9


@cache
def pictures(case: Case, batch: int) -> np.ndarray:
    """Blotches: what is in a picture makes no difference to the time."""
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (batch, case.stored // 4, case.stored // 4, 3), np.uint8)
    side = (case.stored, case.stored)
    return np.stack([np.asarray(Image.fromarray(x).resize(side, Image.Resampling.BICUBIC)) for x in coarse])


def timed(make: Callable[[int], torch.Tensor], batch: int, threads: int) -> Mapping[str, Any]:
    """Seconds of a view, over BATCHES batches after one that warms up."""
    from diptych import allocator

    allocator.keep()
    torch.set_num_threads(threads)
    make(0)
    clock, processor = time.perf_counter(), time.process_time()
    made = [make(step) for step in range(1, BATCHES + 1)]
    views = batch * BATCHES
    found = {"seconds": (time.perf_counter() - clock) / views, "processor": (time.process_time() - processor) / views}
    assert all(x.dtype == torch.float32 and bool(x.isfinite().all()) for x in made)
    whole = torch.stack(made)
    return found | {"mean": float(whole.mean()), "std": float(whole.std())}


def diptych(case: Case, batch: int, threads: int) -> Mapping[str, Any]:
    return timed(_diptych(case, batch), batch, threads)


@cache
def _diptych(case: Case, batch: int) -> Callable[[int], torch.Tensor]:
    from diptych.core import Draw, Picture
    from diptych.pictures.plan import tensors
    from diptych.pictures.render import render
    from diptych.views.input.image.colour import Colour
    from diptych.views.input.image.strategy import Augmentation

    colour = Colour(*case.jitter, jitter_p=JITTER_P, gray_p=GRAY_P, blur_p=case.blur_p, sigma=SIGMA, radius=KERNEL // 2)
    view = Augmentation(size=case.size, scale=case.scale, aspect=ASPECT, colour=colour).transform
    of = [Picture(x) for x in pictures(case, batch)]
    mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN, STD))

    def make(step: int) -> torch.Tensor:
        seen = [view(picture, Draw(0, step, i, 0)) for i, picture in enumerate(of)]
        return (render(tensors(seen, case.size)) - mean) / std

    return make


def pillow(case: Case, batch: int, threads: int) -> Mapping[str, Any]:
    return timed(_pillow(case, batch), batch, threads)


@cache
def _pillow(case: Case, batch: int) -> Callable[[int], torch.Tensor]:
    from PIL import Image

    of = [Image.fromarray(x) for x in pictures(case, batch)]
    mean, std = (np.array(x, np.float32) for x in (MEAN, STD))

    def make(step: int) -> torch.Tensor:
        rng = np.random.default_rng(step)
        rows = [(np.asarray(augmented(image, case, rng), np.float32) / 255 - mean) / std for image in of]
        return torch.stack([torch.from_numpy(x).permute(2, 0, 1) for x in rows])

    return make


def augmented(image: Any, case: Case, rng: np.random.Generator) -> Any:
    """One view, as torchvision's transforms on images of Pillow make it."""
    from PIL import Image, ImageEnhance, ImageFilter

    width, height = image.size
    area = width * height * rng.uniform(*case.scale)
    ratio = np.exp(rng.uniform(*np.log(ASPECT)))
    w, h = min(width, round((area * ratio) ** 0.5)), min(height, round((area / ratio) ** 0.5))
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    image = image.crop((left, top, left + w, top + h)).resize((case.size, case.size), Image.Resampling.BICUBIC)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < JITTER_P:
        for turn in rng.permutation(4):
            by = case.jitter[turn] * rng.uniform(-1, 1)
            if turn == 3:
                hue, saturation, value = image.convert("HSV").split()
                turned = np.asarray(hue) + np.uint8(round(by * 255) % 256)
                image = Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
            else:
                kind = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[turn]
                image = kind(image).enhance(1 + by)
    if rng.random() < GRAY_P:
        image = image.convert("L").convert("RGB")
    if rng.random() < case.blur_p:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(*SIGMA)))
    return image


def kornia(case: Case, batch: int, threads: int, folder: str) -> Mapping[str, Any]:
    return timed(_kornia(case, batch, folder), batch, threads)


@cache
def _kornia(case: Case, batch: int, folder: str) -> Callable[[int], torch.Tensor]:
    if folder:
        sys.path.insert(0, folder)
    import kornia.augmentation as augmentations

    side = (case.size, case.size)
    blur = augmentations.RandomGaussianBlur((KERNEL, KERNEL), SIGMA, p=case.blur_p)
    chain = torch.nn.Sequential(
        augmentations.RandomResizedCrop(side, case.scale, ASPECT, resample="bicubic"),
        augmentations.RandomHorizontalFlip(p=0.5),
        augmentations.ColorJitter(*case.jitter, p=JITTER_P),
        augmentations.RandomGrayscale(p=GRAY_P),
        *([blur] if case.blur_p else []),
        augmentations.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )
    of = torch.from_numpy(pictures(case, batch))

    def make(step: int) -> torch.Tensor:
        torch.manual_seed(step)
        with torch.no_grad():
            found: torch.Tensor = chain(of.permute(0, 3, 1, 2).float() / 255)
        return found

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kornia", type=Path, help="a folder that holds kornia")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.kornia is not None:
        kept.folder(parser, asked, "kornia", "kornia")
    told: dict[str, Any] = {}
    for name in asked.case or CASES:
        case = CASES[name]
        batch = asked.batch or case.batch
        arms: dict[str, Any] = {
            "diptych": (diptych, (case, batch, asked.threads)),
            "pillow": (pillow, (case, batch, asked.threads)),
        }
        if asked.kornia or find_spec("kornia"):
            arms["kornia"] = (kornia, (case, batch, asked.threads, str(asked.kornia or "")))
        rows = interleaved(arms, asked.rounds)
        told[name] = {
            arm: {
                "views_per_second": spread([1 / row["seconds"] for row in rows[arm]]),
                "views_per_processor_second": spread([1 / row["processor"] for row in rows[arm]]),
                "times_ours_in_processor_seconds": spread(ratios(rows, "processor", arm, "diptych")),
                "mean": rows[arm][-1]["mean"],
                "std": rows[arm][-1]["std"],
            }
            for arm in arms
        }
    if asked.json:
        print(json.dumps(told))
        return
    for name, arms in told.items():
        print(f"\n{name}, {asked.threads} threads")
        for arm, found in arms.items():
            clock, processor, times = (
                found[k] for k in ("views_per_second", "views_per_processor_second", "times_ours_in_processor_seconds")
            )
            print(
                f"  {arm:<8} {clock['median']:>8,.0f} views/s [{clock['min']:,.0f}-{clock['max']:,.0f}]   "
                f"{processor['median']:>8,.0f} per processor second   "
                f"{times['median']:.2f} [{times['min']:.2f}-{times['max']:.2f}] times our processor time   "
                f"mean {found['mean']:.3f}, std {found['std']:.3f}"
            )


if __name__ == "__main__":
    main()
