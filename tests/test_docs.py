"""The pages say what is so: their code runs, their commands parse, their links lead somewhere."""

import json
import re
import shlex
from pathlib import Path

import pytest

from diptych import recipes
from diptych.cli import app
from diptych.cli.train import with_recipe
from diptych.core import Machine
from diptych.fitting import fit, resume

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"# (\w+)\.py\n")
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#)([^)#\s]+)[^)]*\)")

TOPICS = {
    "ships": "The harbour was full of sails. A captain wrote in the log. The tide came in at noon. Ropes were coiled.",
    "bread": "Flour and water make a dough. Leave it to rise overnight. The oven must be hot. A crust is a promise.",
    "stars": "The comet was faint that night. A lens gathers light. Orbits are drawn by hand. The sky was clear.",
}


def blocks(page, *languages):
    return [body for language, body in FENCE.findall(page.read_text()) if language in languages]


def executed(page):
    """What a page's Python leaves, read from top to bottom."""
    namespace = {"__name__": "page"}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{name(page)}, block {number}", "exec"), namespace)
    return namespace


def commands():
    for page in PAGES:
        for block in blocks(page, "bash", "sh", "console"):
            for line in block.splitlines():
                tokens = shlex.split(line.removeprefix("$ "), comments=True)
                if tokens[:1] == ["diptych"]:
                    yield pytest.param(page, tokens[1:], id=f"{page.name}: {shlex.join(tokens)}")


def name(page):
    return str(page.relative_to(ROOT))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An empty folder but for the `docs.jsonl` of the pages: 60 documents of three topics."""
    lines = []
    for i in range(60):
        topic = list(TOPICS)[i % 3]
        sentences = TOPICS[topic].rstrip(".").split(". ")
        turned = [*sentences[i % 4 :], *sentences[: i % 4], f"Note {i} is about {topic}"]
        lines.append(json.dumps({"text": ". ".join(turned) + ".", "label": topic}))
    (tmp_path / "docs.jsonl").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, desk):
    executed(page)


def test_a_kind_of_data_of_one_s_own_is_learned_watched_and_resumed_to_the_same_bytes(desk, stopped):
    page = executed(ROOT / "docs" / "extend.md")
    before, after = (page["knn"](page[x], page["classes"], **page["halves"]).value for x in ("before", "after"))
    assert after > before + 0.03
    assert {"rank", "uniformity", "change_1"} <= page["run"].metrics[-1].keys()
    with stopped(3):
        fit(page["clouds"](), "runs/part", Machine(checkpoint=0), judged=False)
    part = resume(page["clouds"](), "runs/part", judged=False)
    one, other = ((run.model / "model.safetensors").read_bytes() for run in (page["run"], part))
    assert one == other
    said = []
    assert not resume(page["clouds"](), "runs/part", say=said.append).finished
    assert "\n".join(said).startswith("no scores and no pages: runs/part/model is no model: it has neither")


@pytest.mark.parametrize(("page", "tokens"), list(commands()))
def test_a_command_exists_with_all_its_flags(page, tokens, desk):
    if tokens[0] == "train" and ":" in tokens[1]:
        own = tokens[1].partition(":")[0]
        written = {found[1]: body for body in blocks(page, "python") if (found := MODULE.match(body))}
        (desk / f"{own}.py").write_text(written[own])
        if tokens[1] not in app["train"]:
            with_recipe(tokens[1:])
    if "--help" in tokens:
        chain, _, _ = app.parse_commands(tokens)
        assert chain == tuple(tokens)
    else:
        app.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_link_leads_to_a_file_that_is_there(page):
    links = LINK.findall(page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_tree_in_the_readme_is_on_the_disk():
    (tree,) = (block for block in blocks(ROOT / "README.md", "text") if "src/diptych/" in block)
    paths = [line.split("  ")[0] if line[0] != " " else f"src/diptych/{line.split()[0]}" for line in tree.splitlines()]
    assert not [path for path in paths if not (ROOT / path).exists()]
    rooms = {path.name for path in (ROOT / "src" / "diptych").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= {Path(path).name for path in paths}


def test_every_recipe_has_a_row_in_the_readme():
    rows = re.findall(r"^\| `(\w+)` \| `\[View", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [recipe.__name__ for recipe in recipes.ALL]


def test_the_command_for_tests_is_the_one_that_is_run_on_every_change():
    lines = "".join(blocks(ROOT / "README.md", "bash")).splitlines()
    assert "make test" in [line.partition("#")[0].strip() for line in lines]
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_line_but_of_a_table_is_longer_than_a_screen(page):
    assert not [line for line in page.read_text().splitlines() if len(line) > 110 and line[0] != "|"]
