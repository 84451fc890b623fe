from cards import card

from diptych.report.table import table


def test_the_table_is_aligned_and_marks_the_best_of_each_metric():
    lines = table(card().scores, card().errors).splitlines()
    assert len({len(line) for line in lines[1:5]}) <= 2  # a mark may end a line
    at = lines[0].index("k-NN accuracy") + len("k-NN accuracy")
    assert [line[at - 13 : at] for line in lines[1:5]] == [
        "0.781 ± 0.009",
        "0.702 ± 0.009",
        "0.507 ± 0.009",
        "0.769 ± 0.009",
    ]
    assert [row[at + 1 : at + 2] for row in lines[1:5]] == ["*", " ", " ", " "]
    assert lines[2].endswith("−3.610 *")


def test_missing_numbers_are_dashes_and_missing_rows_are_shown():
    told = table({"model": {"knn": 0.5, "linear": float("nan")}, "untrained": None}, None)
    assert "linear" not in told.lower()
    assert told.splitlines()[2].split() == ["untrained", "–"]


def test_equal_numbers_are_best_together_and_one_row_is_no_contest():
    assert table({"model": {"knn": 0.5}, "tfidf": {"knn": 0.5001}}).count("0.500 *") == 2
    assert "0.500 *" not in table({"model": {"knn": 0.5}})


def test_no_scores_are_called_so():
    assert table({}) == "no scores"
