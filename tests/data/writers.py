"""Files in every format, for tests that read them back."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def folder(path: Path, texts, labels):
    path.mkdir()
    for i, text in enumerate(texts):
        (path / f"{i:04}.txt").write_text(text, newline="")


def json_lines(path: Path, texts, labels):
    rows = ({"text": x, "label": y} for x, y in zip(texts, labels, strict=True))
    path.write_text("".join(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows)))


def array(path: Path, texts, labels):
    path.write_text(json.dumps([{"text": x, "label": y} for x, y in zip(texts, labels, strict=True)], indent=1))


def delimited(path: Path, texts, labels):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([("text", "label"), *zip(texts, labels, strict=True)])


def parquet(path: Path, texts, labels):
    pq.write_table(pa.table({"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.string())}), path)


WRITERS = {
    "x.jsonl": json_lines,
    "x.ndjson": json_lines,
    "x.json": json_lines,
    "y.json": array,
    "x.csv": delimited,
    "x.tsv": delimited,
    "x.parquet": parquet,
}


def write(path: Path, texts, labels=None) -> Path:
    """Writes texts and labels in the format that the path's name says."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    WRITERS[plain.name](plain, texts, labels or [None] * len(texts))
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path
