import re

from cards import HOSTILE, card

from diptych.report.markdown import escaped, model_card


def test_the_card_begins_with_what_the_hub_reads():
    front = model_card(card()).split("---\n")[1]
    assert "library_name: sentence-transformers\n" in front
    assert "pipeline_tag: sentence-similarity\n" in front
    assert "- sentence-transformers\n" in front


def test_the_card_holds_scores_usage_and_provenance():
    told = model_card(card())
    assert "| this model | 0.781 ± 0.009 | 0.914 | −3.412 |" in told
    assert 'SentenceTransformer("model")' in told
    for words in ("recipe: diptych.recipes.crop:crop", "arXiv:2508.03453", "arXiv:1807.03748", "74064f4", "9d3f1c"):
        assert words in told


def test_hostile_text_is_no_markup():
    told = model_card(card(name=HOSTILE, notes=[HOSTILE], model=f"x\n```\n# y {HOSTILE}", commit="a | b\n# c"))
    outside = re.sub(r"^```\w.*?^```$", "", told, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    assert "<img" not in outside
    assert told.count("\n```") == 4
    assert not re.search(r"^# [yc]", told, re.MULTILINE)


def test_markup_is_escaped():
    assert escaped("a*b_c [d](e) <f>\n# g") == r"a\*b\_c \[d\](e) &lt;f&gt; \# g"


def test_a_card_without_scores_has_no_table():
    assert "## Scores" not in model_card(card(scores={}))
