"""What a run used is cited, nothing else, and nothing is dropped."""

import json
import re
from pathlib import Path

import pytest

from diptych import citations, recipes
from diptych.citations import ADAMW, GRADCACHE, LORA, Use, bibtex, cited, of_recipe, of_run, papers

ASKED = {
    *("2508.03453", "2303.14537", "2408.00690", "2406.09294", "2405.11297", "2104.08821", "2109.04380", "2210.06432"),
    *("2201.04337", "1807.03748", "2101.06983", "2106.09685", "1711.05101", "2005.10242", "1905.00414", "2010.15327"),
    *("2002.05709", "2103.03230", "2006.07733", "2104.14294", "2111.07832", "2304.07193", "1810.04805", "2305.14314"),
    *("2304.01434", "2010.13902", "1908.01000", "MixCSE"),
}


def numbers(uses):
    return {number for use in uses for number in citations.ARXIV.findall(use.paper)}


def test_every_entry_is_whole_and_its_number_is_from_its_year():
    assert set(papers()) >= ASKED
    assert len({paper.key for paper in papers().values()}) == len(papers())
    for name, paper in papers().items():
        assert paper.bibtex.count("{") == paper.bibtex.count("}"), name
        assert paper.title, name
        assert all(re.fullmatch(r"[^,]+, [^,]+", author) for author in paper.authors), (name, paper.authors)
        assert name == "MixCSE" or paper.year == 2000 + int(name[:2]), name
        assert name == "MixCSE" or f"https://arxiv.org/abs/{name}}}" in paper.bibtex
        assert paper.key == paper.key.encode("ascii").decode()


def test_every_paper_that_a_class_names_has_an_entry():
    source = Path(citations.__file__).parent
    named = {
        Use(path.stem, paper)
        for path in source.rglob("*.py")
        for paper in re.findall(r'^    paper = "(.+)"$', path.read_text(), re.MULTILINE)
    }
    assert {"infonce", "views", "crop"} <= {use.what for use in named}
    assert cited(named)[1] == []


def test_a_recipe_cites_its_source_objective_views_and_optimiser(corpus):
    made = recipes.crop(str(corpus), dim=16, steps=2, batch=4)
    assert numbers(of_recipe(made)) == {"2508.03453", "1807.03748", "1711.05101"}
    text = made.cite()
    assert "% recipe crop, transform Crop\n@misc{gonzalezmarquez2025cropping," in text
    assert text.count("@misc{") == 3
    assert "2104.08821" not in text  # it has no hard negatives


def test_what_is_made_in_the_network_and_by_an_adapter_is_cited(corpus):
    from dataclasses import replace

    from torch import nn

    from diptych.core import Perturb, View
    from diptych.views.network.dropout import Dropout

    made = recipes.crop(str(corpus), dim=16, steps=2, batch=4)
    made = replace(made, views=[View(perturb=Perturb(1, Dropout(0.5))), View("negative")])
    assert "2303.14537" in numbers(of_recipe(made))
    assert "2104.08821" in numbers(of_recipe(made))
    assert "2508.03453" in numbers(of_recipe(made))  # the recipe's
    made.model.encoder.lora_A = nn.Linear(2, 2)
    assert Use("adapter", LORA) in of_recipe(made)


def test_a_bert_is_cited(corpus):
    made = recipes.crop(str(corpus), encoder="tiny", dim=16, vocabulary=200, steps=2, batch=4)
    assert Use("network BertModel", "arXiv:1810.04805") in of_recipe(made)


def test_a_run_cites_what_it_was_judged_by_and_gradcache_only_if_it_was_needed():
    call = {"recipe": "a:b", "papers": [{"what": "optimiser AdamW", "paper": ADAMW}], "machine": {"graph": 100}}
    history = [{"step": s, "tokens": 80 * s, "padding": 1.0, "alignment": 0.5, "rank": 3.0} for s in (10, 20)]
    uses = of_run(call, history, {"scores": {"model": {"uniformity": -1.0}, "tfidf": None}})
    assert numbers(uses) == {"1711.05101", "2005.10242", "2405.11297", "2304.01434"}
    assert Use("gradient caching", GRADCACHE) not in uses
    padded = [{**line, "padding": 1.5} for line in history]
    assert Use("gradient caching", GRADCACHE) in of_run(call, padded, None)
    late = [*history, {"step": 21, "tokens": 1600 + 101, "padding": 1.0}]
    assert Use("gradient caching", GRADCACHE) in of_run(call, late, None)


def test_a_run_that_names_no_papers_is_cited_by_what_it_says():
    call = {
        "recipe": "diptych.recipes.crop:crop",
        "source": "Some & Body, arXiv:2508.03453",
        "objective": "InfoNCE",
        "paper": "arXiv:1807.03748; with hard negatives arXiv:2104.08821",
        "views": [{"role": "view", "perturb": "Perturb(layer=1)"}],
    }
    assert numbers(of_run(call, [], None)) == {"2508.03453", "1807.03748", "2303.14537", "1711.05101"}


def test_what_is_unknown_is_a_comment():
    uses = [Use("view New", "arXiv:9912.99999 and arXiv:1807.03748"), Use("recipe mine", "my thesis,\n2020")]
    text = bibtex(uses)
    assert "% view New: arXiv:9912.99999 and arXiv:1807.03748 (no entry is known)" in text
    assert "% recipe mine: my thesis, 2020 (no entry is known)" in text
    assert "@misc{vandenoord2018representation," in text
    assert "@inproceedings{zhang2022unsupervised," in bibtex([Use("objective MixCSE", "MixCSE, AAAI 2022")])


def test_the_command_prints_bibtex_of_a_run_and_json(diptych, run):
    code, out, err = diptych("cite", run)
    assert code == 0, err
    entries = re.findall(r"eprint += \{([\d.]+)\}", out)
    assert sorted(entries) == sorted(set(entries))
    assert {"2508.03453", "1807.03748", "1711.05101", "2005.10242"} <= set(entries)
    assert "2106.09685" not in entries
    assert "no entry is known" not in out
    code, out, err = diptych("cite", run, "--json")
    told = json.loads(out)
    assert {paper["name"] for paper in told["papers"]} == set(entries)
    assert told["unknown"] == []
    (adamw,) = (paper for paper in told["papers"] if paper["name"] == "1711.05101")
    assert adamw["used_for"] == ["optimiser AdamW"]
    assert adamw["authors"] == ["Loshchilov, Ilya", "Hutter, Frank"]


@pytest.mark.parametrize(
    ("tokens", "code", "says"), [(("cite", "nowhere"), 2, "nowhere"), (("cite", "."), 2, "no run")]
)
def test_what_is_no_run_is_refused(diptych, tokens, code, says):
    found, _, err = diptych(*tokens)
    assert found == code
    assert says in err
