"""Pairs with a score: the recipe, and its run from beginning to end."""

import csv
import json
import os
import signal

import numpy as np
import pytest
import torch
from triplets import rows, sts

from diptych import fit, recipes, resume
from diptych.core import DataError, Optimiser
from diptych.data import scored
from diptych.objectives.cross_entropy import CrossEntropy
from diptych.tokens.damped import undamped
from diptych.train.loop import Interrupted

SMALL = {"dim": 16, "vocabulary": 120, "batch": 8, "steps": 6}


def lines(n=40, split=False):
    for i, row in enumerate(rows(n)):
        second = row["sent1"] if i % 2 else row["hard_neg"]
        told = {"sentence1": row["sent0"], "sentence2": second, "score": 4.5 if i % 2 else i % 5 / 2}
        yield told | ({"split": ("train", "dev", "test")[i % 3]} if split else {})


def table(folder, written=None):
    path = folder / "sts.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in written or lines()))
    return str(path)


def test_rows_are_two_texts_and_a_number(tmp_path):
    made = recipes.regression(table(tmp_path), **SMALL)
    assert [(v.role, v.column, v.by) for v in made.views] == [
        ("view", "first", "model"), ("view", "second", "model"), ("target", "score", "data"),
    ]  # fmt: skip
    assert len(made.data) == 40
    tokenizer = undamped(made.model.encoder.tokenizer)
    for i, line in enumerate(lines()):
        record = made.data[i]
        for role, name in (("first", "sentence1"), ("second", "sentence2")):
            assert record[role].ids.tolist() == tokenizer.encode(line[name], add_special_tokens=False).ids
        assert record["score"] == line["score"] / 5
    with pytest.raises(IndexError):
        made.data[40]


def test_a_table_may_be_csv_or_parquet_with_names_of_its_own(tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c"])
        writer.writerows([line["sentence1"], line["sentence2"], line["score"]] for line in lines())
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([*lines()]), tmp_path / "b.parquet")
    a = scored.read(path, ["a", "b", "c"])
    b = scored.read(tmp_path / "b.parquet")
    assert a.documents.fingerprint == b.documents.fingerprint
    np.testing.assert_array_equal(a.scores, b.scores)
    np.testing.assert_array_equal(scored.read(path, ["a", "b", "c"], -5, 5).scores, 0.5 + a.scores / 2)
    swapped = scored.read(path, ["b", "a", "c"])
    assert swapped.documents.texts[0] == a.documents.texts[40]


def test_only_the_rows_of_a_split_are_learned_from(tmp_path):
    path = table(tmp_path, [*lines(40, split=True)])
    made = recipes.regression(path, **SMALL)
    assert len(made.data) == 14
    assert any("of the split 'train', which is 14 of 40 rows" in note for note in made.notes)
    assert len(scored.read(path, split="dev")) == 13
    with pytest.raises(DataError, match="no row of the split 'valid'; there are 'dev', 'test', 'train'"):
        scored.read(path, split="valid")


def test_rows_that_lack_something_are_counted(tmp_path):
    written = [*lines(), {"sentence1": " ", "sentence2": "b", "score": 1}, {"sentence1": "a", "sentence2": "b"}]
    told = scored.read(table(tmp_path, written))
    assert len(told) == 40
    assert "1 row left out: first is null, empty or only white space" in told.notes
    assert "1 row left out: score is null, empty or only white space" in told.notes


def changed(**more):
    return [*lines(8), {"sentence1": "a", "sentence2": "b", "score": 1} | more]


@pytest.mark.parametrize(
    ("written", "settings", "why"),
    [
        (changed(score=5.5), {}, r"row 9, is to be a number from 0 to 5, but it holds 5\.5; --least and --most"),
        (changed(score="nan"), {}, "is to be a number from 0 to 5"),
        (changed(score="x"), {}, "is to be a number from 0 to 5, but it holds 'x'"),
        (changed(score=True), {}, "it holds True"),
        (changed(sentence1=7), {}, r"column 'sentence1' is to hold text, but in row 9 it holds 7 \(int\)"),
        ([{**line, "score": 2} for line in lines()], {}, "every score in .* .40. is 2: there is nothing to learn"),
        ([{"sentence1": "a", "score": 1}], {}, "no column for second; there are 'sentence1', 'score': name those"),
        ([*lines()], {"columns": "sentence1,sentence2,gold"}, "has no column 'gold'; there are"),
        ([{"sentence1": "", "sentence2": "a", "score": 1}], {}, "no whole row .*; 1 row left out"),
    ],
)
def test_data_that_cannot_be_used_are_refused(tmp_path, written, settings, why):
    with pytest.raises(DataError, match=why):
        recipes.regression(table(tmp_path, written), **settings, **SMALL)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"columns": "a,b"}, "three different names"),
        ({"columns": "a,b,a"}, "three different names"),
        ({"least": 5.0}, "the lower one first; got 5 and 5"),
        ({"temperature": 0.1}, "a regression has none"),
        ({"text_column": "a"}, "is for recipes of documents"),
        ({"every": 3}, "say on what: --evaluate"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, settings, why):
    with pytest.raises(ValueError, match=why):
        recipes.regression(table(tmp_path), **settings, **SMALL)


def test_plain_text_has_no_scores(tmp_path):
    (tmp_path / "a.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match="is plain text"):
        recipes.regression(str(tmp_path / "a.txt"), **SMALL)


@pytest.mark.parametrize("objective", ["cosine", "cross-entropy", "squared"])
def test_a_run_is_judged_and_taken_up_again(objective, tmp_path):
    more = {"objective": objective, "encoder": "tiny", "evaluate": str(sts(tmp_path / "sts")), "every": 4}
    path = table(tmp_path)

    def stop(line):
        if line["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    whole = fit(recipes.regression(path, **more, **SMALL), tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(recipes.regression(path, **more, **SMALL), tmp_path / "cut", watch=stop)
    again = resume(recipes.regression(path, **more, **SMALL), tmp_path / "cut")
    assert (whole.model / "model.safetensors").read_bytes() == (again.model / "model.safetensors").read_bytes()
    assert [line["step"] for line in whole.metrics if "stsb_spearman" in line] == [4, 6]
    assert whole.scores["scores"]["model"].keys() == {"stsb_spearman", "stsb/dev_spearman", "sickr_spearman"}


def test_scores_are_learned(tmp_path):
    """Cosines of the pairs it saw come close to their scores."""
    path = table(tmp_path)
    run = fit(recipes.regression(path, dim=32, vocabulary=200, batch=20, steps=60, lr=0.05), tmp_path / "run")
    losses = [line["regression"] for line in run.metrics]
    assert losses[-1] < 0.003 < 0.02 < losses[0]


def test_the_layer_of_classes_is_decided_by_the_seed(tmp_path):
    def weight(seed):
        made = recipes.regression(table(tmp_path), objective="squared", seed=seed, **SMALL).objective
        assert isinstance(made, CrossEntropy)
        return made.head.weight

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


def test_an_encoder_gets_the_settings_of_sentence_bert(tmp_path):
    recipes.regression(table(tmp_path), encoder="tiny", **SMALL).model.encoder.save(tmp_path / "tiny")
    made = recipes.regression(table(tmp_path), encoder=str(tmp_path / "tiny"))
    assert (made.batch, made.steps) == (16, 8)
    assert made.optimiser == Optimiser(2e-5, warmup=0.4, clip=1.0)


def test_options_of_all_recipes_do_what_they_say_here_too(tmp_path):
    made = recipes.regression(table(tmp_path), encoder="tiny", perturb_layer=1, rank_reduction=0.1, **SMALL)
    assert [bool(view.perturb) for view in made.views] == [True, True, False]
    run = fit(made, tmp_path / "run")
    assert {"regression", "rank_entropy"} <= run.metrics[-1].keys()
    from triplets import table as triplets

    made = recipes.nli(str(triplets(tmp_path)), encoder="tiny", rank_reduction=0.1, **SMALL)
    assert "rank_entropy" in fit(made, tmp_path / "nli").metrics[-1]


@pytest.mark.real
@pytest.mark.slow
def test_it_learns_stsb(tmp_path, shared_data):
    """A static model from scratch on the 5,749 training pairs beats itself untrained on the test pairs."""
    path = shared_data / "sts" / "stsb.jsonl"
    folder = tmp_path / "sts"
    folder.mkdir()
    (folder / "stsb.jsonl").write_bytes(path.read_bytes())
    made = recipes.regression(str(path), evaluate=str(folder), batch=128, epochs=8, lr=0.02)
    assert len(made.data) == 5749
    scores = fit(made, tmp_path / "run").scores["scores"]
    assert scores["model"]["stsb_spearman"] > scores["untrained"]["stsb_spearman"] + 3
