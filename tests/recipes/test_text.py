"""From a corpus and settings to a recipe."""

import json
import os

import pytest

from diptych import from_texts, recipes
from diptych.data.documents import read

SMALL = {"dim": 8, "vocabulary": 200, "steps": 2}


def texts(n):
    return [f"Sentence one of {i}. Sentence two has {i} words. And a third." for i in range(n)]


def test_a_batch_larger_than_the_corpus_is_told():
    made = recipes.crop(from_texts([*texts(30), "word"]), batch=64, **SMALL)
    assert made.batch == 30
    assert "batch 64 -> 30: there are 30 documents to crop" in made.notes
    assert not any("batch" in note for note in recipes.crop(from_texts(texts(30)), batch=30, **SMALL).notes)


def test_a_small_bert_has_as_many_blocks_as_are_asked_for():
    made = recipes.crop(from_texts(texts(30)), encoder="tiny", layers=2, **SMALL)
    assert len(made.model.encoder.layers) == 1 + 2
    with pytest.raises(ValueError, match="from 1 to 96 blocks; got layers=0"):
        recipes.crop(from_texts(texts(30)), encoder="tiny", layers=0, **SMALL)
    with pytest.raises(ValueError, match="--layers is for tiny"):
        recipes.crop(from_texts(texts(30)), layers=2, **SMALL)


def test_train_only_is_there_for_large_corpora():
    """More documents than are judged."""
    documents = from_texts(texts(30_100), list("ab") * 15_050)
    made = recipes.crop(documents, train_only=True, **SMALL)
    assert len(made.data) == 27_090
    assert len(made.documents) == 30_100


def test_documents_of_python_are_no_path_and_that_is_said():
    documents = from_texts(texts(30), name="mine")
    with pytest.raises(ValueError, match=r"mine> are no path: .* `diptych\.resume\(recipe, run\)` finishes it"):
        read(str(documents))
    with pytest.raises(ValueError, match="of documents given there"):
        recipes.crop(str(documents))


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode on this system")
@pytest.mark.parametrize("place", [b"caf\xe9.jsonl", b"caf\xe9/docs.jsonl"])
def test_a_name_that_run_toml_cannot_hold_is_refused(place, tmp_path, monkeypatch):
    path = tmp_path / os.fsdecode(place)
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(json.dumps({"text": text}) for text in texts(9)))
    except OSError:
        pytest.skip("names are Unicode on this disk")
    monkeypatch.chdir(path.parent)
    with pytest.raises(ValueError, match=r"not UTF-8, so run\.toml cannot hold it") as error:
        recipes.crop(path.name, **SMALL)
    assert str(error.value).encode()
