import subprocess
import sys
from pathlib import Path

import numpy as np
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


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing tells")
BACK = """
import torch
from diptych import allocator

def taken():
    return next(allocator._numbers("/proc/self/status", "RssAnon:", 1024))

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
def test_what_is_left_is_what_the_system_has_or_less(monkeypatch):
    monkeypatch.setattr(allocator, "_groups", lambda: ())
    _, size, unit = next(x for x in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in x).split()
    assert unit == "kB"
    assert allocator.left() == pytest.approx(1024 * int(size), abs=5e8)


def group(folder, names, numbers, total=""):
    folder.mkdir()
    for name, number in zip(names, numbers, strict=True):
        (folder / name).write_text(f"{number}\n")
    copies = f"{total}inactive_file 3000\n{total}active_file 200\n"
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file 9\nactive_file 9\n{copies}" if total else copies)
    return (str(folder), *names, total)


V1, V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")


@pytest.mark.parametrize(("names", "total"), [(V1, "total_"), (V2, "")])
def test_the_least_that_a_group_leaves_counts_and_copies_of_files_are_free(monkeypatch, tmp_path, names, total):
    groups = [
        group(tmp_path / "unlimited", names, ("max", 10_000), total),
        group(tmp_path / "inner", names, (50_000, 10_000), total),
        group(tmp_path / "outer", names, (20_000, 10_000), total),
        (str(tmp_path / "none"), *names, total),
    ]
    monkeypatch.setattr(allocator, "_groups", lambda: groups)
    assert allocator.left() == 20_000 - 10_000 + 3_200


def test_the_limits_of_memory_are_those_of_the_process_s_own_group_and_of_all_above_it(tmp_path):
    (tmp_path / "cgroup").write_text("12:cpu,cpuacct:/a\n4:memory:/job/7\n0::/user.slice\n")
    v1, v2 = (*V1, "total_"), (*V2, "")
    assert allocator._groups(str(tmp_path / "cgroup")) == (
        ("/sys/fs/cgroup/memory/job/7", *v1),
        ("/sys/fs/cgroup/memory/job", *v1),
        ("/sys/fs/cgroup/memory", *v1),
        ("/sys/fs/cgroup/user.slice", *v2),
        ("/sys/fs/cgroup", *v2),
    )
    assert allocator._groups(str(tmp_path / "none")) == ()


@LINUX
@pytest.mark.parametrize(("share", "given"), [(0, True), (0.8, True), (1.25, False), (None, False)])
def test_what_is_free_is_given_back_where_less_is_left_than_is_taken(monkeypatch, tmp_path, share, given):
    back, mapped = [], np.memmap(tmp_path / "mapped", np.uint8, "w+", shape=(300_000_000,))
    mapped[:] = 1  # of a file, so not taken
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("RssAnon"))
    taken = 1024 * int(line.split()[1])
    monkeypatch.setattr(allocator, "left", lambda: None if share is None else int(share * taken))
    monkeypatch.setattr(allocator, "release", lambda: back.append(True))
    allocator.ease()
    assert bool(back) == given
