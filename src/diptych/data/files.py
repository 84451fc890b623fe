"""Files of text as they come: compressed or not, in whatever encoding."""

import codecs
import glob
import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from diptych.core import DataError
from diptych.data.remote import Remote

File = Path | Remote
HEAD = 8192  # bytes in which a file shows what it is
BLOCK = 1 << 20
MARKS = [  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


codecs.register_error("lone surrogate", lambda error: ("\udcff", error.end))  # type: ignore[attr-defined]


class BinaryFileError(DataError):
    """A file that should be text is none."""


def below(folder: Path) -> list[Path]:
    """All files in a folder and the folders in it, sorted, but for hidden ones (`.name`).

    Folders that were not gone into, for they are links or cannot be opened, are among them.
    """
    found: list[Path] = []

    def closed(error: OSError) -> None:
        if error.filename == str(folder):
            raise error
        found.append(Path(error.filename))

    for place, folders, names in os.walk(folder, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(place, name).is_symlink()]
        found += [Path(place, name) for name in [*names, *links] if not name.startswith(".")]
    return sorted(found, key=lambda file: file.relative_to(folder).parts)


def matching(pattern: Path) -> tuple[list[Path], Path]:
    """The files that a pattern (`*`, `**`, `?`, `[...]`) names, sorted as in `below`, and the folder they are in.

    Raises FileNotFoundError if there is none.
    """
    folder = next(x for x in pattern.parents if not glob.has_magic(str(x)))
    found = [Path(name) for name in glob.iglob(str(pattern), recursive=True)]
    files = sorted((file for file in found if not file.is_dir()), key=lambda file: file.relative_to(folder).parts)
    if not files:
        raise FileNotFoundError(f"there is no file that {pattern} names")
    return files, folder


def size(file: File) -> int:
    """Bytes of a file."""
    return file.size if isinstance(file, Remote) else file.stat().st_size


def special(path: File) -> bool:
    """Whether it is a pipe, a socket or a device: what can be read once, or never ends."""
    return path.exists() and not (path.is_file() or path.is_dir())


def packed(path: File) -> bool:
    """Whether its name says that it is compressed."""
    return path.suffix.lower() == ".gz"


def ending(path: File) -> str:
    """The suffix that says what it holds, in small letters, whether it is compressed or not."""
    return Path(path.stem if packed(path) else path.name).suffix.lower()


def shown(name: str) -> str:
    """A file's name as Unicode: bytes in it that are not UTF-8 are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def digest(files: Iterable[Path], root: Path) -> str:
    """A hash of the files' names below `root` and of their bytes. Files that cannot be read count as such."""
    whole = hashlib.blake2b(digest_size=16)
    for file in files:
        one = hashlib.blake2b(digest_size=16)
        try:
            with open(file, "rb") as raw:
                while block := raw.read(BLOCK):
                    one.update(block)
        except OSError as error:
            if file == root:
                raise
            one.update(repr(error.errno).encode())
        name = os.fsencode(file.relative_to(root))
        whole.update(len(name).to_bytes(8, "little") + name + one.digest())
    return whole.hexdigest()


@contextmanager
def whole_gzip(path: File) -> Iterator[None]:
    """Names the file when it turns out to be damaged while it is decompressed."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a whole gzip file ({error}); was it copied completely?") from error


@contextmanager
def unpacked(path: File) -> Iterator[Any]:
    """The bytes of a file, decompressed if its name ends in .gz."""
    with path.open("rb") as raw:
        if not packed(path):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield file


@contextmanager
def opened(path: File, newline: str | None = None) -> Iterator[TextIO]:
    """The text of a file, decompressed if its name ends in .gz.

    It is UTF-8 unless a byte order mark says UTF-16 or UTF-32. Bytes that are none of it come as lone
    surrogates (`surrogateescape`), so that they can be counted. `newline` is that of `open`.

    Raises BinaryFileError if it is no text, ValueError for a damaged .gz, OSError if it cannot be read.
    """
    with whole_gzip(path), unpacked(path) as raw:
        encoding = _encoding(path, raw.peek(HEAD)[:HEAD])
        errors = "surrogateescape" if encoding.startswith("utf-8") else "lone surrogate"
        yield io.TextIOWrapper(raw, encoding, errors, newline)


def _encoding(path: File, head: bytes) -> str:
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise BinaryFileError(f"{path} is a binary file (it holds zero bytes); text is expected")
    return "utf-8"
