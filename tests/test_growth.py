"""benchmarks/growth.py measures what it says, and draws it."""

import importlib.util
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "growth.py"


@pytest.fixture(scope="module")
def growth():
    spec = importlib.util.spec_from_file_location("growth", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_documents_are_the_same_for_every_call_and_differ_from_each_other(growth):
    rows = list(growth.shard(3, 50))
    assert rows == list(islice(growth.shard(3, 1000), 50))
    assert len({row["text"] for row in [*rows, *growth.shard(4, 50)]}) == 100
    assert len({growth.word(rank) for rank in range(growth.WORDS)}) == growth.WORDS


def test_the_plot_begins_at_zero_and_names_its_lines(growth):
    stages = {name: {"processor": 50.0, "anonymous": 300} for name in growth.STAGES} | {"start": {"anonymous": 200}}
    drawn = growth.drawn([{"documents": n, "stages": stages} for n in (10_000, 100_000, 1_000_000)])
    texts = [x.text for x in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("0") == 2
    assert {"10,000", "100,000", "1,000,000", *growth.STAGES, "before"} <= {*texts}


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("form", ["jsonl.gz", "parquet"])
def test_every_stage_is_measured(form, growth, tmp_path):
    call = [sys.executable, SCRIPT, "--sizes", "700", "--format", form, "--scratch", tmp_path, "--json"]
    row = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)["rows"][0]
    assert row["documents"] == 700
    assert [*row["stages"]] == ["start", *growth.STAGES]
    assert all(0 < stage["anonymous"] <= row["anonymous"] < row["resident"] for stage in row["stages"].values())
    assert all(row["stages"][name]["microseconds"] > 0 for name in growth.STAGES)
    assert not [*tmp_path.iterdir()]
