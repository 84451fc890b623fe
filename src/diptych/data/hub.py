"""Data sets of the Hugging Face hub: what an id looks like, and the library that fetches them."""

import re
from dataclasses import dataclass
from typing import Any

ID = re.compile(r"(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(:(?P<part>[\w.-]+))?(@(?P<revision>[\w.-]+))?")


@dataclass(frozen=True)
class HubId:
    """`owner/name`, perhaps a part of it (a "config" on the hub) and a revision: `owner/name:part@revision`."""

    repository: str
    part: str | None = None
    revision: str | None = None

    @classmethod
    def of(cls, name: str) -> "HubId | None":
        """The id that a name is; None if it is none."""
        found = ID.fullmatch(name)
        return cls(**found.groupdict()) if found else None

    def __str__(self) -> str:
        part, revision = self.part and f":{self.part}", self.revision and f"@{self.revision}"
        return f"{self.repository}{part or ''}{revision or ''}"


def library(why: str) -> Any:
    """The package `datasets`. Raises ImportError that says what needs it."""
    try:
        import datasets
    except ImportError:
        raise ImportError(f"{why} needs the package datasets: pip install 'diptych[hub]'") from None
    return datasets
