"""A grid of linear heads on frozen features, of which the best on a validation part is asked the test.

Heads differ in their learning rate and in what they see: the summary token of the last block or of the last n blocks
side by side, with or without the mean of the last block's patches.
Source: DINOv2, arXiv:2304.07193: 13 rates, blocks {1, 4}, with and without patches, 12,500 steps in batches of 128 a
device, rates per 256 samples, training pictures cropped and flipped anew. There the best head is chosen on the rows
that are reported, unless other test sets are named; here never.

Shapes: n images, d width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from diptych.evaluate import heads
from diptych.evaluate.linear import numbered
from diptych.evaluate.score import Score, accuracy

RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)
BLOCKS = (1, 4)
BATCH, STEPS = 128, 12_500

Summary = Float[np.ndarray, "n d"]


@dataclass(frozen=True)
class Chosen:
    """The head that was best on validation: what it sees, its rate, and its accuracy there.

    `score` is of the test, which was asked once. `validation[features]` has the accuracies of all rates.
    """

    features: str
    rate: float
    best: float
    score: Score
    validation: Mapping[str, Sequence[float]]


def features(
    summaries: Sequence[Summary], patches: Summary | None, blocks: Sequence[int] = BLOCKS
) -> dict[str, Summary]:
    """What heads see, by name: "last 1", "last 1 and patches", "last 4", ...

    `summaries` are of blocks in their order, the last one last, and `patches` the mean patch of the last. A number of
    blocks that the network does not have is left out, as long as one is left. Raises ValueError if none is.
    """
    there = [n for n in blocks if 1 <= n <= len(summaries)]
    if not there:
        raise ValueError(f"heads see the last {', '.join(map(str, blocks))} blocks; there are {len(summaries)}")
    found = {}
    for n in there:
        found[f"last {n}"] = np.concatenate(summaries[-n:], axis=1)
        if patches is not None:
            found[f"last {n} and patches"] = np.concatenate([*summaries[-n:], patches], axis=1)
    return found


def grid(
    seen: Mapping[str, Summary],
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    validation: Int[np.ndarray, " validation"],
    test: Int[np.ndarray, " test"],
    rates: Sequence[float] = RATES,
    steps: int = STEPS,
    batch: int = BATCH,
    seed: int = 0,
) -> Chosen:
    """Trains a head for each of `seen` and `rates` on `train`; the first of the best on `validation` is asked `test`.

    A rate is per 256 samples of a batch. Raises ValueError if validation has no row, or shares one with the test.
    """
    if not len(validation) or np.isin(validation, test).any():
        raise ValueError(
            "heads are chosen on validation rows, which are none of the test, else the test says too much; got "
            f"{len(validation)} of them, {int(np.isin(validation, test).sum())} of the test"
        )
    known, y = np.unique(classes[train], return_inverse=True)
    truth, told, kept = numbered(known, classes[validation]), {}, {}
    for name, x in seen.items():
        scale = min(batch, len(train)) / 256
        kept[name] = heads.train(x[train], y, len(known), [scale * rate for rate in rates], steps, batch, seed)
        told[name] = (heads.predicted(x[validation], *kept[name]) == truth).mean(1).tolist()
    name = max(told, key=lambda each: max(told[each]))
    place = int(np.argmax(told[name]))
    weights, bias = (part[place : place + 1] for part in kept[name])
    found = heads.predicted(seen[name][test], weights, bias)[0]
    return Chosen(name, rates[place], told[name][place], accuracy(known[found] == classes[test]), told)
