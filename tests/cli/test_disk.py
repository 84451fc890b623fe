"""A disk that is full, or a place that cannot be written: one clear error that names it, and nothing half written."""

import resource
from contextlib import contextmanager

import pytest

SMALL = ("--dim", 64, "--vocabulary", 200, "--steps", 12, "--batch", 16)


@contextmanager
def room(size):
    """While open, a file has at most that many bytes; the error is like that of a full disk."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


@pytest.fixture
def full(diptych):
    """A call on a disk whose files can have a few bytes: the error, whose path was {named}."""

    def call(size, *tokens):
        with room(size):
            code, out, err = diptych(*tokens)
        assert (code, out) == (1, ""), err
        return err

    return call


@pytest.mark.parametrize(("size", "named"), [(300, "new/run.toml"), (4_000, "new/start"), (60_000, "new:")])
def test_a_full_disk_while_training_is_named_and_the_run_can_be_finished(
    diptych, full, run, corpus, tmp_path, size, named
):
    call = ("train", "crop", "--corpus", corpus, "--out", tmp_path / "new", *SMALL)
    err = full(size, *call)
    assert f"{tmp_path}/{named}" in err
    assert "free space there" in err
    assert not [path for path in (tmp_path / "new").rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
    again = ("train", "--resume", tmp_path / "new") if (tmp_path / "new" / "run.toml").exists() else call
    assert diptych(*again)[0] == 0


@pytest.mark.parametrize("ending", [".npy", ".parquet", ".jsonl"])
def test_a_full_disk_while_embedding_is_named_and_the_call_can_be_repeated(
    diptych, full, run, corpus, ending, monkeypatch
):
    monkeypatch.setattr("diptych.embedding.PART", 10)  # so that a part is smaller than the whole
    out = run.parent / f"v{ending}"
    assert f"{out}: cannot be written" in full(1_000, "embed", run, corpus, "--out", out)
    assert not out.exists()
    assert diptych("embed", run, corpus, "--out", out)[0] == 0


@pytest.mark.parametrize(("size", "place"), [(100, "documents"), (1_000, "index")])
def test_a_full_disk_under_the_cache_is_named_with_its_variable(
    diptych, full, run, corpus, cache, monkeypatch, size, place
):
    if place == "documents":
        monkeypatch.setenv("DIPTYCH_CACHE", str(cache / "new"))
    err = full(size, "search", run, corpus, "tide")
    assert str(cache) in err
    assert f"/{place}" in err
    assert "DIPTYCH_CACHE" in err
    assert diptych("search", run, corpus, "tide")[0] == 0


@pytest.mark.parametrize("command", ["train", "embed", "compare"])
def test_a_place_that_cannot_be_written_is_named(diptych, run, corpus, tmp_path, command):
    (tmp_path / "file").write_text("not a folder")
    out = tmp_path / "file" / {"train": "run", "embed": "v.npy", "compare": "c.html"}[command]
    given = {"train": ("crop", "--corpus", corpus, *SMALL), "embed": (run, corpus), "compare": (run,)}[command]
    code, _, err = diptych(command, *given, "--out", out)
    assert code in (1, 2)
    assert f"{out}" in err
    assert "choose another place" in err
