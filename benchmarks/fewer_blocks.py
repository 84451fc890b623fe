"""A smaller encoder to start from: some blocks of another.

    python benchmarks/fewer_blocks.py MODEL 0,2,4,5 FOLDER

MODEL is a folder of a BERT that `diptych` loads; blocks are counted from 0. What the blocks that are left make of each
other has to be learned again: `diptych train mlm --init FOLDER` does.
"""

import argparse
from pathlib import Path
from typing import Any

import kept
from torch import nn


def keep(encoder: Any, blocks: list[int]) -> None:
    """Leaves these blocks alone in a BERT, in this order."""
    inner = encoder.network.encoder
    there = len(inner.layer)
    if wrong := [i for i in blocks if not 0 <= i < there]:
        raise SystemExit(f"block {wrong[0]} is not there: the model has blocks 0 to {there - 1}")
    inner.layer = nn.ModuleList(inner.layer[i] for i in blocks)
    encoder.network.config.num_hidden_layers = len(blocks)


def main() -> None:
    from diptych import encoders

    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("model")
    asked.add_argument("blocks", type=lambda text: [int(i) for i in text.split(",")])
    asked.add_argument("folder", type=Path)
    given = asked.parse_args()
    kept.model(asked, given.model, "MODEL")
    encoder = encoders.load(given.model)
    keep(encoder, given.blocks)
    encoder.save(given.folder)
    print(f"{given.folder}: {sum(w.numel() for w in encoder.parameters()):,} weights")


if __name__ == "__main__":
    main()
