"""Masked words: as a recipe, beside another one, and through the embedding."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import diptych
from diptych import encoders, from_texts, recipes
from diptych.core import Draw, Machine
from diptych.encoders.language import FILE
from diptych.objectives.mlm import MLM
from diptych.recipes.masking import with_masked

SONG = "a captain wrote in the log when the tide came in at noon and ropes were coiled on the long grey quay"
WORDS = SONG.split()
SMALL = {"dim": 16, "vocabulary": 200, "batch": 8}


def corpus(n=40):
    """Sentences of a few words that follow one another always in the same order."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(WORDS), (n, 3))
    sentences = [[" ".join(WORDS[(s + k) % len(WORDS)] for k in range(6)) for s in row] for row in starts]
    return from_texts([". ".join(each).capitalize() + f". Note {i}." for i, each in enumerate(sentences)])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network that has learned to guess words for a few steps."""
    made = recipes.mlm(corpus(), steps=30, lr=3e-3, **SMALL)
    return diptych.fit(made, tmp_path_factory.mktemp("runs") / "mlm", judged=False)


def test_mlm_is_one_masked_view_of_tiny():
    made = recipes.mlm(corpus(), rate=0.3, steps=2, **SMALL)
    (view,) = made.views
    assert view.role == "masked"
    assert view.transform.second.rate == 0.3
    assert isinstance(made.objective, MLM)
    assert type(made.model.encoder.network).__name__ == "BertModel"
    text = view.transform(made.data[0]["text"], Draw(0, 0, 0, 0))
    special = {made.model.encoder.pretrained.convert_tokens_to_ids(t) for t in ("[CLS]", "[SEP]", "[PAD]", "[UNK]")}
    assert not special & set(text.labels[text.labels != -100].tolist())
    assert made.model.encoder.pretrained.mask_token_id == view.transform.second.mask


def test_a_long_document_is_read_in_stretches():
    made = recipes.mlm(corpus(), max_tokens=10, steps=2, **SMALL)
    seen = {tuple(made.views[0].transform.first(made.data[0]["text"], Draw(0, i, 0, 0)).ids) for i in range(9)}
    assert {len(ids) for ids in seen} == {8}
    assert len(seen) > 3


def test_the_loss_falls_and_what_is_saved_is_read_by_others(run):
    import json

    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    losses = [json.loads(line)["mlm"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(losses[-5:]) < losses[0] - 0.3
    encoder = encoders.load(run.model)
    ours = encoder.encode(["a captain wrote", "ropes"])
    theirs = SentenceTransformer(str(run.model), device="cpu").encode(["a captain wrote", "ropes"])
    assert np.allclose(ours, theirs, atol=2e-2)
    network = AutoModel.from_pretrained(run.model)
    assert torch.equal(network.get_input_embeddings().weight, encoder.network.get_input_embeddings().weight)


def test_another_recipe_goes_on_from_a_run_with_its_head(run):
    saved = load_file(run.model / FILE)
    made = recipes.crop(corpus(), init=str(run.folder), mlm_weight=0.1, steps=2, batch=8)
    assert made.model.language.begun
    for name, x in made.model.language.state_dict().items():
        assert torch.equal(x, saved[name])
    again = recipes.mlm(corpus(), init=str(run.folder), steps=2, batch=8)
    assert again.model.language.begun
    first = diptych.fit(again, run.folder.parent / "again", judged=False)
    (line,) = [line for line in (first.folder / "metrics.jsonl").read_text().splitlines() if '"step": 1,' in line]
    assert float(line.partition('"mlm": ')[2].split(",")[0]) < np.log(200) - 0.3
    contrast = diptych.fit(made, run.folder.parent / "crop", judged=False)
    assert (contrast.model / FILE).exists()
    assert not recipes.mlm(corpus(), steps=2, **SMALL).model.language.begun


@pytest.mark.parametrize(
    ("made", "beside"),
    [(recipes.mlm, {}), (recipes.dropout, {"encoder": "tiny", "mlm_weight": 0.1}), (recipes.infocse, {})],
    ids=["mlm", "mlm_weight", "infocse"],
)
def test_training_goes_on_from_a_snapshot_with_its_head(made, beside, tmp_path):
    run = diptych.fit(made(corpus(), steps=4, **beside, **SMALL), tmp_path / "run", judged=False, snapshots=2)
    first, last = sorted(run.snapshots.iterdir())
    heads = [load_file(folder / FILE) for folder in (first, last, run.model)]
    assert all(torch.equal(heads[1][name], x) for name, x in heads[2].items())
    assert not all(torch.equal(heads[0][name], x) for name, x in heads[2].items())
    for later in (
        recipes.mlm(corpus(), init=str(first), steps=2, batch=8),
        recipes.dropout(corpus(), init=str(first), steps=2, batch=8, mlm_weight=0.1),
    ):
        assert later.model.language.begun
        assert all(torch.equal(x, heads[0][name]) for name, x in later.model.language.state_dict().items())


def test_where_model_and_objective_guess_the_head_of_the_model_is_saved(tmp_path):
    made = recipes.infocse(corpus(), steps=2, mlm_weight=0.1, **SMALL)
    run = diptych.fit(made, tmp_path / "run", judged=False)
    saved = load_file(run.model / FILE)
    assert all(torch.equal(x, saved[name]) for name, x in made.model.language.state_dict().items())


def test_the_same_call_makes_the_same_head():
    a, b, other = (recipes.mlm(corpus(), steps=2, seed=seed, **SMALL).model.language for seed in (0, 0, 1))
    assert torch.equal(a.dense.weight, b.dense.weight)
    assert not torch.equal(a.dense.weight, other.dense.weight)


def test_words_are_guessed_beside_any_recipe_on_its_first_view():
    made = recipes.crop(corpus(), encoder="tiny", mlm_weight=0.1, mlm_rate=0.3, steps=2, perturb_layer=1, **SMALL)
    first, second, masked = made.views
    assert masked.role == "masked"
    assert masked.transform.first == first.transform
    assert masked.transform.second.rate == 0.3
    assert masked.perturb == first.perturb is not None
    assert made.objective.weights == [1.0, 0.1]
    assert second.perturb == first.perturb


def test_what_cannot_guess_is_refused(run, tmp_path):
    with pytest.raises(ValueError, match="--encoder tiny"):
        recipes.crop(corpus(), encoder="static", mlm_weight=0.1, steps=2, **SMALL)
    with pytest.raises(ValueError, match="--encoder tiny"):
        recipes.mlm(corpus(), encoder="static", steps=2, **SMALL)
    made = recipes.crop(corpus(), encoder="tiny", steps=2, **SMALL)
    with pytest.raises(ValueError, match="weight above 0"):
        with_masked(made, -1.0, 0.15)
    with pytest.raises(ValueError, match="guesses masked words already"):
        with_masked(with_masked(made, 1.0, 0.15), 1.0, 0.15)
    made.model.encoder.pretrained.mask_token = None
    with pytest.raises(ValueError, match="this one has none"):
        with_masked(made, 1.0, 0.15)
    for option in ({"mlm_weight": 0.1}, {"temperature": 0.1}):
        with pytest.raises(ValueError, match="is for recipes that compare views"):
            recipes.mlm(corpus(), steps=2, **SMALL, **option)


def test_infocse_guesses_through_the_embedding_of_a_frozen_networks_text(tmp_path):
    made = recipes.infocse(corpus(), steps=3, **SMALL)
    assert [(view.role, view.by) for view in made.views] == [
        ("view", "model"),
        ("view", "model"),
        ("masked", "teacher"),
    ]
    assert made.model.encoder.pooling == "mean"
    assert (made.teacher.momentum, made.teacher.layer, made.teacher.dropout) == (1.0, 2, False)
    assert made.objective.weights == [1.0, 1e-5]
    assert made.views[2].transform.second.rate == 0.4
    seen = []
    before = [p.clone() for p in made.objective.parameters()]
    diptych.fit(made, tmp_path / "run", Machine(tokens=60), judged=False, watch=seen.append)
    assert 1e-5 * 3 < seen[0]["auxiliary_mlm"] < 1e-5 * 8
    assert all(not torch.equal(a, b) for a, b in zip(before, made.objective.parameters(), strict=True) if a.ndim > 1)


def test_infocse_refuses_what_it_cannot(run):
    with pytest.raises(ValueError, match=r"without it: `simcse`"):
        recipes.infocse(corpus(), auxiliary=0, steps=2, **SMALL)
    with pytest.raises(ValueError, match="--encoder tiny"):
        recipes.infocse(corpus(), encoder="static", steps=2, **SMALL)


def test_infocse_begins_with_the_head_of_a_network_that_guesses(run):
    made = recipes.infocse(corpus(), init=str(run.folder), steps=2, batch=8)
    assert made.objective.parts[1].language.begun


def test_a_run_of_guessing_alone_is_judged_and_written_up(tmp_path):
    made = recipes.mlm(corpus(), steps=4, **SMALL)
    run = diptych.fit(made, tmp_path / "run", snapshots=2)
    assert run.finished
    assert run.scores["scores"]["model"]
    assert (run.model / FILE).exists()
    assert "masked" in run.report.read_text()


@pytest.mark.parametrize("name", ["mlm", "infocse"])
def test_help_tells_the_options(name, capsys):
    from diptych import cli

    assert cli.run(["train", name, "--help"]) == 0
    told = capsys.readouterr().out
    assert "--rate" in told
    assert "masked" in told
