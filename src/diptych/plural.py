"""Numbers with their nouns."""


def counted(n: float, noun: str, several: str = "", digits: str = ",") -> str:
    """ "1 file", "2,000 documents", "4 classes", "0 copies", "1 row has", "2 rows have".

    `several` is the plural, where it is not made as usual; `digits` how the number is written, and "1" is one.
    """
    told = f"{n:{digits}}"
    return f"{told} {noun if told == '1' else several or _several(noun)}"


def _several(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch")) else f"{noun}s"
