import subprocess
import sys

import pytest

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
