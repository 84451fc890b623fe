"""Files that a URL names, by `fsspec`: on another machine, in a bucket, in memory. They are read as they come."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from diptych.data import cache

BLOCK = 1 << 20  # bytes that are asked for at once
PATIENCE = 60  # seconds without a byte after which a server counts as gone
WEB = ("http", "https")
ARCHIVES = ("zip", "tar", "libarchive")
PATTERN = re.compile(r"[*\[]")  # "?" begins the query of a URL
MARKS = {
    *("etag", "md5", "md5hash", "contentmd5", "digest", "checksum", "crc32c", "sha", "sha256", "blobid"),
    *("mtime", "modify", "modified", "lastmodified", "lastwritetime", "updated", "created", "generation", "versionid"),
}  # what file systems call that which changes when a file does


class UnreachableError(OSError):
    """A file that is there could not be read this time; another try may read it."""


@dataclass(frozen=True)
class Remote:
    """A file of an `fsspec` file system, with the part of a `Path` that readers need.

    `state` changes when the file does: its size with the etag, checksum or time of change that the file
    system tells. Where it tells none of these, a change that keeps the size goes unseen.
    """

    system: Any
    path: str
    size: int
    state: str

    def __str__(self) -> str:
        """The URL, without a query, a user or a password."""
        return shown(self.system.unstrip_protocol(self.path))

    @property
    def name(self) -> str:
        return named(str(self))

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    def exists(self) -> bool:
        return True

    is_file = exists

    def is_dir(self) -> bool:
        return False

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes from the first to the last, of which a block is in memory. Raises UnreachableError."""
        return self._opened({"block_size": 0} if urlsplit(self.path).scheme in WEB else {})

    def seekable(self) -> BinaryIO | None:
        """Its bytes in any order; None where the server only gives them from the first to the last."""
        raw = self._opened({})
        try:
            raw.seek(-1, io.SEEK_END)
            raw.read(1)
            raw.seek(0)
        except ValueError:
            raw.close()
            return None
        return raw

    def _opened(self, how: Mapping[str, Any]) -> BinaryIO:
        with _named(str(self)):
            return io.BufferedReader(_Bytes(self.system.open(self.path, "rb", **how), str(self)), BLOCK)


class _Bytes(io.RawIOBase):
    """The bytes of an open file. What goes wrong on the way is an UnreachableError that names it."""

    def __init__(self, file: Any, name: str):
        self._file, self._name = file, name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(place, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with _named(self._name):
            read = self._file.read(len(buffer))
        buffer[: len(read)] = read
        return len(read)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def is_url(path: str) -> bool:
    """Whether it names a file system first: `s3://`, `https://`, `file://` ..."""
    return re.match(r"[a-z][a-z0-9+.-]*(::|://)", path) is not None


def shown(url: str) -> str:
    """A URL without its query, user and password: what may be printed."""
    parts = urlsplit(url)
    if parts.scheme in WEB:
        url = parts._replace(query="", fragment="").geturl()
    return url.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else url


def named(url: str) -> str:
    """The last part of a URL."""
    return PurePosixPath(shown(url).partition("://")[2]).name or shown(url)


def connect(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path within it.

    Raises ImportError that names the package that is missing for it, ValueError for what is no file system.
    """
    from fsspec.core import url_to_fs

    scheme = url.partition("://")[0]
    if "::" in url or scheme in ARCHIVES:
        raise ValueError(f"{shown(url)} is in an archive or a chain of file systems; unpack it, and name its files")
    with _named(shown(url)):
        try:
            system, path = url_to_fs(url, **(_web() if scheme in WEB else {}))
        except ImportError as error:
            raise ImportError(f"{shown(url)} needs a package that is not installed: {error}") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"{shown(url)} is no URL that can be read: {error}") from error
        system.invalidate_cache()
        return system, path


def _web() -> dict[str, Any]:
    """No limit on the time of a whole file, and the bytes of files as they are."""
    try:
        from aiohttp import ClientTimeout
    except ImportError:
        raise ImportError("aiohttp (pip install 'diptych[http]')") from None
    timeout = ClientTimeout(total=None, sock_connect=PATIENCE, sock_read=PATIENCE)
    return {"client_kwargs": {"timeout": timeout, "headers": {"Accept-Encoding": "identity"}}}


def found(url: str) -> tuple[list[Remote], bool]:
    """The files that a URL names, in the order of their names; and whether it names many.

    It is a file, a folder (of the web: with a slash at its end, and a page that lists it), or a pattern with
    `*`, `**` or `[...]`. Hidden files (`.name`) are left out.

    Raises FileNotFoundError if there is nothing, UnreachableError, and what `connect` raises.
    """
    system, path = connect(url)
    with _named(shown(url)):
        if pattern := PATTERN.search(path):
            folder, there = path[: pattern.start()].rpartition("/")[0], system.glob(path, detail=True)
        else:
            info = system.info(path)
            if info["type"] == "file" and not url.endswith("/"):
                return [_remote(system, path, info)], False
            folder, there = path.rstrip("/"), system.find(path, detail=True)
        files = [x for x, info in there.items() if info["type"] == "file" and "/." not in x[len(folder) :]]
        if not files:
            raise FileNotFoundError
        return [_remote(system, x, there[x]) for x in sorted(files, key=lambda x: x.split("/"))], True


def _remote(system: Any, path: str, info: Mapping[str, Any]) -> Remote:
    if info.get("size") is None:  # a list of names alone
        info = system.info(path)
    told = {re.sub("[^a-z0-9]", "", name.lower()): value for name, value in info.items()}
    marks = [f"{name}={told[name]}" for name in sorted(MARKS & told.keys())] or [str(system.ukey(path))]
    return Remote(system, path, info.get("size") or 0, " ".join([f"size={info.get('size')}", *marks]))


def digest(files: Iterable[Remote], url: str) -> str:
    """A hash of the URL that named the files, and of their paths and states; they are not read for it."""
    return cache.key(url, *(part for file in files for part in (file.path, file.state)))


@contextmanager
def _named(url: str) -> Iterator[None]:
    """Errors of a file system name the URL; a ValueError says what it cannot do at all, and stays."""
    try:
        yield
    except (ImportError, ValueError):
        raise
    except FileNotFoundError as error:
        why = f": {_told(error.__cause__)}" if error.__cause__ else ""
        raise FileNotFoundError(f"there is no file or folder {url}{why}") from error
    except Exception as error:
        raise UnreachableError(f"{url} cannot be read: {_told(error)}") from error


def _told(error: BaseException) -> str:
    """What an error says, without the queries, users and passwords of the URLs in it."""
    return re.sub(r"(?<=//)[^/@\s]*@|\?[^\s'\")]*", "", f"{type(error).__name__}: {error}")
