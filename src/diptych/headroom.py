"""How much memory is left on a processor, and how much this process has taken; None where the system says nothing."""

import functools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FILES = ("inactive_file", "active_file")  # of memory.stat: copies of files, which a group counts as used


def taken() -> int | None:
    """Bytes that belong to this process alone; files that it maps are not among them."""
    return next(_numbers("/proc/self/status", "RssAnon:", 1024), None)


def left() -> int | None:
    """Bytes of memory that are free, under the limits of this process's groups too; None if nothing tells.

    What only copies a file counts as free.
    """
    found = [*_numbers("/proc/meminfo", "MemAvailable:", 1024)]
    for folder, most, used, total in _groups():
        copies = sum(n for name in FILES for n in _numbers(f"{folder}/memory.stat", f"{total}{name} "))
        found += [a - b + copies for a in _numbers(f"{folder}/{most}") for b in _numbers(f"{folder}/{used}")]
    return min(found, default=None)


@functools.cache
def _groups(file: str = "/proc/self/cgroup") -> tuple[tuple[str, str, str, str], ...]:
    """This process's groups and those above them (cgroup v2 and v1): the folder of each, and what is in it.

    That is the file of its limit, the file of what it uses, and how names in its memory.stat begin. Within a container
    the group's own folder can be what is mounted, whatever its name outside, so the root is looked at in any case.
    """
    found = []
    with suppress(OSError):
        for line in Path(file).read_text().splitlines():
            _, kinds, place = line.split(":", 2)
            for part in (Path(place), *Path(place).parents):
                folder = str(part).rstrip("/")
                if not kinds:
                    found.append((f"/sys/fs/cgroup{folder}", "memory.max", "memory.current", ""))
                elif "memory" in kinds.split(","):
                    v1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
                    found.append((f"/sys/fs/cgroup/memory{folder}", *v1))
    return tuple(found)


def _numbers(file: str, name: str = "", unit: int = 1) -> Iterator[int]:
    """The number that follows a name in a file of the system, if there is one."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path(file).read_text().splitlines()
        line = next((line for line in lines if line.startswith(name)), "")
        yield int(line.removeprefix(name).split()[0]) * unit
