"""Lines of a suite's table that several suites have."""

from diptych.evaluate.interval import wilson
from diptych.evaluate.score import Score
from diptych.evaluate.task import Result


def of_accuracy(task: str, score: Score, over: str, metric: str = "accuracy", main: bool = True) -> Result:
    """An accuracy x 100, with its interval by Wilson; `over` says what the items are."""
    assert score.right is not None, "an accuracy knows of each item whether it was right"
    n, (low, high) = len(score.right), wilson(score.right)
    return Result(task, metric, 100 * score.value, n, 100 * low, 100 * high, f"Wilson over {n:,} {over}", main)
