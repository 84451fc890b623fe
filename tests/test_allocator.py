import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diptych import allocator, headroom

CODE = """
import sys
import torch
from diptych import allocator

def faults():
    return int(open("/proc/self/stat").read().rpartition(")")[2].split()[7])

if sys.argv[1] == "keep":
    allocator.keep()
x = torch.ones(1 << 24)
for _ in range(10):
    y = x + 1
    del y
before = faults()
for _ in range(20):
    y = x + 1
    del y
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts pages by /proc")
def test_what_is_freed_is_not_asked_for_again():
    def counted(how):
        done = subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    # Not never: what is small may settle in what was freed, and a system short of memory may take pages back.
    assert min(counted("keep") for _ in range(3)) < counted("leave") / 4


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing tells")
BACK = """
import torch
from diptych import allocator
from diptych.headroom import taken

allocator.keep()
held = [torch.ones(1 << 20) for _ in range(100)]
last = torch.ones(1 << 10)
full = taken()
del held
assert taken() > full - 40e6, "what is freed is kept"
allocator.release()
print(full - taken())
"""


@LINUX
def test_what_is_kept_is_given_back_when_asked():
    done = subprocess.run([sys.executable, "-c", BACK], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 350e6  # of 419


@LINUX
@pytest.mark.parametrize(("share", "given"), [(0, True), (0.8, True), (1.25, False), (None, False)])
def test_what_is_free_is_given_back_where_less_is_left_than_is_taken(monkeypatch, tmp_path, share, given):
    back, mapped = [], np.memmap(tmp_path / "mapped", np.uint8, "w+", shape=(300_000_000,))
    mapped[:] = 1  # of a file, so not taken
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssAnon"))
    taken = 1024 * int(line.split()[1])
    monkeypatch.setattr(headroom, "left", lambda: None if share is None else int(share * taken))
    monkeypatch.setattr(allocator, "release", lambda: back.append(True))
    allocator.ease()
    assert bool(back) == given
