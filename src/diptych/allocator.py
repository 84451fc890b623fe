"""The allocator of glibc, told to keep what is freed: a step asks for the same memory as the step before it.

Otherwise large tensors are pages that the system has to find and clear anew every time. Elsewhere nothing is changed.
Where memory is short, what is free is given back.
"""

import ctypes
import functools

from diptych import headroom

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
    """Gives the system back what is free, where less is left than this process has taken."""
    there, taken = headroom.left(), headroom.taken()
    if there is not None and taken is not None and there < taken:
        release()


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "gnu_get_libc_version") else None
    except OSError:
        return None
