"""What is costly to make and follows from content alone is made once and kept on disk.

An entry is a folder `<cache>/<kind>/<key>`, where the key is a hash of everything its content depends
on. It appears whole or not at all, whoever else is making the same one.
"""

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import platformdirs

try:
    import fcntl
except ImportError:  # Windows: unfinished entries are not locked there
    fcntl = None  # type: ignore[assignment]

ABANDONED = 24 * 3600.0  # seconds after which an unfinished entry belongs to nobody


def folder() -> Path:
    """The cache: `DIPTYCH_CACHE` if it is set, else the place that the system gives to caches."""
    return Path(os.environ.get("DIPTYCH_CACHE") or platformdirs.user_cache_dir("diptych"))


def key(*parts: str | np.ndarray) -> str:
    """A name for what depends on these parts, and on their order; of arrays their bytes count."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else np.ascontiguousarray(part).data
        digest.update(memoryview(raw).nbytes.to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()


def entry(kind: str, name: str, fill: Callable[[Path], None]) -> Path:
    """The folder of an entry; if there is none yet, `fill` writes its files into a new one.

    Raises OSError if the cache cannot be written; what was begun is then removed.
    """
    place = folder() / kind / name
    if place.is_dir():
        return place
    new = _new(place)
    try:
        with _held(new):
            fill(new)
            _publish(new, place)
    except OSError as error:
        if error.filename or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise _cannot_write(place.parent, error) from error  # pyarrow does not say where a disk is full
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return place


def _new(place: Path) -> Path:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place.parent)
        return Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    except OSError as error:
        raise _cannot_write(place.parent, error) from error


def _cannot_write(folder: Path, error: OSError) -> OSError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    told = f"the cache cannot be written ({reason}); DIPTYCH_CACHE names another folder"
    return OSError(error.errno, told, str(folder))


def _publish(new: Path, place: Path) -> None:
    try:
        new.rename(place)
    except OSError:
        if not place.is_dir():  # else another process made the same entry first
            raise


def _sweep(kind: Path) -> None:
    """Removes what killed processes left behind."""
    for left in kind.glob(".new-*"):
        try:
            if time.time() - left.stat().st_mtime > ABANDONED:
                with _held(left):
                    shutil.rmtree(left, ignore_errors=True)
        except OSError:  # it is gone, or somebody is at it, whatever the clock says
            continue


@contextmanager
def _held(unfinished: Path) -> Iterator[None]:
    """Marks an entry as one that somebody is at. Raises BlockingIOError if somebody else is."""
    if fcntl is None:
        yield
        return
    file = os.open(unfinished, os.O_RDONLY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a disk without locks
            pass
        yield
    finally:
        os.close(file)
