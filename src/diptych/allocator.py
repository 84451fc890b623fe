"""The allocator of glibc, told to keep what is freed: a step asks for the same memory as the step before it.

Otherwise large tensors are pages that the system has to find and clear anew every time. Elsewhere nothing is changed.
Where memory is short, what is free is given back.
"""

import ctypes
import functools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # of mallopt(3), in bytes


@functools.cache
def keep() -> None:
    """From now on this process keeps what it frees, up to 2 GiB at the end of its heap."""
    glibc = _glibc()
    if glibc and any(glibc.mallopt(MMAP_THRESHOLD, size) for size in (1 << 30, 1 << 25)):  # older ones know a most
        glibc.mallopt(TRIM_THRESHOLD, (1 << 31) - 1)


def release() -> None:
    """Gives the system back what is free."""
    if glibc := _glibc():
        glibc.malloc_trim(0)


def ease() -> None:
    """Gives the system back what is free, where less is left than this process holds."""
    there = left()
    if there is not None and any(there < holds for holds in _numbers("/proc/self/status", "VmRSS:", 1024)):
        release()


def left() -> int | None:
    """Bytes of memory that are free, under the limit of this process's group too; None if nothing tells."""
    found = [*_numbers("/proc/meminfo", "MemAvailable:", 1024)]
    for most, used in _groups():
        found += [a - b for a in _numbers(most) for b in _numbers(used)]
    return min(found, default=None)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "gnu_get_libc_version") else None
    except OSError:
        return None


def _groups(file: str = "/proc/self/cgroup") -> Iterator[tuple[str, str]]:
    """The files of this process's groups (cgroup v2 and v1) that hold their limit of memory, and what they use.

    Within a container the group's own folder can be what is mounted, whatever its name outside: both are looked at.
    """
    with suppress(OSError):
        for line in Path(file).read_text().splitlines():
            _, kinds, place = line.split(":", 2)
            for folder in dict.fromkeys((place.rstrip("/"), "")):
                if not kinds:
                    yield f"/sys/fs/cgroup{folder}/memory.max", f"/sys/fs/cgroup{folder}/memory.current"
                elif "memory" in kinds.split(","):
                    root = f"/sys/fs/cgroup/memory{folder}"
                    yield f"{root}/memory.limit_in_bytes", f"{root}/memory.usage_in_bytes"


def _numbers(file: str, name: str = "", unit: int = 1) -> Iterator[int]:
    """The number that follows a name in a file of the system, if there is one."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path(file).read_text().splitlines()
        line = next((line for line in lines if line.startswith(name)), "")
        yield int(line.removeprefix(name).split()[0]) * unit
