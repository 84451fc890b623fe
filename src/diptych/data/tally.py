"""What happened to documents on their way in: counted, and said."""

from collections import Counter

from diptych.plural import counted


class Tally:
    """Counts of events, each of which becomes a sentence for a person."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, noun: str, event: str, count: int = 1) -> None:
        if count:
            self._counts[noun, event] += count

    def sentences(self) -> list[str]:
        return [f"{counted(n, noun)} {event}" for (noun, event), n in self._counts.items()]
