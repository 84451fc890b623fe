"""Proxies order checkpoints; labels say how well."""

import numpy as np
import pytest

from diptych.choosing import (
    HIGHER,
    Checkpoint,
    checkpoints,
    correlations,
    lost,
    overlap,
    places,
    questions,
    same_corpus,
    suggestions,
    turned,
)
from diptych.data.documents import from_texts
from diptych.runs import Run


def made(run, steps, knn, **proxies):
    """Checkpoints of a run, given a list of numbers for each proxy; the others are constant."""
    rows = []
    for i, step in enumerate(steps):
        given = {name: values[i] for name, values in proxies.items()}
        rows.append(Checkpoint(run, step, run, {**dict.fromkeys(HIGHER, 1.0), **given, "step": step, "knn": knn[i]}))
    return rows


def test_a_proxy_of_which_less_is_better_is_turned():
    found = made("a", [1, 2, 3], [0.1, 0.2, 0.3], alignment=[3, 2, 1], crop_retrieval=[1, 2, 3])
    assert turned(found, "alignment").tolist() == [-3, -2, -1]
    rho = correlations(found, "knn")
    assert rho["alignment"].within == rho["crop_retrieval"].within == pytest.approx(1)


def test_correlations_are_told_within_runs_with_their_spread_and_over_all():
    found = made("a", [1, 2, 3], [0.1, 0.2, 0.3], stability=[1, 2, 3])
    found += made("b", [1, 2, 3], [0.9, 0.8, 0.7], stability=[7, 8, 9])
    rho = correlations(found, "knn")["stability"]
    assert (rho.within, rho.runs, rho.n) == (pytest.approx(0), 2, 6)
    assert rho.spread == pytest.approx(np.sqrt(2))
    assert rho.overall == pytest.approx(0.7714, abs=1e-3)  # ranks 1..6 beside 1 2 3 6 5 4: 1 - 6 * 8 / 210


def test_a_constant_proxy_and_fewer_than_three_checkpoints_order_nothing():
    rho = correlations(made("a", [1, 2, 3], [0.1, 0.2, 0.3]), "knn")["uniformity"]
    assert (rho.within, rho.spread, rho.runs, rho.overall) == (None, None, 0, None)
    rho = correlations(made("a", [1, 2], [0.1, 0.2], stability=[1, 2]), "knn")["stability"]
    assert (rho.within, rho.overall) == (None, None)


def test_each_proxy_suggests_its_best_and_a_constant_one_nothing():
    found = made("a", [1, 2, 3], [0.3, 0.2, 0.1], both=[3, 1, 2])
    told = suggestions(found)
    assert {name: each.step for name, each in told.items()} == {"both": 2, "step": 3}
    assert lost(found, told["both"], "knn") == pytest.approx(0.1)


def test_places_are_means_over_proxies():
    found = made("a", [1, 2], [0, 0], both=[1, 2], crop_retrieval=[5, 4])
    equal = len(HIGHER) - 2  # both are in place 1.5 there
    assert places(found) == [pytest.approx((2 + 1.5 * equal) / len(HIGHER)), pytest.approx((4 + 1.5 * equal) / 7)]


def test_overlap_is_the_part_of_neighbours_in_both():
    assert overlap(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [3, 9]])) == 0.75


def test_runs_of_different_corpora_are_not_ranked_together():
    one = {"documents_fingerprint": "x", "arguments": {"corpus": "a.txt"}}
    assert same_corpus({"r": one, "s": {**one, "arguments": {"corpus": "moved.txt"}}}) == "moved.txt"
    with pytest.raises(ValueError, match="--corpus"):
        same_corpus({"r": one, "s": {"documents_fingerprint": "y", "arguments": {"corpus": "a.txt"}}})
    assert same_corpus({"r": {"documents_fingerprint": "", "arguments": {"corpus": "triplets.csv"}}}) is None


def test_the_model_stands_for_the_last_step_where_no_snapshot_is_of_it(tmp_path):
    (tmp_path / "run.toml").write_text("recipe = 'a:b'\nsteps = 9\n")
    for name in ("snapshots/000000004", "snapshots/.000000009.x", "model"):
        (tmp_path / name).mkdir(parents=True)
    assert [(each.step, each.folder.name) for each in checkpoints(Run(tmp_path))] == [(4, "000000004"), (9, "model")]
    (tmp_path / "snapshots" / "000000009").mkdir()
    assert [each.folder.name for each in checkpoints(Run(tmp_path))] == ["000000004", "000000009"]


def test_runs_that_learned_from_no_tested_document_are_ranked_on_those(tmp_path):
    texts = [f"This is document {i}. It has two sentences of its own." for i in range(200)]
    documents = from_texts(texts, [str(i % 2) for i in range(200)])
    assert len(questions(documents, held_out=True).seen) == 20
    assert len(questions(documents, held_out=False).seen) == 200
    assert len(questions(documents, held_out=False, most=50).documents) == 50
    with pytest.raises(ValueError, match="can be cropped"):
        questions(documents.select(range(5)), held_out=False)
