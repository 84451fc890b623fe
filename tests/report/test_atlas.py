import numpy as np
from cards import evidence

from diptych.report.atlas import COLOURS, SIZE, atlas, coloured, places, principal, sample
from diptych.report.card import Evidence


def test_documents_that_are_near_stay_near_on_the_map():
    xy = places(evidence(90).after)
    far = ((xy[:, None] - xy[None]) ** 2).sum(-1)
    np.fill_diagonal(far, np.inf)
    assert (far.argmin(1) % 3 == np.arange(90) % 3).mean() > 0.9


def test_the_map_fills_a_square_and_is_the_same_every_time():
    xy = places(evidence().after)
    assert xy.min() >= 0
    assert xy.max() <= SIZE
    assert np.ptp(xy, axis=0).max() == SIZE
    assert np.array_equal(xy, places(evidence().after))


def test_principal_components_are_those_of_the_singular_values():
    x = np.random.default_rng(0).normal(size=(30, 5))
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    assert np.allclose(np.abs(principal(x, 2)), np.abs(u[:, :2] * s[:2]))


def test_the_most_frequent_labels_get_a_colour_and_the_rest_is_grey():
    labels = [f"label {i}" for i in range(20) for _ in range(20 - i)] + [None] * 3
    colours, groups = coloured(labels)
    assert [g.name for g in groups[:2]] == ["label 0", "label 1"]
    assert max(colours) == COLOURS
    assert groups[-2].name == "8 others"
    assert groups[-1] == type(groups[0])("no label", 0, 3)
    assert sum(g.count for g in groups) == len(labels)


def test_labels_that_name_single_documents_give_way_to_clusters():
    shown = evidence()
    assert atlas(shown).by == "label"
    each = Evidence(shown.texts, shown.after, labels=[str(i) for i in range(60)])
    assert atlas(each).by == "cluster"


def test_a_sample_keeps_rows_together_and_leaves_out_what_is_no_number():
    shown = evidence()
    shown.after[7] = np.nan
    kept = sample(shown, most=20)
    assert len(kept.texts) == 20
    assert shown.texts[7] not in kept.texts
    for text, x, label in zip(kept.texts, kept.after, kept.labels, strict=True):
        row = shown.texts.index(text)
        assert np.array_equal(x, shown.after[row])
        assert label == shown.labels[row]
