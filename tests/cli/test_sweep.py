import json
from typing import Literal

import pytest

from diptych import recipes, runs
from diptych.cli import sweep
from diptych.core import Perturb

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


def recipe(
    corpus: str, *, lr: float = 1.0, layer: int | None = None, rule: Literal["a", "b"] = "a", wide: bool = False
) -> None: ...


def named(seeds, *asked, **settings):
    return sweep.calls(recipe, {"corpus": "x", **settings}, seeds, asked)


def test_nothing_asked_is_one_call_as_it_is():
    assert named([]) == {"": {"corpus": "x"}}


def test_every_value_comes_with_every_seed():
    found = named([3, 4], "layer=none,0..1", "rule=b")
    assert [*found] == [f"layer-{x}-rule-b-seed-{n}" for x in ("none", 0, 1) for n in (3, 4)]
    assert found["layer-none-rule-b-seed-3"] == {"corpus": "x", "rule": "b", "seed": 3}
    assert found["layer-1-rule-b-seed-4"] == {"corpus": "x", "rule": "b", "seed": 4, "layer": 1}


def test_long_values_that_begin_alike_have_folders_of_their_own():
    conv = "torch_geometric.nn:TransformerConv:heads=4:concat=false:dropout="
    found = sweep.calls(recipes.graphcl, {"corpus": "x"}, [], [f"conv={conv}0.1,{conv}0.2"])
    assert [each["conv"] for each in found.values()] == [f"{conv}0.1", f"{conv}0.2"]
    assert max(map(len, found)) <= len("conv-") + 60
    with pytest.raises(ValueError, match="two of these values would have one folder"):
        sweep.calls(recipes.graphcl, {"corpus": "x"}, [], ["conv=a:b,a=b"])


def test_values_are_read_as_what_the_option_is():
    assert [each["lr"] for each in named([], "lr=1,0.5,2e-5").values()] == [1, 0.5, 2e-5]
    assert [each["wide"] for each in named([], "wide=true,false").values()] == [True, False]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("depth=1", "it has layer, lr, rule, wide"),
        ("corpus=a,b", "it has layer"),
        ("lr", "different values"),
        ("lr=1,1", "different values"),
        ("lr=high", "--lr cannot be 'high'"),
        ("layer=0.5", "--layer cannot be 0.5"),
        ("rule=c", "--rule cannot be 'c'"),
        ("layer=0..5000", "up to 1,000"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, words):
    with pytest.raises(ValueError, match=words):
        named([], asked)


@pytest.mark.parametrize(("recipe", "other"), [("deep_augmentation", "simcse"), ("graph_deep_augmentation", "graphcl")])
def test_a_recipe_that_always_perturbs_a_layer_is_not_swept_without(recipe, other):
    function = getattr(recipes, recipe)
    with pytest.raises(ValueError, match=f"{recipe.replace('_', '-')} perturbs a layer in every run.* {other} is"):
        sweep.calls(function, {"corpus": "x"}, [], ["perturb_layer=none,2"])
    assert len(sweep.calls(function, {"corpus": "x"}, [], ["perturb_layer=1,2"])) == 2
    assert len(sweep.calls(getattr(recipes, other), {"corpus": "x"}, [], ["perturb_layer=none,2"])) == 2


def test_an_option_has_one_source():
    with pytest.raises(ValueError, match="another flag"):
        named([], "lr=1,2", lr=3.0)
    with pytest.raises(ValueError, match="another flag"):
        named([], "lr=1,2", "lr=3")


def test_layers_are_swept_in_one_command_and_compared(diptych, corpus, tmp_path):
    code, out, err = diptych(
        "train", "crop", "--corpus", corpus, "--out", tmp_path / "s", "--json", *SMALL,
        "--sweep", "perturb_layer=none,0", "--seeds", "0,1",
    )  # fmt: skip
    assert code == 0, err
    names = [f"perturb_layer-{x}-seed-{n}" for x in ("none", 0) for n in (0, 1)]
    assert [run["run"] for run in json.loads(out)["runs"]] == [str(tmp_path / "s" / name) for name in names]
    told = [runs.read_call(tmp_path / "s" / name / "run.toml")["arguments"] for name in names]
    assert [(each.get("perturb_layer"), each["seed"]) for each in told] == [(None, 0), (None, 1), (0, 0), (0, 1)]
    code, out, err = diptych("compare", tmp_path / "s", "--json")
    assert code == 0, err
    assert len(json.loads(out)["groups"]) == 2


def test_the_layer_is_perturbed_as_the_options_say(corpus):
    from diptych import recipes

    made = recipes.crop(str(corpus), perturb_layer=0, perturb_rate=0.25, perturb_gradient="reverse", steps=3)
    first, second = (view.perturb for view in made.views)
    assert isinstance(first, Perturb)
    assert (first.layer, first.noise.rate, first.gradient, first.fraction, first.unit) == (
        0,
        0.25,
        "reverse",
        0.5,
        "row",
    )
    assert second == first
    one = recipes.crop(str(corpus), perturb_layer=0, perturb_noise="pca", perturb_component=-1, perturb_views="first")
    assert [view.perturb and view.perturb.noise.component for view in one.views] == [-1, None]
    assert any("principal directions" in note for note in one.notes)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"perturb_rate": 0.2}, "--perturb-rate belongs to --perturb-layer"),
        ({"perturb_layer": 2}, "layers of this model are 0, the embedding"),
        ({"perturb_layer": 0, "perturb_rate": 1.5}, "got 1.5"),
        ({"perturb_layer": 0, "perturb_fraction": 0.0}, "got 0.0"),
        ({"perturb_layer": 0, "perturb_component": 2}, "--perturb-noise pca"),
        ({"perturb_layer": 0, "perturb_noise": "pca", "perturb_rate": 0.1}, "--perturb-component"),
        ({"rank_reduction_phase": "1"}, "belongs to --rank-reduction"),
        ({"mlm_rate": 0.2}, "belongs to --mlm-weight"),
        ({"dropout": 1.0}, "got 1.0"),
    ],
)
def test_options_that_mean_nothing_are_refused(corpus, given, words):
    from diptych import recipes

    with pytest.raises(ValueError, match=words):
        recipes.crop(str(corpus), **given)


def test_one_rate_of_dropout_for_all_of_a_network(corpus):
    from diptych import recipes

    made = recipes.crop(str(corpus), encoder="tiny", dropout=0.3, steps=2, dim=32, vocabulary=200)
    assert {*made.model.encoder.dropouts.values()} == {0.3}
    assert not recipes.crop(str(corpus), encoder="tiny", dropout=0.0, dim=32, vocabulary=200).model.encoder.noisy


def test_deep_augmentation_perturbs_two_thirds_deep(corpus):
    from diptych import recipes

    made = recipes.deep_augmentation(str(corpus), dim=32, vocabulary=200, steps=2)
    assert {(view.perturb.layer, view.perturb.noise.rate, view.perturb.fraction) for view in made.views} == {
        (3, 0.125, 0.5)
    }
    other = recipes.deep_augmentation(
        str(corpus), dim=32, vocabulary=200, steps=2, perturb_layer=1, perturb_noise="pca"
    )
    assert {(view.perturb.layer, view.perturb.noise.component) for view in other.views} == {(1, 1)}
    assert made.call.arguments["steps"] == 2


@pytest.mark.parametrize(
    "views", [{"perturb_layer": 2}, {"perturb_layer": 2, "perturb_unit": "batch", "perturb_fraction": 1.0}]
)
def test_without_dropout_a_perturbed_layer_tells_views_apart(corpus, views):
    from diptych import recipes

    small = {"dim": 32, "vocabulary": 200, "steps": 2, "dropout": 0.0}
    assert recipes.simcse(str(corpus), **small, **views).views[0].perturb.layer == 2
    for alike in ({}, {"perturb_layer": 2, "perturb_unit": "batch"}, {"perturb_layer": 2, "perturb_rate": 0.0}):
        with pytest.raises(ValueError, match="views of `simcse` are identical"):
            recipes.simcse(str(corpus), **small, **alike)


def test_deep_augmentation_names_layers_and_says_what_does_not_learn(corpus):
    from diptych import recipes

    small = {"dim": 32, "vocabulary": 200, "steps": 2}
    with pytest.raises(ValueError, match=r"layers of this model are 0 .* to 5"):
        recipes.deep_augmentation(str(corpus), **small, perturb_layer=99)
    made = recipes.deep_augmentation(str(corpus), **small, perturb_fraction=1.0, mlm_weight=0.1)
    assert any("at or below layer 3 learns, but for the table of tokens" in note for note in made.notes)
    with pytest.raises(ValueError, match=r"to 4$"):
        recipes.mlm(str(corpus), **small, perturb_layer=5)


def test_a_rank_that_cannot_be_seen_is_not_reduced_in_silence(corpus):
    from diptych import recipes

    with pytest.raises(ValueError, match="no projection to see"):
        recipes.promptbert(
            str(corpus), dim=32, vocabulary=200, steps=2, rank_reduction=0.1, rank_reduction_matrix="projection"
        )


def test_a_sweep_with_one_value_that_cannot_be_begins_no_run(diptych, corpus, tmp_path):
    call = ("train", "crop", "--corpus", corpus, "--out", tmp_path / "s", "--sweep", "perturb_layer=none,0..3", *SMALL)
    code, _, err = diptych(*call)
    assert (code, "--perturb-layer 2: layers of this model are 0, the embedding" in err) == (2, True)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"perturb_layer": -1}, "--perturb-layer -1: layers"),
        ({"perturb_layer": 0, "perturb_noise": "pca", "perturb_component": 16}, "removes every one of 16 directions"),
        ({"rank_reduction": 0.0, "rank_reduction_phase": "1"}, "a weight of 0 does nothing"),
    ],
)
def test_options_without_effect_are_refused(corpus, given, words):
    from diptych import recipes

    with pytest.raises(ValueError, match=words):
        recipes.crop(str(corpus), dim=16, vocabulary=200, steps=2, **given)


def test_the_group_without_an_option_is_called_none(diptych, corpus, tmp_path):
    call = ("train", "crop", "--corpus", corpus, "--out", tmp_path / "s", "--sweep", "perturb_layer=none,0", *SMALL)
    assert diptych(*call)[0] == 0
    code, out, err = diptych("compare", tmp_path / "s", "--baseline", "perturb_layer=none", "--json")
    assert code == 0, err
    assert [*json.loads(out)["groups"]] == ["perturb_layer=0", "perturb_layer=none"]


def test_who_looks_at_a_run_is_told_that_its_corpus_has_changed(diptych, corpus, tmp_path):
    run = tmp_path / "run"
    assert diptych("train", "crop", "--corpus", corpus, "--out", run, "--snapshots", 3, *SMALL)[0] == 0
    for command in (("choose", run, "--documents", 30), ("analyse", run, "--out", tmp_path / "a.html")):
        assert "its corpus has changed since" not in diptych(*command)[2]
    lines = corpus.read_text().splitlines()
    corpus.write_text("\n".join(lines[4:]))
    for command in (("choose", run, "--documents", 30), ("analyse", run, "--out", tmp_path / "a.html")):
        code, _, err = diptych(*command)
        assert (code, f"{run} was trained on other documents: its corpus has changed since" in err) == (0, True), err
