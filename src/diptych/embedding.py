"""A corpus to embeddings on disk: in parts that survive an interruption, and from these to files."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from diptych.core import Encoder
from diptych.data.stored import Stored
from diptych.encoders.folder import adapted, locate
from diptych.runs import held, whole, write_json
from diptych.train import processes


class Corpus(Protocol):
    """Documents or pictures, in an order."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def items(self) -> Sequence[Any]: ...

    def __len__(self) -> int: ...


Beside = tuple[str, Sequence[str]]  # a column's name, and what it says of each
PART = 8192  # documents that are embedded between two writes
JOB = "job.json"  # says what the parts beside it are of
FORMATS = (".npy", ".parquet", ".jsonl")


def fingerprint(model: str | Path) -> str:
    """A hash of the files of a model's folder; of an adapter, also of those of the network it is for."""
    digest, folder = hashlib.blake2b(digest_size=16), locate(model)
    if base := adapted(folder):
        digest.update(fingerprint(base).encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".json", ".safetensors", ".txt")):
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def apart(out: Path, source: str) -> None:
    """Raises ValueError if a file that is to be written is one of those that are read."""
    there, file = Path(source).resolve(), out.resolve()
    if file.exists() and (file == there or there in file.parents):
        raise ValueError(f"{out} is read as a part of {source}, and would be lost; choose another --out")


def parts(
    encoder: Encoder,
    documents: Corpus,
    folder: Path,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> list[Path]:
    """Embeds documents into `folder/00000.npy`, ...; float32, PART rows each. Those there are kept if they are whole.

    Several processes take turns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made, world = [], processes.world()
    for number, start in enumerate(range(0, len(documents), PART)):
        path = folder / f"{number:05}.npy"
        rows = min(PART, len(documents) - start)
        if number % world.size == world.rank and not _holds(path, (rows, encoder.dim)):
            vectors = encoder.encode(documents.items[start : start + rows])
            with whole(path) as part:
                write_npy(part, vectors.shape, [vectors])
        made.append(path)
        watch(start + rows, len(documents))
    world.wait()
    return made


def _holds(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a file is an array of float32 of that shape."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        return bool(found.shape == shape and found.dtype == np.float32)
    except Exception:  # NumPy says in many ways that a file is none
        return False


def check(out: Path, shard: int = 1_000_000, text: bool = False) -> None:
    """Raises ValueError for what `embed` cannot write."""
    if out.suffix not in FORMATS:
        raise ValueError(f"--out ends in {', '.join(FORMATS)}; got {out}")
    if out.is_dir():
        raise ValueError(f"--out names a file, and {out} is a folder")
    if text and out.suffix == ".npy":
        raise ValueError(f"a .npy file holds numbers alone; for --text, --out ends in .parquet or .jsonl; got {out}")
    if shard < 1:
        raise ValueError(f"--shard is a number of documents, 1 or more; got {shard}")


def embed(
    model: str | Path,
    encoder: Encoder,
    documents: Corpus,
    out: Path,
    *,
    shard: int = 1_000_000,
    text: bool = False,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> list[Path]:
    """Writes the embeddings of a corpus to `out` (.npy, .parquet or .jsonl), in the order of its documents.

    More than `shard` documents go to OUT-00000-of-00003 and so on. An interrupted call goes on where it
    stopped when it is repeated. Parquet and jsonl hold beside the vectors where each picture or graph is from, and the
    texts with `text`.

    Raises ValueError as `check` does, or if the parts left in `OUT.parts` are of another model or corpus,
    BlockingIOError if another process is writing them, and OSError if they cannot be written.
    """
    check(out, shard, text)
    scratch, world = out.with_name(f"{out.name}.parts"), processes.world()
    if world.first:
        same_job(scratch, {"model": fingerprint(model), "corpus": documents.fingerprint})
    with held(scratch, name=JOB) if world.first else nullcontext():
        world.wait()
        made = parts(encoder, documents, scratch, watch)
        written = _written(out, made, documents, encoder.dim, shard, _beside(documents, text))
        world.wait()
        if world.first:
            shutil.rmtree(scratch)
    return written


def _beside(documents: Corpus, text: bool) -> Beside | None:
    if isinstance(documents, Stored):
        return (documents.noun, documents.origins) if documents.told else None
    return ("text", documents.items) if text else None


def _written(out: Path, made: list[Path], documents: Corpus, dim: int, shard: int, beside: Beside | None) -> list[Path]:
    """The files that hold the embeddings; several processes take turns."""
    count, world, written = -(-len(documents) // shard), processes.world(), []
    for number in range(count):
        path = out if count == 1 else out.with_stem(f"{out.stem}-{number:05}-of-{count:05}")
        rows = range(number * shard, min(len(documents), (number + 1) * shard))
        if number % world.size == world.rank:
            with whole(path) as part:
                _write(part, rows, made, dim, beside)
        written.append(path)
    return written


def same_job(scratch: Path, job: dict[str, str]) -> None:
    """Marks a folder of parts as those of a job. Raises ValueError if they are of another."""
    told = scratch / JOB
    if not told.exists():
        write_json(told, job)
    elif (there := _read(told)) != job:
        known = there if isinstance(there, dict) else {}
        other = " and ".join(name for name, x in job.items() if known.get(name) != x) or "job"
        raise ValueError(f"{scratch} holds the parts of another {other}; remove it, or choose another --out")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _blocks(rows: range, made: Sequence[Path]) -> Iterator[tuple[range, Float[np.ndarray, "n d"]]]:
    """The embeddings of consecutive documents, a part at a time."""
    start = rows.start
    while start < rows.stop:
        number, offset = divmod(start, PART)
        end = min(rows.stop, (number + 1) * PART)
        yield range(start, end), np.load(made[number], mmap_mode="r")[offset : offset + end - start]
        start = end


def _write(path: Path, rows: range, made: Sequence[Path], dim: int, beside: Beside | None) -> None:
    blocks = _blocks(rows, made)
    if path.suffix == ".npy":
        write_npy(path, (len(rows), dim), (vectors for _, vectors in blocks))
    elif path.suffix == ".jsonl":
        with path.open("w") as file:
            for place, vectors in blocks:
                for i, vector in zip(place, vectors, strict=True):
                    told: dict[str, Any] = {"document": i, "embedding": vector.tolist()}
                    file.write(json.dumps(told | ({beside[0]: beside[1][i]} if beside else {})) + "\n")
    else:
        _write_parquet(path, blocks, dim, beside)


def write_npy(path: Path, shape: tuple[int, ...], blocks: Iterable[Float[np.ndarray, "n d"]]) -> None:
    """Rows of float32, a block at a time; not memory-mapped, where a full disk would end the process."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for vectors in blocks:
            file.write(np.ascontiguousarray(vectors, "<f4").data)


def _write_parquet(
    path: Path,
    blocks: Iterator[tuple[range, Float[np.ndarray, "n d"]]],
    dim: int,
    beside: Beside | None,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [("document", pa.int64()), *([(beside[0], pa.large_string())] if beside else [])]
    schema = pa.schema([*columns, ("embedding", pa.list_(pa.float32(), dim))])
    with pq.ParquetWriter(path, schema) as writer:
        for place, vectors in blocks:
            flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
            table = {
                "document": pa.array(list(place)),
                "embedding": pa.FixedSizeListArray.from_arrays(flat, dim),
            }
            if beside:
                table[beside[0]] = pa.array(beside[1][place.start : place.stop], pa.large_string())
            writer.write_table(pa.table([table[name] for name in schema.names], schema=schema))
