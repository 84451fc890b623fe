"""Which scripts and languages a corpus is in. Where they are mixed, a batch tells languages apart sooner than meanings.

Languages are guessed by py3langid (of Lui & Baldwin's langid.py, ACL 2012), which brings its model with it.
"""

import functools
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from diptych.checks.finding import Finding, Subject, percent
from diptych.plural import counted

MOST = 2_000  # documents that are looked at
CHARACTERS = 500  # of each
SURE = 0.9  # how sure a guess is to be
SHORTEST = 40  # letters that a guess needs
SECOND = 0.02  # of the documents: a mixture has so many in another language
JAPANESE = {"HIRAGANA", "KATAKANA"}


def languages(subject: Subject) -> Finding:
    """Shares of scripts over documents and, of those long enough, of languages."""
    texts = [text[:CHARACTERS] for text in _evenly(subject.texts)]
    of_scripts = Counter(script(text) for text in texts)
    of_languages = _languages(texts)
    guessed = sum(of_languages.values())
    numbers: dict[str, float | int | str | None] = {"documents": len(texts), "guessed": guessed}
    numbers |= {f"script_{name}": share for name, share in _shares(of_scripts).items()}
    numbers |= {f"language_{name}": share for name, share in _shares(of_languages).items()}
    told = f"scripts: {_listed(of_scripts)}"
    if guessed:
        told += f"; languages, as guessed for {counted(guessed, 'document')}: {_listed(of_languages)}"
    mixed = [name for name, share in _shares(of_languages or of_scripts).items() if share >= SECOND]
    if len(mixed) < 2:
        return Finding("languages", "ok", told, "", numbers)
    remedy = "a batch of several languages is told apart by language before meaning: train one model for each"
    return Finding("languages", "look", told, remedy, numbers)


def _evenly(texts: Sequence[str]) -> list[str]:
    return [texts[i * len(texts) // MOST] for i in range(MOST)] if len(texts) > MOST else [*texts]


def script(text: str) -> str:
    """The script of most letters of a text, by their names in Unicode; "none" without letters."""
    found = Counter(map(_script, filter(str.isalpha, text)))
    if found.keys() & JAPANESE:
        return "Japanese"
    return found.most_common(1)[0][0].capitalize() if found else "none"


@functools.cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").partition(" ")[0]
    return "CHINESE" if name == "CJK" else name


def _languages(texts: Sequence[str]) -> Counter[str]:
    """How many of the texts are surely of each language."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    guess = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).classify
    long = (text for text in texts if sum(map(str.isalpha, text)) >= SHORTEST)
    return Counter(name for name, sure in map(guess, long) if sure >= SURE)


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: n / total for name, n in sorted(counts.items(), key=lambda x: -x[1])}


def _listed(counts: Mapping[str, int], most: int = 4) -> str:
    shares = [f"{name} {percent(share)}" for name, share in _shares(counts).items()]
    others = len(shares) - most
    return ", ".join([*shares[:most], *([counted(others, "other")] if others > 0 else [])])
