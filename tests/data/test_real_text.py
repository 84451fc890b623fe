import pytest

from diptych.data.documents import read
from diptych.data.store import build
from diptych.data.vocabulary import train

CORPORA = {  # documents and classes, as the data's own description counts them
    "ag_news.jsonl": (7600, 4),
    "arxiv_lite.jsonl": (1550, 8),
    "bbc_news.jsonl.gz": (2225, 5),
    "iclr2021_papers.jsonl.gz": (2966, 15),
    "newsgroups20.jsonl.gz": (18221, 20),
    "stackoverflow_titles.jsonl": (20000, 20),
}
UNLABELLED = {
    "brown.txt": 57340,
    "ud_ewt.txt": 16622,
    "wiki1m_first12k.txt": 11914,
    "wiki_sentences.txt": 42143,
    "wiki_split_complex.txt": 15000,
}


@pytest.mark.real
@pytest.mark.parametrize("name", CORPORA)
def test_labelled_corpora_are_read_whole(name, shared_data):
    documents = read(shared_data / "text" / name)
    count, classes = CORPORA[name]
    assert len(documents) == count
    assert len(set(documents.labels) - {None}) == classes
    assert "text in column 'text', labels in 'label'" in documents.notes[0]


@pytest.mark.real
@pytest.mark.parametrize("name", UNLABELLED)
def test_unlabelled_corpora_are_read_whole(name, shared_data):
    documents = read(shared_data / "unlabelled" / name)
    assert len(documents) == UNLABELLED[name]
    assert documents.labels is None


@pytest.mark.real
def test_labels_have_the_names_of_their_classes(shared_data):
    documents = read(shared_data / "text" / "ag_news.jsonl")
    assert set(documents.labels) == {"Business", "Sci/Tech", "Sports", "World"}


@pytest.mark.real
def test_papers_become_tokens_with_sentences(shared_data):
    documents = read(shared_data / "text" / "arxiv_lite.jsonl")
    tokenizer = train(documents.texts, 8000)
    store = build(documents, tokenizer)
    assert len(store) == len(documents)
    assert 150 < store.tokens / len(store) < 300
    several = sum(len(store[i]["text"].sentences) > 2 for i in range(len(store)))
    assert several > 0.9 * len(store)
    assert store[7]["text"].ids.tolist() == tokenizer.encode(documents.texts[7]).ids
