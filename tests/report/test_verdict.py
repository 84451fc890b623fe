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
