from cards import card

from diptych.report.table import best_rows, table, turned


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


PICTURES = {
    "model": {"a_b_linear": 36.8123, "a_b_rmse": 0.51234, "a_b_invariance": 0.173},
    "untrained": {"a_b_linear": 31.0, "a_b_rmse": 0.6, "a_b_invariance": 0.004},
}


def test_per_cents_have_one_decimal_or_two_where_an_error_asks_for_it_and_fractions_three():
    lines = [line.split("  ") for line in turned(PICTURES).splitlines()]
    cells = {line[0]: [cell.strip() for cell in line[1:] if cell] for line in lines}
    assert cells["a b, linear probe"] == ["36.8", "31.0", "+5.8"]
    assert cells["a b, RMSE, lower is better"] == ["0.512", "0.600", "−0.088"]
    errors = {"model": {"a_b_linear": 1.04}, "untrained": {"a_b_linear": 0.96}}
    assert "36.8 ± 1.0" in table(PICTURES, errors)
    errors["untrained"]["a_b_linear"] = 0.04
    assert "36.81 ± 1.04" in table(PICTURES, errors)


def test_the_best_is_so_to_the_decimals_that_are_shown():
    near = {"model": {"a_linear": 36.84}, "untrained": {"a_linear": 36.76}}
    assert best_rows(near, "a_linear") == {"model", "untrained"}
    assert best_rows(near, "a_linear", {"model": {"a_linear": 0.02}}) == {"model"}


def test_of_what_is_no_score_of_quality_none_is_best_and_neither_way_is_better():
    lines = table(PICTURES).splitlines()
    assert lines[1].count("*") == 2
    assert lines[2].count("*") == 0
    assert lines[-1] == "* best; lower is better for a b, rmse"
