import multiprocessing
import os
import time

import pytest

from diptych.data import cache


def test_an_entry_is_made_once(cache_folder):
    made = []

    def fill(folder):
        made.append(folder)
        (folder / "x").write_text("1")

    first, second = cache.entry("kind", "name", fill), cache.entry("kind", "name", fill)
    assert first == second == cache_folder / "kind" / "name"
    assert (first / "x").read_text() == "1"
    assert len(made) == 1


def test_an_entry_that_fails_leaves_nothing(cache_folder):
    def fill(folder):
        (folder / "half").write_text("1")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        cache.entry("kind", "name", fill)
    assert list((cache_folder / "kind").iterdir()) == []


def test_of_two_processes_that_make_the_same_entry_both_get_a_whole_one():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_slow, range(2)) == ["ab", "ab"]


def _slow(_):
    def fill(folder):
        (folder / "a").write_text("a")
        time.sleep(0.2)
        (folder / "b").write_text("b")

    place = cache.entry("kind", "same", fill)
    return "".join((place / name).read_text() for name in "ab")


def test_what_a_killed_process_left_behind_is_removed_after_a_day(cache_folder):
    old, new = cache_folder / "kind" / ".new-old", cache_folder / "kind" / ".new-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    cache.entry("kind", "name", lambda folder: None)
    assert not old.exists()
    assert new.exists()


def test_a_cache_that_cannot_be_written_says_which_variable_moves_it(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="DIPTYCH_CACHE"):
        cache.entry("kind", "name", lambda folder: None)


def test_keys_know_where_their_parts_end():
    assert cache.key("ab", "c") != cache.key("a", "bc")
    assert len(cache.key("x")) == 32


def test_what_somebody_is_still_at_is_left_alone_whatever_the_clock_says(cache_folder, monkeypatch):
    monkeypatch.setattr(cache, "ABANDONED", -1e9)

    def fill(folder):
        (folder / "half").write_text("half")
        cache.entry("kind", "other", lambda other: (other / "file").write_text("other"))
        assert (folder / "half").exists()

    assert (cache.entry("kind", "name", fill) / "half").read_text() == "half"
