"""A corpus from a seed: sentences of made-up words about topics, with a dial for how alike those of a document are.

    topics                               2,000 documents of 20 topics
    topics:documents=5000,alike=0.2      other numbers; any of documents, topics, sentences, alike, topical, seed

A document is about one topic, and has a few words of its own, half of them among the topic's and half from a pool
that all topics share. Every place of a sentence template that holds a content word takes one of the document's own
words with probability `alike`; else one of the topic's with probability `topical`, or one of the pool. At `alike` 0 two
sentences of a document have in common what any two of its topic have; at 1 they are about the same few words.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product

import numpy as np

from diptych.data import cache
from diptych.data.documents import Documents, Understood, kept
from diptych.data.tally import Tally
from diptych.plural import counted

NAME = "topics"  # stands for this corpus where a path could be
OF_TOPIC, OF_ALL, OWN = 60, 400, 6  # words of a topic, of all topics, of a document
ONSETS, VOWELS, ENDS = "bdfgklmnprstvz", "aeiou", ["", "n", "r", "s", "l"]
TEMPLATES = (
    "the {} near the {} is {}",
    "a {} of {} and {} was {} by the {}",
    "some {} will {} every {}",
    "in the {} there are {} and {}",
    "when the {} {}, its {} has no {}",
    "{} and {} are as {} as this {}",
)


@dataclass(frozen=True)
class Topics:
    """What a corpus of the grammar is made of. Raises ValueError for numbers that make none."""

    documents: int = 2000
    topics: int = 20
    sentences: int = 6
    alike: float = 0.5
    topical: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("documents", 2, 10**8),
            ("topics", 1, 1000),
            ("sentences", 1, 1000),
            ("alike", 0, 1),
        ):
            if not least <= (given := getattr(self, name)) <= most:
                raise ValueError(f"{name} of a corpus of topics is from {least} to {most:,}; got {given}")
        if self.seed < 0:
            raise ValueError(f"a seed is 0 or more; got {self.seed}")

    @staticmethod
    def of(text: str) -> "Topics":
        """What "topics:documents=5000,alike=0.2" says. Raises ValueError for other names and what is no number."""
        kinds = {field.name: float if field.name in ("alike", "topical") else int for field in fields(Topics)}
        found: dict[str, float] = {}
        for part in filter(None, text.partition(":")[2].split(",")):
            name, _, value = part.partition("=")
            try:
                found[name.strip()] = kinds[name.strip()](value)
            except (KeyError, ValueError):
                raise ValueError(
                    f"{text!r:.60}: {part!r} is none of {', '.join(f'{k}=NUMBER' for k in kinds)}"
                ) from None
        return Topics(**found)  # type: ignore[arg-type]

    def read(self) -> Documents:
        """The corpus, each document labelled with its topic; cached."""

        def understood(tally: Tally) -> Understood:
            return (
                f"made by a grammar: {counted(self.topics, 'topic')}, sentences of a document alike by {self.alike:g}",
                self._made(),
            )

        return kept("topics", cache.key("topics", repr(self)), understood)

    def _made(self) -> Iterator[tuple[str, str]]:
        rng = np.random.default_rng(self.seed)
        words = rng.permutation(_words())[: OF_ALL + self.topics * OF_TOPIC]
        shared, of_topics = words[:OF_ALL], words[OF_ALL:].reshape(self.topics, OF_TOPIC)
        for number in range(self.documents):
            topic = number % self.topics
            own = np.concatenate([rng.choice(pool, OWN // 2, replace=False) for pool in (of_topics[topic], shared)])
            sentences = [self._sentence(rng, own, of_topics[topic], shared) for _ in range(self.sentences)]
            yield " ".join(sentences), f"topic {topic}"

    def _sentence(self, rng: np.random.Generator, own: np.ndarray, topic: np.ndarray, shared: np.ndarray) -> str:
        template = TEMPLATES[rng.integers(len(TEMPLATES))]
        others = (topic, shared)
        pools = [
            own if rng.random() < self.alike else others[rng.random() >= self.topical]
            for _ in range(template.count("{}"))
        ]
        return template.format(*(rng.choice(pool) for pool in pools)).capitalize() + "."


def _words() -> list[str]:
    """Words of two syllables, each once."""
    syllables = [f"{a}{b}{c}" for a, b, c in product(ONSETS, VOWELS, ENDS)]
    return [f"{a}{b}" for a, b in product(syllables, syllables[::3]) if len(a + b) > 4]


def named(path: str) -> bool:
    """Whether a path is the name of a corpus of this grammar."""
    return path == NAME or path.startswith(f"{NAME}:")
