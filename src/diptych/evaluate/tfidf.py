"""TF-IDF, the baseline that every embedding model must stand beside."""

from collections.abc import Sequence
from typing import Self

from scipy import sparse

from diptych.plural import counted


class TfIdf:
    """Words weighted by rarity: `TfidfVectorizer(sublinear_tf=True)`, the whole vocabulary.

    It is fitted on texts, never on labels: those given to `fit`, else the first it is asked to encode.
    """

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.vectorizer = TfidfVectorizer(sublinear_tf=True)
        self.fitted = False

    def fit(self, texts: Sequence[str]) -> Self:
        """Counts the words of all texts. Raises ValueError if there is none of two characters or more."""
        try:
            self.vectorizer.fit(texts)
        except ValueError as error:
            raise ValueError(
                f"TF-IDF finds no words of two or more letters in {counted(len(texts), 'text')}"
            ) from error
        self.fitted = True
        return self

    def encode(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of length one, one column per word; a text without known words is a row of zeros."""
        if not self.fitted:
            self.fit(texts)
        return self.vectorizer.transform(texts)

    __call__ = encode
