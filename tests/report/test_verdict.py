from cards import card

from diptych.report.verdict import headline_metric, sentence, verdicts


def test_the_headline_says_what_is_above_and_what_is_within_error():
    assert sentence(card()) == (
        "k-NN accuracy 0.781 ± 0.009: above dropout 0.702 and untrained 0.507, level with TF-IDF 0.769 (within error)."
    )


def test_the_headline_says_when_tfidf_wins():
    assert sentence(card(knn=0.6)).endswith("above untrained 0.507, below TF-IDF 0.769 and dropout 0.702.")


def test_a_paired_interval_outranks_two_independent_errors():
    pair = {"knn": {"tfidf": {"difference": 0.012, "low": 0.002, "high": 0.021}}}
    words = {v.row: v.word for v in verdicts(card(paired=pair), "knn")}
    assert words == {"tfidf": "above", "dropout": "above", "untrained": "above"}


def test_equal_scores_are_level_and_not_called_within_error():
    made = card(scores={"model": {"knn": 0.5}, "tfidf": {"knn": 0.5}}, errors={})
    assert sentence(made) == "k-NN accuracy 0.500: level with TF-IDF 0.500."


def test_without_labels_the_headline_is_a_score_that_needs_none():
    scores = {"model": {"knn": None, "uniformity": -3.0, "crop_retrieval": 0.9}}
    assert headline_metric(card(scores=scores)) == "crop_retrieval"


def test_a_run_that_was_not_judged_says_so():
    assert sentence(card(scores={})) == "No scores: this run was not judged."


def test_a_headline_in_per_cent_has_one_decimal():
    scores = {"model": {"x_weighted_knn": 33.2}, "pixels": {"x_weighted_knn": 37.7123}}
    errors = {"model": {"x_weighted_knn": 1.487}, "pixels": {"x_weighted_knn": 1.53}}
    assert sentence(card(scores=scores, errors=errors)) == "x, weighted k-NN 33.2 ± 1.5: below pixels 37.7."
    for name in ("graphcl", "pygcl", "pygcl_macro_f1"):
        scores = {"model": {f"x_svm_{name}": 88.1612}, "degrees": {f"x_svm_{name}": 85.0}}
        told = f"x svm {name.replace('_', ' ')} 88.2: above degrees 85.0."
        assert sentence(card(scores=scores, errors={})) == told


def test_a_score_that_says_nothing_of_quality_is_no_headline():
    scores = {"model": {"x_invariance": 0.173}, "pixels": {"x_invariance": 0.3}}
    assert headline_metric(card(scores=scores)) is None
    told = sentence(card(scores=scores, errors={"model": {"x_invariance": 0.003}}))
    assert told == "No score of quality: x, invariance 0.173 ± 0.003."
