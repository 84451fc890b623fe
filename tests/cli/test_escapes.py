"""What others wrote stays text: in the page, in the comparison, in the model card, in the terminal, in run.toml."""

import json
import tomllib
from html.parser import HTMLParser

import pytest

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 2, "--batch", 16)
HOSTILE = [
    "<script>alert(1)</script>",
    '"onmouseover="alert(1)" x=\'',
    "]]> --> <!-- &lt;b&gt; &#60;i&#62; </svg></title></style>",
    "[x](javascript:alert(1)) ![x](https://x.example/x.png) <https://x.example>",
    "```\n---\n# x\n| a | b |\n~~~\n    x\n1. x",
    "{{ 7*7 }} {% raw %} ${x} %s {0} $x$ **b** __b__ ~~s~~",
    "\x1b[2J\x1b]0;x\x07\u202e\u2028\x85\x00",
]
LABELS = [HOSTILE[0], HOSTILE[1], HOSTILE[4]]
FILE = '<img src=x onerror=alert(1)>"onmouseover="x\']]> `b` **b** _b_ [x](x).jsonl'


class Elements(HTMLParser):
    """Every element and its attributes, and all text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, tuple(sorted(name for name, _ in attributes))))

    def handle_data(self, text):
        self.text += text


def rows(plain):
    """48 rows, hostile or plain."""
    for i in range(48):
        text = f"The harbour {i} was full. {'' if plain else HOSTILE[i % 7]} A tide came in {i * i}. Ropes were coiled."
        yield {
            "text" if plain else HOSTILE[0]: text,
            "label" if plain else HOSTILE[1]: "abc"[i % 3] if plain else LABELS[i % 3],
        }


@pytest.fixture
def trained(diptych, tmp_path):
    """A run on plain documents, and one on hostile ones."""

    def train(name, out, plain, *more):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(plain)))
        code, _, err = diptych("train", "crop", "--corpus", path, "--out", tmp_path / out, *SMALL, *more)
        assert code == 0, err
        return tmp_path / out, err

    hostile, err = train(FILE, FILE[:-6], False, f"--text-column={HOSTILE[0]}", f"--label-column={HOSTILE[1]}")
    return train("docs.jsonl", "plain", True)[0], hostile, err


def two_corpora(run):
    """The page of a comparison on different data, in plain words."""
    from dataclasses import replace

    from diptych.report.card import Comparison
    from diptych.report.compared import compared
    from diptych.report.comparison import comparison
    from diptych.report.written import card
    from diptych.runs import Run

    one = card(Run(run))
    other = replace(one, arguments={**one.arguments, "corpus": "other.jsonl"}, documents="other")
    return comparison(compared(Comparison("Comparison", [one, other], notes=["different data"])))


def test_hostile_documents_stay_text(trained, diptych, tmp_path):
    plain, hostile, err = trained
    assert "\x1b" not in err
    page, usual = ((run / "report.html").read_text() for run in (hostile, plain))
    elements = Elements(page)
    assert not {*elements.found} - {*Elements(usual).found}
    assert [tag for tag, _ in elements.found].count("script") == 2
    for told in (HOSTILE[0], HOSTILE[1], FILE):
        assert told in elements.text

    card = (hostile / "model" / "README.md").read_text()
    front(card)
    rendered(card)

    assert diptych("compare", plain, hostile, "--anyway", "--out", tmp_path / "c.html")[0] == 0
    elements = Elements((tmp_path / "c.html").read_text())
    assert not {*elements.found} - {*Elements(two_corpora(plain)).found, *Elements(usual).found}

    told = tomllib.loads((hostile / "run.toml").read_text())
    assert told["arguments"]["corpus"] == str(tmp_path / FILE)
    assert told["arguments"]["label_column"] == HOSTILE[1]


def front(card):
    """The front matter of a card is YAML, and the one that every card has."""
    yaml = pytest.importorskip("yaml")
    _, front, rest = card.split("---\n", 2)
    assert yaml.safe_load(front).keys() == {"library_name", "pipeline_tag", "tags"}
    assert "\n---" not in rest


def rendered(card):
    """A card as HTML has no element but those of headings, lists, tables and code."""
    markdown = pytest.importorskip("markdown_it")
    html = (
        markdown.MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .render(card.split("---\n", 2)[2])
    )
    elements = Elements(html)
    own = {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "pre", "code"}
    assert {tag for tag, _ in elements.found} <= own
    assert {name for _, names in elements.found for name in names} <= {"class", "style"}
    assert FILE in elements.text
    assert html.count("<h1>") == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_a_card_holds_no_markup_of_others(text):
    from diptych.report.card import Card
    from diptych.report.markdown import model_card

    scores = {"model": {"knn": 0.5, text: 0.5}, text: {"knn": 0.4}}
    card = model_card(
        Card(
            f"{text} {FILE}", text, text, {text: text, "corpus": text}, [{text: text}], text, text, scores,
            versions={text: text}, commit=text, fingerprint=text, model=text, notes=[text, f"- {text}"],
        )
    )  # fmt: skip
    front(card)
    rendered(card)


def test_a_terminal_is_not_steered(trained, diptych):
    _, hostile, _ = trained
    corpus = hostile.parent / FILE
    code, out, err = diptych("search", hostile, corpus, HOSTILE[6], f"--text-column={HOSTILE[0]}", "--k", 48)
    assert code == 0
    code, table, said = diptych("embed", hostile, corpus, "--out", "v.jsonl", f"--text-column={HOSTILE[6][:-1]}")
    assert code == 2
    for told in (out, err, table, said):
        assert not {"\x1b", "\x07", "\u202e", "\x85", "\x00"} & {*told}
