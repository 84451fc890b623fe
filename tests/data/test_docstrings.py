import os
import subprocess
import sys
import time

import pytest

from diptych.data import parsed
from diptych.data.docstrings import docstrings

WORDS = "one two three four five six seven eight nine"
SOURCE = '''
"""Module {n}."""
import nothing_of_this_name
raise SystemExit("imported!")

class A:
    """Class of module {n}.

        Indented.
    Back.
    """
    def method(self):
        r"""Method {n} \\d."""

async def f():
    """Function {n}."""
    if True:
        def g():
            """Inner {n}."""

def without(): pass
def number(): 3
'''


def package(folder, name, documents):
    """A package with modules of many functions, each with a docstring of its own."""
    place = folder.joinpath(*name.split("."))
    place.mkdir(parents=True, exist_ok=True)
    source = "".join(f'def f{i}():\n    """Of {name} {i}: {WORDS}."""\n' for i in range(documents))
    (place / "__init__.py").write_text(source)
    return place


def test_docstrings_of_modules_classes_and_functions_are_found_in_order(tmp_path):
    (tmp_path / "a.py").write_text(SOURCE.replace("{n}", "1"))
    assert parsed.docstrings(str(tmp_path / "a.py")) == [
        "Module 1.",
        "Class of module 1.\n\n    Indented.\nBack.",
        "Method 1 \\d.",
        "Function 1.",
        "Inner 1.",
    ]


@pytest.mark.parametrize(
    "broken",
    [b'def f(:\n """x"""', b'"""\xe9"""', b'"""x"""\0', b'x = """' + b"(" * 10, b"'''" + b"'''" + b"+(" * 100_000],
)
def test_a_file_that_is_not_python_is_none(broken, tmp_path):
    (tmp_path / "a.py").write_bytes(broken)
    assert parsed.docstrings(str(tmp_path / "a.py")) is None
    assert parsed.docstrings(str(tmp_path / "gone.py")) is None


def test_other_encodings_are_read(tmp_path):
    (tmp_path / "a.py").write_bytes('# coding: latin-1\n"""é"""'.encode("latin-1"))
    assert parsed.docstrings(str(tmp_path / "a.py")) == ["é"]


def test_documents_are_labelled_with_two_parts_of_the_module(tmp_path):
    for name in ("a", "a.b", "a.b.c", "z"):
        package(tmp_path, name, 60)
    documents = docstrings(paths=[tmp_path])
    assert list(documents.labels) == ["a"] * 60 + ["a.b"] * 120 + ["z"] * 60
    assert documents.texts[0] == f"Of a 0: {WORDS}."
    assert documents.notes[0].endswith("labelled by module (3 classes)")


def test_what_is_left_out_is_counted(tmp_path):
    package(tmp_path, "a", 60)
    package(tmp_path, "small", 59)
    package(tmp_path, "a.tests", 70)
    package(tmp_path, "not-a-name", 70)
    (tmp_path / "broken.py").write_text('def """')
    (tmp_path / "short.py").write_text('"""Too short."""')
    (tmp_path / "twin.py").write_text((tmp_path / "a" / "__init__.py").read_text())
    documents = docstrings(paths=[tmp_path])
    assert set(documents.labels) == {"a"}
    assert documents.notes[1:] == [
        "1 source file skipped: cannot be parsed",
        "60 docstrings left out: the same as an earlier one",
        "1 docstring left out: of fewer than 10 words",
        "59 docstrings left out: in modules of fewer than 60",
    ]


def test_a_corpus_stays_within_the_limit_by_whole_classes_that_the_seed_chooses(tmp_path):
    for i in range(8):
        package(tmp_path, f"p{i}", 60 + i)
    some = [docstrings(limit=200, seed=seed, paths=[tmp_path]) for seed in (0, 0, 1, 2, 3)]
    assert all(120 < len(documents) <= 200 for documents in some)
    assert some[0].fingerprint == some[1].fingerprint
    assert len({documents.fingerprint for documents in some}) > 2
    assert all(list(x.labels).count(label) == 60 + int(label[1]) for x in some for label in set(x.labels))


def test_very_many_sources_are_not_all_parsed(tmp_path, monkeypatch):
    for i in range(4):
        package(tmp_path, f"p{i}", 60)
    monkeypatch.setattr("diptych.data.docstrings.SOURCE", 15_000)
    documents = docstrings(paths=[tmp_path])
    assert len(set(documents.labels)) < 4
    assert any("not read: there are very many" in note for note in documents.notes)


def test_a_changed_file_is_parsed_again(tmp_path):
    place = package(tmp_path, "a", 60)
    first = docstrings(paths=[tmp_path])
    source = (place / "__init__.py").read_text()
    (place / "__init__.py").write_text(source.replace("Of a 0", "Of a X"))
    os.utime(place / "__init__.py", (1, 1))
    assert docstrings(paths=[tmp_path]).texts[0] != first.texts[0]


def test_no_documented_package_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no document in installed Python packages"):
        docstrings(paths=[tmp_path])


def test_a_worker_that_is_killed_loses_only_the_file_that_killed_it(tmp_path, monkeypatch):
    for i in range(5):
        package(tmp_path, f"p{i}", 60)
    worker = tmp_path / "worker.py"
    worker.write_text(
        f"import os, sys; sys.path.insert(0, {os.path.dirname(parsed.__file__)!r})\nimport parsed\n"
        "real = parsed.docstrings\n"
        "parsed.docstrings = lambda path: os.abort() if 'p3' in path else real(path)\nparsed.main()"
    )
    monkeypatch.setattr(parsed, "__file__", str(worker))
    documents = docstrings(paths=[tmp_path])
    assert sorted(set(documents.labels)) == ["p0", "p1", "p2", "p4"]
    assert "1 source file skipped: cannot be parsed" in documents.notes


def test_a_worker_imports_nothing_but_the_standard_library():
    program = "import runpy, sys; runpy.run_path(sys.argv[1]); print(*sys.modules)"
    call = [sys.executable, "-I", "-S", "-c", program, parsed.__file__]
    modules = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in modules} <= {*sys.stdlib_module_names, "__main__"}


@pytest.mark.parametrize("how", ["-c", "script"])
def test_any_program_may_ask_without_a_main_guard(how, tmp_path):
    package(tmp_path / "packages", "a", 60)
    program = (
        "from diptych.data.docstrings import docstrings\n"
        f"print(len(docstrings(paths=[{str(tmp_path / 'packages')!r}])))"
    )
    (tmp_path / "script.py").write_text(program)
    call = [sys.executable, "-c", program] if how == "-c" else [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("60\n", "")


@pytest.mark.slow
def test_this_machine_has_a_corpus_and_the_second_time_it_is_there_at_once():
    first = docstrings()
    start = time.process_time()
    second = docstrings()
    assert time.process_time() - start < 3
    assert first.fingerprint == second.fingerprint
    assert 2_000 < len(first) <= 30_000
    assert len(set(first.labels)) > 10
    assert len(first.unique()) == len(first)
