"""A short form of benchmarks/fuzz.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.mark.slow
def test_hostile_input_is_answered_with_a_result_or_with_one_clear_error():
    call = [sys.executable, str(FUZZ), "--cases", "150", "--seed", "3", "--json"]
    asked = subprocess.run(call, capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    assert (told["cases"], told["faults"]) == (150, 0)
    assert {name.split()[0] for name in told["exits"]} == {"options", "words", "corpus", "model", "run", "left"}


@pytest.mark.parametrize(
    ("code", "out", "err"),
    [
        (3, "", "error: a reason"),
        (1, "", ""),
        (1, "", "Traceback (most recent call last)"),
        (2, "", "hint: this is a fault of diptych"),
        ("Hang: more than 60 seconds", "", "error: a reason"),
        (0, '{"documents": 2}\n', ""),
        (0, '{"loss": NaN}\n', ""),
        (0, "a note\n{}\n", ""),
        (0, "{}\n{}\n", ""),
    ],
)
def test_a_fault_is_seen(code, out, err, monkeypatch):
    monkeypatch.syspath_prepend(FUZZ.parent)
    from fuzz import faults
    from fuzz_cases import Case

    case = Case(["embed", "--json"], documents=3)
    assert [*faults(case, code, out, err)]
    assert not [*faults(case, 0, '{"documents": 3}\n', "a note")]
