import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from cards import HOSTILE, card, evidence

from diptych.report import atlas, page
from diptych.report.card import Card, Comparison, Cost, Evidence
from diptych.report.compared import compared
from diptych.report.comparison import comparison


def side_by_side(given):
    return comparison(compared(given))


class Seen(HTMLParser):
    """Every element with its attributes, and all text outside script and style."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    def __contains__(self, words):
        return words in " ".join(" ".join(self.text).split())


@pytest.fixture
def whole():
    return page.page(card(), evidence())


def numbers(made):
    for row in made.scores.values():
        for x in row.values():
            if x is not None:
                yield f"{x:.3f}".replace("-", "−")


def test_the_page_holds_every_score_and_error(whole):
    seen = Seen(whole)
    assert not [x for x in numbers(card()) if x not in seen]
    assert "± 0.009" in seen


def test_the_page_holds_what_was_called_what_it_cost_and_where_it_comes_from(whole):
    seen = Seen(whole)
    for words in ("Crop 2", "InfoNCE(temperature=0.05)", "45 s", "36.5 million", "15.4 million", "2 cores"):
        assert words in seen
    for words in ("docs.jsonl", "74064f4", "9d3f1c", "torch 2.13.0", "3 exact duplicates were removed."):
        assert words in seen


def test_the_page_names_the_paper_of_the_recipe_and_that_of_the_objective(whole):
    seen = Seen(whole)
    assert "crop after Some, Body & Else, arXiv:2508.03453" in seen
    assert "InfoNCE(temperature=0.05) after arXiv:1807.03748" in seen
    links = {a["href"] for tag, a in seen.elements if tag == "a" and "href" in a}
    assert links >= {"https://arxiv.org/abs/2508.03453", "https://arxiv.org/abs/1807.03748"}


def test_the_page_says_what_the_objective_does_and_nothing_where_it_is_not_known():
    known = Seen(page.page(card(aim="makes one view foretell the other")))
    assert "Training makes one view foretell the other." in known
    unknown = Seen(page.page(card()))
    assert "What was compared" in unknown
    assert "Training ." not in unknown


def test_the_page_loads_nothing_from_elsewhere(whole):
    both = whole + side_by_side(Comparison("two", [card(), card(lr=0.1)]))
    loads = [
        (tag, name)
        for tag, attributes in Seen(both).elements
        for name in attributes
        if name in ("src", "srcset", "data", "poster", "background") or (name == "href" and tag != "a")
    ]
    assert not loads
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", both)
    assert "default-src 'none'" in both


@pytest.mark.filterwarnings("error")
def test_hostile_text_stays_text():
    shown = evidence()
    texts = [HOSTILE + text for text in shown.texts]
    labels = [HOSTILE + str(label) for label in shown.labels]
    made = card(
        name=HOSTILE,
        recipe=f"a:{HOSTILE}",
        arguments={"corpus": HOSTILE, HOSTILE: HOSTILE},
        views=[{"role": HOSTILE, "transform": HOSTILE}],
        objective=HOSTILE,
        paper=f"arXiv:2508.03453 {HOSTILE}",
        source=f"{HOSTILE} arXiv:2508.03453",
        cost=Cost(machine=HOSTILE),
        versions={HOSTILE: HOSTILE},
        commit=HOSTILE,
        fingerprint=HOSTILE,
        model=HOSTILE,
        notes=[HOSTILE],
        scores={"model": {HOSTILE: 0.5, "knn": 0.6}, HOSTILE: {HOSTILE: 0.4, "knn": 0.2}},
    )
    told = page.page(made, replace(shown, texts=texts, labels=labels))
    several = side_by_side(Comparison(HOSTILE, [made, replace(made, arguments={"lr": HOSTILE})]))
    for text, scripts in ((told, 2), (several, 1)):
        tags = [tag for tag, _ in Seen(text).elements]
        assert tags.count("script") == scripts
        assert "img" not in tags
        assert '<script>alert("x")' not in text
        assert "49 }}" not in text
        assert not [a for _, a in Seen(text).elements if "onerror" in a]


def test_a_lone_surrogate_does_not_prevent_a_page(tmp_path):
    page.write(tmp_path / "report.html", page.page(card(name=HOSTILE)))
    assert "alert" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_only_our_own_script_may_run(whole):
    import base64
    import hashlib

    script = re.search(r"<script>(.*?)</script>", whole, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in whole


def test_the_same_input_gives_the_same_bytes(whole):
    assert page.page(card(), evidence()) == whole


@pytest.mark.parametrize(
    "made",
    [
        Card("bare"),
        card(scores={"model": {"knn": float("nan"), "loss": float("inf")}, "tfidf": None}),
        card(scores={"model": {"knn": None}, "untrained": None}, errors={}),
        card(scores={"model": {"alignment": 0.3}}, errors={"model": None}),
        card(scores={"tfidf": {"knn": 0.7}}),
        card(history=[]),
        card(history=[{"step": 1, "loss": float("nan")}, {"loss": 2.0}]),
        card(history=[{"step": s, "loss": 1.0} for s in range(3)]),
        card(views=[], objective="", paper="", arguments={}, notes=[], cost=Cost()),
        card(scores={"model": {"knn": np.float32(0.5)}, "tfidf": {"knn": 0.0}}),
    ],
    ids=["bare", "nan", "none", "lower only", "no model", "no history", "nan history", "flat", "no call", "numpy"],
)
def test_what_is_missing_is_left_out(made):
    text = page.page(made)
    seen = Seen(text)
    assert made.name in seen
    assert not re.search(r"\bnan\b|\binf\b|None\b", " ".join(seen.text))
    side_by_side(Comparison("one", [made]))


@pytest.mark.parametrize(
    "shown",
    [
        evidence(labels=None),
        replace(evidence(), before=None),
        replace(evidence(), labels=[None] * 60),
        replace(evidence(), labels=[f"label {i}" for i in range(60)]),
        evidence(n=12),
        evidence(n=4),
        evidence(n=1),
        evidence(n=0),
        Evidence(["the same"] * 30, np.ones((30, 4), np.float32), np.zeros((30, 4), np.float32)),
        Evidence(["", "\n"] * 20, np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)),
        replace(evidence(), after=np.full((60, 3), np.nan, np.float32)),
    ],
    ids=[
        "no labels",
        "no before",
        "empty labels",
        "a label each",
        "twelve",
        "four",
        "one",
        "none",
        "all equal",
        "no words",
        "all nan",
    ],
)
def test_any_evidence_makes_a_page(shown):
    text = page.page(card(), shown)
    assert "NaN" not in text.split("<script>")[0]
    assert "nan," not in text


def test_without_labels_the_map_names_clusters_by_their_words():
    text = page.page(card(), evidence(n=400, labels=None))
    legend = re.findall(r"</i>([^<]*)<small>", text)
    assert any("feather" in name or "wing" in name or "song" in name or "nest" in name for name in legend)


def test_the_legend_counts_labels(whole):
    assert dict(re.findall(r"</i>([^<]*)<small>(\d+)", whole)) == {"birds": "20", "fish": "20", "trees": "20"}


def test_three_thousand_points_stay_below_two_megabytes(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(atlas, "places", lambda x, seed=0: rng.uniform(0, 1000, (len(x), 2)))
    many = Evidence(
        ["a word & “another” " * 100] * 5000,
        rng.normal(size=(5000, 8)).astype(np.float32),
        rng.normal(size=(5000, 8)).astype(np.float32),
        [f"label {i % 40}" for i in range(5000)],
    )
    text = page.page(card(), many)
    assert text.count('<circle class="k') == 2 * 3000
    assert len(text.encode()) < 2_000_000


def test_evidence_that_does_not_fit_its_texts_is_refused():
    with pytest.raises(ValueError, match="labels has 1 row for 2 texts"):
        Evidence(["a", "b"], np.zeros((2, 1)), labels=["x"])
