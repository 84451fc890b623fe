"""What instruments say, and that a run is the same with them and without."""

import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from toy import Sentences, recipe

from diptych.core import Draw, Encoded, Machine, Model, Optimiser, Recipe, Snapshot, Text, View
from diptych.encoders import static
from diptych.instruments.cosines import Cosines
from diptych.instruments.geometry import Geometry
from diptych.instruments.layers import Layers
from diptych.instruments.moments import Moments
from diptych.instruments.rank import Rank, bounded, drawn
from diptych.instruments.weights import Weights
from diptych.measure.geometry import alignment, uniformity
from diptych.measure.rank import effective_rank, energy_rank
from diptych.measure.weights import change
from diptych.objectives.infonce import InfoNCE
from diptych.train.loop import WALL_CLOCK, train
from diptych.train.state import checkpoints
from diptych.views.input.text.crop import Crop

CROPS = [View(transform=Crop()), View(transform=Crop())]


def made(steps=12, **settings):
    return recipe(CROPS, InfoNCE(), dropout=0.2, steps=steps, **settings)


def table(steps=40):
    """A table of token vectors, of which a step looks up a few rows."""
    tokenizer = Tokenizer(models.WordLevel({str(i): i for i in range(50)}, unk_token="0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    like = made(steps)
    encoder = static.fresh(tokenizer, 8)
    return Recipe(Model(encoder), CROPS, InfoNCE(), like.data, Optimiser(lr=0.05), batch=4, steps=steps)


def instruments(r, **rank):
    return [Cosines(), Rank(drawn(r), **rank) if rank else Rank.of(r), Weights.of(r)]


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def views(x, y, encoder=None, step=1):
    of = {"view": [Encoded(x, x), Encoded(y, y)]}
    return Snapshot(step, Model(encoder) if encoder else made().model, of)


# ---------------------------------------------------------------- when


@pytest.mark.parametrize(("steps", "many"), [(1, 40), (6, 40), (150, 18), (15_625, 40)])
def test_moments_have_the_first_step_and_the_last_and_are_denser_at_first(steps, many):
    moments = Moments(steps, many)
    at = sorted(moments.at)
    assert at[0] == 1
    assert at[-1] == steps
    assert len(at) <= many + 1
    gaps = np.diff(at)
    assert len(gaps) < 2 or gaps[0] <= gaps[-1]
    assert [s for s in range(1, steps + 1) if s % moments == 0] == at


def test_a_run_is_looked_at_in_its_moments(tmp_path):
    r = made(steps=60)
    train(r, tmp_path, Machine(), [Rank(drawn(r), Moments(60, 6))])
    assert [line["step"] for line in metrics(tmp_path) if "rank" in line] == sorted(Moments(60, 6).at)


def test_looking_is_a_small_part_of_the_work():
    assert Rank.of(made(steps=4000)).every.many == 40
    assert Rank.of(made(steps=12)).every.many == 6
    assert Rank.of(made(steps=500)).every.many == 11


@pytest.mark.parametrize(("steps", "many"), [(4, 64), (40, 64), (100, 128), (400, 512), (900, 1024)])
def test_a_short_run_is_looked_at_through_fewer_samples(steps, many):
    r = made(steps=steps, batch=64, data=Sentences(2000))
    assert len(Rank.of(r).samples) == many
    assert many == 64 or 6 * many <= 0.03 * 3 * steps * 64 * 2


# ---------------------------------------------------------------- what


def test_ranks_are_those_of_the_samples_and_of_the_batch():
    r = made()
    x, y = torch.randn(30, 16), torch.randn(30, 16)
    found = Rank(drawn(r), 1)(views(x, y, r.model.encoder))
    rows = r.model.encoder.embed([r.data[i]["text"] for i in range(24)])
    assert found["rank"] == pytest.approx(float(effective_rank(rows)), rel=1e-5)
    assert found["rank_centred"] == pytest.approx(float(effective_rank(rows, centred=True)), rel=1e-5)
    assert found["rank_energy"] == energy_rank(rows)
    assert found["batch_rank"] == pytest.approx(float(effective_rank(x)), rel=1e-5)
    assert len({round(v, 3) for v in found.values()}) == 4


def test_samples_are_drawn_by_the_seed_and_a_bound_by_them_is_told():
    r = made()
    assert len(drawn(r)) == 24
    assert [len(s.ids) for s in drawn(r, 5)] == [len(s.ids) for s in drawn(r, 5)]
    assert bounded(r) == []
    r.model.encoder.dim = 64
    assert bounded(r) == ["ranks are those of 24 samples: they are at most 24, though embeddings have 64 columns"]


def test_numbers_that_are_not_finite_are_left_to_the_loop():
    r = made()
    with torch.no_grad():
        r.model.encoder.table.weight.fill_(float("nan"))
    assert Rank(drawn(r), 1)(views(torch.full((4, 3), float("nan")), torch.ones(4, 3), r.model.encoder)) == {}


def test_cosines_are_of_pairs_and_of_all_others():
    x = torch.eye(4)
    found = Cosines()(views(x, x))
    assert found["positive_cosine"] == pytest.approx(1)
    assert found["negative_cosine"] == pytest.approx(0, abs=1e-7)
    assert found["std"] == pytest.approx((1 / 4 - 1 / 16) ** 0.5)
    x, y = torch.randn(20, 6), torch.randn(20, 6)
    every = torch.nn.functional.cosine_similarity(x[:, None], y[None], dim=2)
    off = every[~torch.eye(20, dtype=torch.bool)].mean()
    assert Cosines()(views(x, y))["negative_cosine"] == pytest.approx(float(off), abs=1e-6)
    assert Cosines()(views(torch.ones(5, 3), torch.ones(5, 3)))["std"] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("n", [2, 30, 256])
def test_uniformity_and_alignment_of_a_batch_of_256_are_exact(n):
    x, y = torch.randn(n, 8), torch.randn(n, 8)
    found = Geometry()(views(x, y))
    assert found == {"alignment": float(alignment(x, y)), "uniformity": float(uniformity(x))}


def test_uniformity_of_a_larger_batch_is_that_of_256_samples_drawn_evenly():
    x = torch.randn(1000, 8)
    found = Geometry()(views(x, x + 1))
    assert found["uniformity"] == float(uniformity(x[[i * 1000 // 256 for i in range(256)]]))
    assert found["uniformity"] == pytest.approx(float(uniformity(x)), abs=0.1)
    assert found["alignment"] == float(alignment(x, x + 1))


def test_weights_are_measured_against_the_start_layer_by_layer():
    r = made()
    see, encoder = Weights(r.model.encoder, 1), r.model.encoder
    before = [p.detach().clone() for p in encoder.blocks[0].parameters()]
    assert set(see(views(torch.ones(4, 3), torch.ones(4, 3), encoder)).values()) == {0.0}
    with torch.no_grad():
        for p in encoder.blocks[0].parameters():
            p.add_(0.5)
    found = see(views(torch.ones(4, 3), torch.ones(4, 3), encoder))
    moved = 0.5 * sum(p.numel() for p in before) ** 0.5
    assert found["change_1"] == pytest.approx(moved / sum(float((p**2).sum()) for p in before) ** 0.5, rel=1e-5)
    assert found["change_0"] == found["change_2"] == 0


def test_some_weights_of_a_large_tensor_stand_for_all_and_frozen_layers_are_left_out(monkeypatch):
    r = made()
    encoder = r.model.encoder
    encoder.blocks[0].requires_grad_(False)
    whole = Weights(encoder, 1)
    monkeypatch.setattr("diptych.instruments.weights.SAMPLED", 101)
    some = Weights(encoder, 1)
    assert max(len(x) for layer in some.start for x in layer) == 101
    with torch.no_grad():
        encoder.table.weight.add_(torch.randn_like(encoder.table.weight))
    shown = views(torch.ones(4, 3), torch.ones(4, 3), encoder)
    estimate = some(shown)["change_0"]
    assert some(shown).keys() == {"change_0", "change_2"}
    monkeypatch.setattr("diptych.instruments.weights.SAMPLED", 10**6)
    assert estimate == pytest.approx(whole(shown)["change_0"], rel=0.2)


def test_layers_are_asked_which_views_belong_together():
    r = made()

    def hidden(encoder, samples):
        """A first layer that knows the sample, and a second that is the same for all."""
        first = np.stack([np.eye(24, dtype=np.float32)[s.ids[0] % 24] + len(s.ids) * 0 for s in samples])
        return [first, np.ones((len(samples), 4), np.float32)]

    samples = [Text(np.array([i, i])) for i in range(24)]
    see = Layers(samples, samples, hidden, every=3)
    found = see(views(torch.ones(4, 3), torch.ones(4, 3), r.model.encoder))
    assert found == {"retrieval_0": 1.0, "retrieval_1": pytest.approx(1 / 24)}
    drawn_once = Layers.of(r, hidden, every=5, most=10)
    own = r.views[1].transform(r.data[0]["text"], Draw(0, 0, 0, 1))
    assert any(np.array_equal(own.ids, s.ids) for s in Layers.of(r, hidden).second)
    assert len(drawn_once.first) == 10


@pytest.mark.parametrize("wrong", [lambda: Rank([1], 1), lambda: Layers([1], [1], None, 1), lambda: Moments(0)])
def test_too_little_to_look_at_is_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        wrong()


# ---------------------------------------------------------------- and nothing changes


@pytest.mark.parametrize("make", [made, table])
def test_a_run_ends_in_the_same_bytes_with_instruments_and_without(tmp_path, make):
    seen, unseen = make(steps=40), make(steps=40)
    train(seen, tmp_path / "seen", Machine(), instruments(seen, every=3))
    train(unseen, tmp_path / "unseen", Machine())
    assert {"rank", "change_0", "std"} <= metrics(tmp_path / "seen")[-1].keys()
    for name, x in seen.model.state_dict().items():
        assert torch.equal(x, unseen.model.state_dict()[name]), name
    last = [checkpoints(tmp_path / name / "checkpoints")[-1].read_bytes() for name in ("seen", "unseen")]
    assert last[0] == last[1]


@pytest.mark.parametrize("make", [made, table])
def test_metrics_are_the_same_after_a_stop(tmp_path, make):
    whole, part, rest = make(), make(), make()
    train(whole, tmp_path / "whole", Machine(checkpoint=0), instruments(whole))
    train(part, tmp_path / "parts", Machine(checkpoint=0), instruments(part), last=7)
    train(rest, tmp_path / "parts", Machine(checkpoint=0), instruments(rest))
    told = [
        [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in metrics(tmp_path / name)]
        for name in ("whole", "parts")
    ]
    assert told[0] == told[1]


def test_rows_that_are_behind_are_seen_as_they_are(tmp_path):
    """What is seen at the last step, before rows catch up, is the finished table."""
    r = table()
    start = r.model.encoder.embedding.weight.detach().clone()
    train(r, tmp_path, Machine(), [Rank(drawn(r), 40), Weights.of(r)])
    last = metrics(tmp_path)[-1]
    rows = r.model.encoder.embed(drawn(r))
    assert last["rank"] == pytest.approx(float(effective_rank(rows)), rel=1e-5)
    assert last["change_0"] == pytest.approx(change([r.model.encoder.embedding.weight], [start]), rel=1e-5)
