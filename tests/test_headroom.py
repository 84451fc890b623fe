import sys
from pathlib import Path

import pytest

from diptych import headroom

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing tells")


@LINUX
def test_what_is_left_is_what_the_system_has_or_less(monkeypatch):
    monkeypatch.setattr(headroom, "_groups", lambda: ())
    _, size, unit = next(x for x in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in x).split()
    assert unit == "kB"
    assert headroom.left() == pytest.approx(1024 * int(size), abs=5e8)


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
    monkeypatch.setattr(headroom, "_groups", lambda: groups)
    assert headroom.left() == 20_000 - 10_000 + 3_200


def test_the_limits_of_memory_are_those_of_the_process_s_own_group_and_of_all_above_it(tmp_path):
    (tmp_path / "cgroup").write_text("12:cpu,cpuacct:/a\n4:memory:/job/7\n0::/user.slice\n")
    v1, v2 = (*V1, "total_"), (*V2, "")
    assert headroom._groups(str(tmp_path / "cgroup")) == (
        ("/sys/fs/cgroup/memory/job/7", *v1),
        ("/sys/fs/cgroup/memory/job", *v1),
        ("/sys/fs/cgroup/memory", *v1),
        ("/sys/fs/cgroup/user.slice", *v2),
        ("/sys/fs/cgroup", *v2),
    )
    assert headroom._groups(str(tmp_path / "none")) == ()
