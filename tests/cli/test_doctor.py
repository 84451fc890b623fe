"""`diptych doctor`: what is wrong with a corpus is said before training, with a number and a remedy."""

import json

import pytest

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


@pytest.fixture
def findings(diptych, tmp_path):
    """The findings of a call, by their check."""

    def look(*call, code=0):
        got, out, err = diptych("doctor", *call, "--json")
        assert got == code, err
        return {each["check"]: each for each in json.loads(out)["findings"]}

    return look


def written(path, texts):
    path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return path


def distinct(n, sentences=4):
    """Documents of words of their own, and some that all share."""
    return [
        " ".join(f"The thing w{i}x{j} of kind k{(i * 7 + j) % 50} was seen on day d{i % 9}." for j in range(sentences))
        for i in range(n)
    ]


def test_each_line_has_a_verdict_and_nothing_is_trained_or_written(diptych, corpus, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = diptych("doctor", "crop", "--corpus", corpus, *SMALL)
    assert code == 0, err
    assert sorted(tmp_path.rglob("*")) == before
    verdicts = [line.split()[0] for line in out.splitlines()[2:] if line and line[0] != " "]
    assert set(verdicts[:-1]) <= {"ok", "look"}
    for check in ("views", "negatives", "steps", "padding", "memory", "duplicates", "lengths", "tokenizer"):
        assert any(line[6:].startswith(check) for line in out.splitlines())
    assert "\x1b" not in out


def test_a_corpus_alone_is_looked_at_as_by_crop(findings, corpus):
    alone, named = findings(corpus, *SMALL), findings("crop", "--corpus", corpus, *SMALL)
    assert {k: x for k, x in alone.items() if k != "memory"} == {k: x for k, x in named.items() if k != "memory"}


def test_a_run_and_its_toml_are_looked_at_by_their_own_recipe(findings, diptych, run):
    assert findings(run / "run.toml")["steps"]["numbers"]["steps"] == 12
    assert findings(run)["negatives"]["numbers"]["negatives"] == 15
    code, _, err = diptych("doctor", run / "run.toml", "--dim", 8)
    assert code == 2
    assert "own settings" in err


def test_copies_and_near_copies_are_counted_and_what_they_do_to_a_batch(findings, tmp_path):
    texts = distinct(100, sentences=12)
    copies = [text.upper().replace(" ", "  ") for text in texts[:10]]
    near = [text.replace("w20x3", "changed") for text in texts[20:21]]
    found = findings(written(tmp_path / "d.jsonl", [*texts, *copies, *near]), *SMALL)["duplicates"]
    assert (found["numbers"]["copies"], found["numbers"]["copies_and_near"]) == (10, 11)
    assert found["numbers"]["false_negatives_per_anchor"] == pytest.approx(15 * 22 / (111 * 110))
    assert found["verdict"] == "look"
    assert findings(written(tmp_path / "e.jsonl", texts), *SMALL)["duplicates"]["verdict"] == "ok"


def test_views_that_repeat_themselves_and_views_of_noise(findings, tmp_path, corpus):
    same = [f"{word} " * 12 for word in ("ship", "bread", "star", "moon", "sea", "tide", "oven", "rope")]
    found = findings(written(tmp_path / "same.jsonl", same), "--dim", 16, "--vocabulary", 60, "--steps", 4, code=1)
    assert found["views"]["verdict"] == "stop"
    assert found["views"]["numbers"]["identical"] == found["views"]["numbers"]["pairs"] == 8
    assert "crop" in found["views"]["remedy"]
    found = findings("dropout", "--corpus", corpus, *SMALL)["views"]
    assert found["verdict"] == "ok"
    assert found["numbers"]["tokens_in_common"] == 1
    assert found["numbers"]["identical"] == 0
    assert 0.5 < found["numbers"]["cosine"] < 0.999


def test_crops_have_more_in_common_than_other_texts(findings, tmp_path):
    numbers = findings(written(tmp_path / "d.jsonl", distinct(60)), *SMALL)["views"]["numbers"]
    assert 0 < numbers["tokens_in_common_of_others"] < numbers["tokens_in_common"] < 1
    assert numbers["cosine_of_others"] < numbers["cosine"] < 1


def test_short_documents_are_counted(findings, tmp_path):
    texts = [*distinct(20), *(f"word{i}" for i in range(4)), *(f"two words{i}" for i in range(16))]
    found = findings(written(tmp_path / "short.jsonl", texts), *SMALL)["short"]
    assert (found["numbers"]["documents"], found["numbers"]["left_out"]) == (40, 4)
    assert found["numbers"]["by_words"] == pytest.approx(16 / 36)
    assert found["verdict"] == "look"


def test_a_mixture_of_scripts_and_languages_is_named(findings, tmp_path):
    english = [f"The captain of ship {i} wrote in the log that the tide came in at noon." for i in range(30)]
    german = [f"Der Kapitän von Schiff {i} schrieb in das Logbuch, dass die Flut am Mittag kam." for i in range(20)]
    greek = [f"Ο καπετάνιος του πλοίου {i} έγραψε στο ημερολόγιο ότι η παλίρροια ήρθε το μεσημέρι." for i in range(10)]
    found = findings(written(tmp_path / "mixed.jsonl", english + german + greek), *SMALL)["languages"]
    numbers = found["numbers"]
    assert numbers["script_Greek"] == pytest.approx(1 / 6)
    assert (numbers["language_en"], numbers["language_de"]) == (pytest.approx(0.5), pytest.approx(1 / 3))
    assert found["verdict"] == "look"
    assert findings(written(tmp_path / "one.jsonl", english), *SMALL)["languages"]["verdict"] == "ok"


def test_long_documents_are_cut_and_a_tokenizer_of_other_texts_is_seen(findings, diptych, corpus, tmp_path):
    tiny = ("--encoder", "tiny", "--dim", 16, "--vocabulary", 200, "--steps", 4, "--batch", 16)
    long = written(tmp_path / "long.jsonl", distinct(30, sentences=30))
    found = findings(long, *tiny, "--max-tokens", 32)["lengths"]
    assert found["verdict"] == "look"
    assert found["numbers"]["longer"] == 1
    assert found["numbers"]["room"] == 30
    assert found["numbers"]["cut_from_documents"] > 0.5
    assert diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "small", *SMALL)[0] == 0
    other = written(tmp_path / "greek.jsonl", ["Ο καπετάνιος έγραψε. Η παλίρροια ήρθε. " + "α" * i for i in range(30)])
    found = findings(other, "--init", tmp_path / "small", "--steps", 4)["tokenizer"]
    assert found["numbers"]["unknown"] > 0.5
    assert found["verdict"] == "look"


def test_steps_that_do_not_see_all_data_and_memory_that_is_not_there(findings, corpus, monkeypatch):
    few = ("--dim", 16, "--vocabulary", 200, "--batch", 8)
    assert findings(corpus, *few, "--steps", 2)["steps"]["numbers"]["epochs"] == pytest.approx(1 / 3)
    assert findings(corpus, *few, "--steps", 2)["steps"]["verdict"] == "look"
    assert findings(corpus, *few, "--steps", 60)["steps"]["verdict"] == "ok"
    assert findings(corpus, *few, "--steps", 6)["negatives"]["verdict"] == "look"
    monkeypatch.setattr("diptych.checks.cost.memory.free", lambda where: 1000)
    found = findings(corpus, *few, "--steps", 6, code=1)["memory"]
    assert found["verdict"] == "stop"
    assert found["numbers"]["peak"] > found["numbers"]["free"] == 1000


def test_pairs_of_a_table_are_looked_at_too(findings, tmp_path):
    rows = [
        {"sent0": f"A ship {i} sails.", "sent1": f"A boat {i} is at sea.", "hard_neg": f"Bread {i} bakes."}
        for i in range(40)
    ]
    (tmp_path / "nli.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = findings("nli", "--corpus", tmp_path / "nli.jsonl", *SMALL)
    assert found["negatives"]["numbers"] == {"batch": 16, "negatives": 31, "hard": 16, "documents": 40}
    assert "short" not in found
    assert found["tokenizer"]["numbers"]["tokens_per_word"] >= 1


def test_a_recipe_of_ones_own_is_looked_at(findings, corpus, tmp_path, monkeypatch):
    (tmp_path / "own_recipe.py").write_text(
        "from diptych import recipes\n"
        "def halves(corpus: str, steps: int = 5):\n"
        '    return recipes.crop(corpus, rule="halves", dim=16, vocabulary=200, batch=16, steps=steps)\n'
    )
    assert findings("own_recipe:halves", "--corpus", corpus, "--steps", 7)["steps"]["numbers"]["steps"] == 7


def test_what_cannot_be_trained_on_is_an_error(diptych, tmp_path):
    code, _, err = diptych("doctor", "crop", "--corpus", tmp_path / "none.jsonl")
    assert code == 2
    assert "none.jsonl" in err


@pytest.mark.parametrize("recipe", ["crop", "dropout", "simcse"])
def test_copies_of_one_document_are_a_finding_with_a_remedy(diptych, findings, tmp_path, recipe):
    corpus = written(tmp_path / "same.jsonl", distinct(1) * 12)
    code, out, _ = diptych("doctor", recipe, "--corpus", corpus)
    assert code == 1
    assert out.splitlines()[0] == f"{recipe} on {corpus}: 12 documents"
    stopped, remedy = out.splitlines()[2], out.partition("→ ")[2]
    assert stopped.startswith("stop  duplicates  12 of 12 documents can be cropped, and no two of them differ")
    assert "copies of one document" in " ".join(remedy.split())
    assert "--text-column" in remedy
    assert out.splitlines()[-1] == "training would fail: duplicates"
    found = findings(recipe, "--corpus", corpus, code=1)
    assert found["duplicates"]["numbers"] == {"documents": 12, "copies": 11}


def test_documents_that_cannot_be_cropped_are_a_finding_with_a_remedy(findings, tmp_path):
    found = findings(written(tmp_path / "words.jsonl", ["one", "two", "three"]), code=1)
    assert found["views"]["verdict"] == "stop"
    assert "0 of 3 documents can be cropped" in found["views"]["told"]
    assert "longer" in found["views"]["remedy"]


def test_a_corpus_that_cannot_be_read_stays_an_error(diptych, tmp_path):
    code, out, err = diptych("doctor", written(tmp_path / "empty.jsonl", ["", " "]))
    assert (code, out) == (1, "")
    assert "error: " in err
