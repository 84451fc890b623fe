"""How good are embeddings? A task is a small file; `judge` asks all of them of every row."""

from diptych.evaluate.split import split, train_only
from diptych.evaluate.suite import METRICS, Encode, Judgement, judge
from diptych.evaluate.tfidf import TfIdf

__all__ = ["METRICS", "Encode", "Judgement", "TfIdf", "judge", "split", "train_only"]
