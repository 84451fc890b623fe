"""A hub of Hugging Face on this machine: what `datasets` asks of it, answered from folders."""

import hashlib
import http.server
import json
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(http.server.BaseHTTPRequestHandler):
    """Repositories are folders `owner/name`; every revision is the one commit."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self.answer(json.loads(self.rfile.read(length) or b"{}"))

    def answer(self, body=None):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"]:
            self.api("/".join(parts[2:4]), parts[4:], body)
        elif parts[0] == "datasets" and parts[3] == "resolve":
            self.file(self.server.place / parts[1] / parts[2] / "/".join(parts[5:]))
        else:
            self.none()

    def api(self, name, rest, body):
        place = self.server.place / name
        if not place.is_dir():
            self.none("RepoNotFound")
            return
        files = [file for file in sorted(place.rglob("*")) if file.is_file()]
        if not rest or rest[0] == "revision":
            siblings = [{"rfilename": str(file.relative_to(place))} for file in files]
            about = {"_id": "0", "id": name, "sha": COMMIT, "private": False, "disabled": False, "gated": False}
            self.json(about | {"downloads": 0, "likes": 0, "tags": [], "siblings": siblings})
        elif rest[0] == "tree":
            under = place.joinpath(*rest[2:])
            there = [file for file in files if under in file.parents]
            folders = sorted({x for file in there for x in file.parents if under in x.parents})
            self.json([entry(x, place) for x in [*folders, *there]] if under.is_dir() else [])
        elif rest[0] == "paths-info":
            asked = [place / path for path in body["paths"]]
            self.json([entry(x, place) for x in asked if x.exists()])
        else:
            self.none()

    def file(self, file):
        if not file.is_file():
            self.none("EntryNotFound")
            return
        whole = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(whole)))
        self.send_header("ETag", f'"{oid(file)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(whole)

    def json(self, answer):
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def none(self, why="EntryNotFound"):
        self.send_response(404)
        self.send_header("X-Error-Code", why)
        self.send_header("Content-Length", "0")
        self.end_headers()


def entry(path, place):
    kind, size = ("directory", 0) if path.is_dir() else ("file", path.stat().st_size)
    return {"type": kind, "oid": oid(path), "size": size, "path": str(path.relative_to(place))}


def oid(path):
    return hashlib.sha1(path.read_bytes() if path.is_file() else str(path).encode()).hexdigest()


@contextmanager
def serving(place: Path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.place, server.asked = place, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
