"""How many directions embeddings fill: of a fixed set of samples, and of the batch."""

from collections.abc import Mapping, Sequence

import numpy as np

from diptych.core import Encoder, Recipe, Sample, Snapshot, compared
from diptych.instruments.moments import Moments
from diptych.instruments.still import still
from diptych.measure.rank import bound, effective_of, effective_rank, energy_of, spectra
from diptych.plural import counted

PROBE, FEW = 1024, 64  # samples that are embedded at every look, at most and at least
ROWS = 256  # of a batch, that are looked at
SHARE = 0.03  # of the texts a run encodes, that looking may add
MOST, LEAST = 40, 6  # looks
APART = 45  # steps for a look, at least: the spectra take time however small the network is


class Rank:
    """Ranks of `samples` as the encoder embeds them without noise, and of the batch as the objective saw it.

    rank            effective rank of the unit rows, exp of the entropy of sigma^2
    rank_centred    the same, the mean row taken away
    rank_energy     the fewest directions that hold 0.9 of the sum of sigma^2; rows as for `rank`
    batch_rank      as `rank`, of the first view of the batch, of 256 rows at most

    Compare them only over the same samples. A model whose weights are divided among processes is not embedded with.
    """

    def __init__(self, samples: Sequence[Sample], every: Moments | int = 200):
        if len(samples) < 2:
            raise ValueError(f"a rank is one of 2 samples or more; got {len(samples)}")
        self.samples, self.every = samples, every

    @staticmethod
    def of(recipe: Recipe) -> "Rank":
        """On up to 1,024 samples of a recipe, drawn by its seed, as many and as often as `SHARE` of its work allows."""
        samples = drawn(recipe, affordable(recipe))
        looks = min(MOST, round(SHARE * _work(recipe) / len(samples)), recipe.steps // APART)
        return Rank(samples, Moments(recipe.steps, max(LEAST, looks)))

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        found = {}
        views = compared(snapshot.views)
        if views and len(views[0].embedding) > 1 and bool(views[0].embedding.isfinite().all()):
            found["batch_rank"] = float(effective_rank(views[0].embedding[:ROWS].detach()))
        return found if snapshot.model.sharded else found | self._of_samples(snapshot.model.encoder)

    def _of_samples(self, encoder: Encoder) -> dict[str, float]:
        with still(encoder):
            rows = encoder.embed(self.samples)
        if not np.isfinite(rows).all():  # the loop says that the run has diverged
            return {}
        sigma, centred = spectra(rows)
        return {
            "rank": float(effective_of(sigma)),
            "rank_centred": float(effective_of(centred)),
            "rank_energy": float(energy_of(sigma)),
        }


def _work(recipe: Recipe) -> int:
    """Samples that a run encodes; a step back is two forward."""
    return 3 * recipe.steps * recipe.batch * len(recipe.views)


def affordable(recipe: Recipe) -> int:
    """Samples for the fewest looks: 1,024, in a short run half of that, or half again, but not below 64."""
    many = PROBE
    while many > FEW and LEAST * many > SHARE * _work(recipe):
        many //= 2
    return many


def drawn(recipe: Recipe, most: int = PROBE) -> list[Sample]:
    """Some samples of what the first view is made of, by the seed, in the order of the data."""
    column = next(view.column for view in recipe.views if view.by != "data")
    chosen = np.random.default_rng(recipe.seed).permutation(len(recipe.data))[:most]
    return [recipe.data[i][column] for i in np.sort(chosen).tolist()]


def bounded(recipe: Recipe) -> list[str]:
    """A line if there are fewer samples than columns, so that these bound the rank."""
    n, dim = min(affordable(recipe), len(recipe.data)), recipe.model.encoder.dim
    if n >= dim:
        return []
    return [
        (
            f"ranks are those of {counted(n, 'sample')}: they are at most {bound(n, dim):,}, though embeddings "
            f"have {dim:,} columns"
        )
    ]
