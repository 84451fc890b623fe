"""Who may know whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "diptych"
ROOMS = {
    "headroom": set(),
    "allocator": {"headroom"},
    "core": {"allocator", "citations"},
    "citations": set(),
    "draws": set(),
    "plural": set(),
    "labels": set(),
    "measure": set(),
    "tokens": set(),
    "pictures": set(),
    "graphs": set(),
    "called": set(),
    "data": {"measure", "tokens", "pictures", "graphs"},
    "views": {"measure", "pictures"},
    "encoders": {"allocator", "measure", "tokens", "pictures", "graphs"},
    "evaluate": {"measure", "data", "pictures", "graphs"},
    "objectives": {"measure"},
    "instruments": {"measure", "runs"},
    "train": {"allocator", "headroom"},
    "runs": set(),
    "checks": {"measure", "data", "encoders", "evaluate", "train"},
    "report": {"runs", "measure"},
    "recipes": {
        "measure",
        "tokens",
        "pictures",
        "graphs",
        "data",
        "views",
        "encoders",
        "evaluate",
        "objectives",
        "instruments",
        "train",
        "runs",
    },
}
CORE = sorted((SOURCE / "core").glob("*.py"))
# its files; each may know those before it
WORDS = (
    "samples",
    "views",
    "encoded",
    "precision",
    "cuts",
    "encoder",
    "hidden",
    "hooks",
    "model",
    "objective",
    "instrument",
    "optimiser",
    "teacher",
    "method",
    "machine",
)
# these put the rooms together
FREE = {
    "__init__",
    "__main__",
    "cli",
    "fitting",
    "judging",
    "embedding",
    "index",
    "mining",
    "analysis",
    "doctor",
    "choosing",
    "gallery",
}
LATE = {
    "transformers",
    "sentence_transformers",
    "sklearn",
    "matplotlib",
    "openTSNE",
    "py3langid",
    "datasets",
    "peft",
    "mteb",
    "PIL",
    "torch_geometric",
    "networkx",
}


def imports(path):
    """The modules a file imports, and whether it does so at its top."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((f"{node.module}.{alias.name}", id(node) in top) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)


def rooms():
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).parts[0].removesuffix(".py"), path


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=lambda x: str(x).removeprefix(str(SOURCE)))
def test_a_room_imports_only_what_it_may(room, path):
    if room in FREE:
        return
    allowed = ROOMS[room] | {room, "core", "draws", "plural", "labels", "called"}
    named = [name.split(".")[1] for name, _ in imports(path) if name.startswith("diptych.")]
    assert not [name for name in named if name not in allowed]


def test_what_core_imports_knows_nothing_of_core():
    named = {name.split(".")[1] for path in CORE for name, _ in imports(path) if name.startswith("diptych.")} - {"core"}
    assert {"draws", "citations", "allocator"} <= named
    for room in named:
        found = {name for name, _ in imports(SOURCE / f"{room}.py") if name.startswith("diptych.")}
        assert not {name for name in found if name.split(".")[1] == "core"}, room


def test_core_is_read_in_one_direction():
    assert {path.stem for path in CORE} == {*WORDS, "__init__"}
    for path in CORE:
        if path.stem != "__init__":
            known = WORDS[: WORDS.index(path.stem)]
            named = [name.split(".")[2] for name, _ in imports(path) if name.startswith("diptych.core.")]
            assert not [name for name in named if name not in known], path.stem


@pytest.mark.parametrize(("room", "path"), list(rooms()), ids=lambda x: str(x).removeprefix(str(SOURCE)))
def test_heavy_packages_are_imported_by_what_needs_them_when_it_needs_them(room, path):
    handed_on = path.name == "small_resnet.py"  # to those who have nothing of ours; itself imported late
    assert not [name for name, top in imports(path) if top and name.split(".")[0] in LATE and not handed_on]
    assert not [name for name, top in imports(path) if top and name.endswith("small_resnet")]


def test_code_that_is_saved_beside_weights_knows_nothing_of_ours():
    assert not [name for name, _ in imports(SOURCE / "encoders/image/small_resnet.py") if name.startswith("diptych")]


@pytest.mark.parametrize("call", [["-c", "import diptych"], ["-m", "diptych", "--help"]], ids=["import", "help"])
def test_importing_and_asking_for_help_load_no_torch(call):
    code = [sys.executable, "-X", "importtime", *call]
    told = subprocess.run(code, capture_output=True, text=True, check=True).stderr
    modules = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert not modules & {"torch", "numpy", "transformers", "pyarrow"}
