"""Corpora by URL: memory://, file:// and a server of this machine stand for all file systems of fsspec."""

import gzip
import http.server
import itertools
import json
import os
import re
import sys
import threading

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from writers import WRITERS, write

from diptych.data.documents import read

TEXTS = ['A first text. It has é, 你 and "quotes".', "Two\nlines, and\ta tab.", "Three; 3.5 {json}"]
FORMATS = [name + gz for name in WRITERS for gz in ("", ".gz")]
numbers = itertools.count()


@pytest.fixture
def memory(tmp_path):
    """Puts files into a folder of memory://, and gives its URL."""
    url = f"memory://corpus-{next(numbers)}"

    def put(**files):
        for name, content in files.items():
            fsspec.filesystem("memory").pipe(f"{url}/{name}", content)
        return url

    return put


def raw(name, tmp_path, texts=TEXTS, labels=None):
    return write(tmp_path / name, texts, labels).read_bytes()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; `asked` are the parts of them that were asked for."""

    parts = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.server.asked.append((self.path, bool(asked)))
        if not (asked and self.server.parts):
            super().do_GET()
            return
        first, last = map(int, asked.groups())
        with open(self.translate_path(self.path), "rb") as file:
            whole = file.read()
        part = whole[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(whole)}")
        self.end_headers()
        self.wfile.write(part)


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("aiohttp")
    place = tmp_path / "served"
    place.mkdir()
    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=place))
    serving.asked, serving.parts, serving.place = [], True, place
    serving.url = f"http://127.0.0.1:{serving.server_port}"
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()


# ---------------------------------------------------------------- one file


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_the_same_documents_wherever_it_is(name, memory, tmp_path):
    url = f"{memory(**{name: raw(name, tmp_path, TEXTS, ['a', None, 'b'])})}/{name}"
    far, near = read(url), read(tmp_path / name)
    assert list(far.texts) == TEXTS
    assert list(far.labels) == ["a", None, "b"]
    assert (far.fingerprint, far.notes, far.name) == (near.fingerprint, near.notes, near.name)
    assert read(f"file://{tmp_path / name}").fingerprint == near.fingerprint


@pytest.mark.parametrize("parts", [True, False], ids=["parts", "whole files only"])
@pytest.mark.parametrize("name", ["x.jsonl", "x.csv.gz", "x.parquet", "x.parquet.gz"])
def test_a_file_is_read_from_a_server(name, parts, server):
    server.parts = parts
    write(server.place / name, TEXTS * 3000)
    assert list(read(f"{server.url}/{name}").texts) == TEXTS * 3000


def test_a_large_parquet_file_is_read_in_parts_if_the_server_has_them(server):
    write(server.place / "x.parquet", [f"{i} {i * i}" for i in range(1000)])
    read(f"{server.url}/x.parquet")
    assert server.asked
    assert all(part for _, part in server.asked)


def test_a_query_is_neither_a_part_of_the_name_nor_printed(server):
    write(server.place / "x.jsonl", TEXTS)
    documents = read(f"{server.url}/x.jsonl?signature=secret")
    assert documents.notes[0].startswith("3 documents from x.jsonl:")
    (server.place / "x.jsonl").write_text("no json")
    with pytest.raises(ValueError, match=r"/x\.jsonl, line 1 is not JSON") as error:
        read(f"{server.url}/x.jsonl?signature=secret")
    assert "secret" not in str(error.value)


# ---------------------------------------------------------------- many files


def test_a_folder_of_shards_is_one_corpus_in_the_order_of_their_names(memory, tmp_path):
    names = ["part-0", "part-0+", "part-1"]  # not as their URLs are sorted: "/" comes behind "+"
    shards = {f"{x}/x.jsonl": raw("x.jsonl", tmp_path, [text]) for x, text in zip(names, TEXTS, strict=True)}
    url = memory(**shards, **{"README.md": b"read me", ".hidden/x.jsonl": b"no", ".x.jsonl": b"no"})
    documents = read(url)
    assert list(documents.texts) == TEXTS
    assert "1 file not read, of another format (.md)" in documents.notes
    assert documents.name == url.removeprefix("memory://")
    assert list(read(f"{url}/").texts) == TEXTS


@pytest.mark.parametrize("pattern", ["part*/x.jsonl", "**/*.jsonl", "part[0-9]/*"])
def test_a_pattern_names_files_here_and_elsewhere(pattern, memory, tmp_path):
    for i, text in enumerate(TEXTS):
        (tmp_path / f"part{i}" / "folder").mkdir(parents=True)
        write(tmp_path / f"part{i}" / "x.jsonl", [text])
    shards = {f"part{i}/x.jsonl": (tmp_path / f"part{i}" / "x.jsonl").read_bytes() for i in range(3)}
    other = {"other/x.json": b'[{"text": "no"}]', "part0/.x.jsonl": b"no", "part0/.y/x.jsonl": b"no"}
    (tmp_path / "part0" / ".x.jsonl").write_text("no")
    assert list(read(f"{memory(**shards, **other)}/{pattern}").texts) == TEXTS
    assert list(read(tmp_path / pattern).texts) == TEXTS
    assert list(read(f"file://{tmp_path}/{pattern}").texts) == TEXTS
    assert len(read(tmp_path / pattern).notes) == 1


def test_a_pattern_is_taken_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text(TEXTS[i])
    (tmp_path / "[0].txt").write_text("a name that looks like a pattern")
    assert list(read("*[0-2].txt").texts) == TEXTS
    assert list(read("[0].txt").texts) == ["a name that looks like a pattern"]
    with pytest.raises(FileNotFoundError, match=r"no file that \*\.csv names"):
        read("*.csv")


def test_a_folder_and_a_pattern_are_read_from_a_page_that_lists_them(server):
    for i, text in enumerate(TEXTS):
        write(server.place / "x.jsonl", [text]).rename(server.place / f"{i}.jsonl")
    assert list(read(f"{server.url}/").texts) == TEXTS
    assert list(read(f"{server.url}/[01].jsonl").texts) == TEXTS[:2]


# ---------------------------------------------------------------- what changes


def test_what_has_not_changed_is_not_read_again(server):
    write(server.place / "x.jsonl", TEXTS)
    read(f"{server.url}/x.jsonl")
    server.asked.clear()
    assert list(read(f"{server.url}/x.jsonl").texts) == TEXTS
    assert server.asked == []


def test_what_has_changed_is_read_again_also_at_the_same_size(server, memory):
    write(server.place / "x.jsonl", ["old"])
    url = memory(**{"x.jsonl": (server.place / "x.jsonl").read_bytes()})
    places = (f"{url}/x.jsonl", f"{url}/*", url, f"{server.url}/x.jsonl", f"{server.url}/")
    assert {read(place).texts[0] for place in places} == {"old"}
    write(server.place / "x.jsonl", ["new"])
    os.utime(server.place / "x.jsonl", (1e9, 1e9))  # servers tell whole seconds
    memory(**{"x.jsonl": (server.place / "x.jsonl").read_bytes()})
    assert {read(place).texts[0] for place in places} == {"new"}


def test_a_shard_more_is_seen(memory, monkeypatch):
    forgotten = []
    monkeypatch.setattr(MemoryFileSystem, "invalidate_cache", lambda self, path=None: forgotten.append(path))
    url = memory(**{"a.jsonl": b'{"text": "one"}'})
    assert len(read(url)) == 1
    assert forgotten == [None]
    memory(**{"b.jsonl": b'{"text": "two"}'})
    assert list(read(url).texts) == ["one", "two"]


# ---------------------------------------------------------------- what goes wrong


def test_what_is_not_there_is_named(memory, server):
    url = memory(**{"x.jsonl": b"{}"})
    with pytest.raises(FileNotFoundError, match=rf"no file or folder {url}/gone\.jsonl"):
        read(f"{url}/gone.jsonl")
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*\*\.csv"):
        read(f"{url}/*.csv")
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*/gone\.jsonl: .*404") as error:
        read(f"{server.url}/gone.jsonl?key=secret")
    assert "secret" not in str(error.value)
    server.server_close()
    with pytest.raises(FileNotFoundError, match=r"/x\.jsonl: Client"):
        read(f"{server.url}/x.jsonl")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(ImportError, match=r"s3://bucket/x\.parquet needs a package that is not installed: .*s3fs"):
        read("s3://bucket/x.parquet")
    with pytest.raises(ImportError, match=r"https://host/x\.jsonl needs .*aiohttp.*diptych\[http\]"):
        read("https://user:secret@host/x.jsonl")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nosuch://x.jsonl", "no URL that can be read: Protocol not known"),
        ("simplecache::memory://x.jsonl", "or a chain of file systems"),
        ("zip://x.jsonl", "in an archive"),
    ],
)
def test_what_is_no_url_of_files_is_refused(url, why):
    with pytest.raises(ValueError, match=why):
        read(url)


def test_an_unknown_format_is_answered_with_the_known_ones(memory):
    url = memory(**{"x.docx": b"x"})
    with pytest.raises(ValueError, match=r"x\.docx is of no known format.*\.parquet"):
        read(f"{url}/x.docx")
    with pytest.raises(ValueError, match=r"no document in .*none of its 1 file"):
        read(url)


def test_a_connection_that_breaks_is_an_error_that_names_the_file(server, monkeypatch, cache_folder):
    """Half of a file is no corpus."""
    lines = "".join(json.dumps({"text": f"{i} {'word ' * 50}"}) + "\n" for i in range(20_000))
    (server.place / "x.jsonl").write_text(lines)

    def half(self, source, out):
        out.write(source.read(len(lines) // 2))
        self.close_connection = True

    monkeypatch.setattr(Handler, "copyfile", half)
    with pytest.raises(OSError, match=r"http://.*/x\.jsonl cannot be read: ClientPayloadError"):
        read(f"{server.url}/x.jsonl")
    assert list((cache_folder / "documents").iterdir()) == []


def test_a_file_of_text_that_cannot_be_reached_is_not_skipped(memory, monkeypatch):
    url = memory(**{"a.txt": b"one", "b.txt": b"two"})
    opened = MemoryFileSystem.open

    def broken(self, path, *args, **kwargs):
        if path.endswith("b.txt"):
            raise ConnectionError("gone")
        return opened(self, path, *args, **kwargs)

    monkeypatch.setattr(MemoryFileSystem, "open", broken)
    with pytest.raises(OSError, match=r"b\.txt cannot be read: ConnectionError: gone"):
        read(url)


def test_a_truncated_gz_is_named(memory, tmp_path):
    whole = gzip.compress(raw("x.jsonl", tmp_path, TEXTS * 1000))
    url = memory(**{"x.jsonl.gz": whole[: len(whole) // 2]})
    with pytest.raises(ValueError, match=r"x\.jsonl\.gz is not a whole gzip file"):
        read(f"{url}/x.jsonl.gz")
