import subprocess
import sys

import pytest

from diptych import allocator

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


def test_a_limit_of_the_group_counts(monkeypatch):
    numbers = {"/proc/meminfo": 10**10, "most": 5 * 10**9, "used": 10**9}
    monkeypatch.setattr(allocator, "_groups", lambda: iter([("most", "used")]))
    monkeypatch.setattr(allocator, "_numbers", lambda file, name="", unit=1: iter([numbers[file]]))
    assert allocator.left() == 4 * 10**9


def test_the_limit_of_memory_is_that_of_the_process_s_own_group(tmp_path):
    (tmp_path / "cgroup").write_text("12:cpu,cpuacct:/a\n4:memory:/job/7\n0::/user.slice\n")
    assert list(allocator._groups(str(tmp_path / "cgroup"))) == [
        ("/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", "/sys/fs/cgroup/memory/job/7/memory.usage_in_bytes"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        ("/sys/fs/cgroup/user.slice/memory.max", "/sys/fs/cgroup/user.slice/memory.current"),
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ]
    assert list(allocator._groups(str(tmp_path / "none"))) == []


@pytest.mark.parametrize(("there", "given"), [(0, True), (10**18, False), (None, False)])
def test_what_is_free_is_given_back_where_memory_is_short(monkeypatch, there, given):
    back = []
    monkeypatch.setattr(allocator, "left", lambda: there)
    monkeypatch.setattr(allocator, "release", lambda: back.append(True))
    allocator.ease()
    assert bool(back) == (given and sys.platform.startswith("linux"))
