"""The docstrings of Python source files, by parsing: nothing is imported or run.

Run as a script it is a worker: a JSON list of paths comes in, a JSON list of the docstrings of each
comes out, null for a file that cannot be parsed. It uses the standard library alone, so that it starts
in a few hundredths of a second, and knows nothing of the program that started it.
"""

import ast
import gc
import json
import sys
import warnings
from collections.abc import Iterator

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")  # where statements hold statements


def docstrings(path: str) -> list[str] | None:
    """The docstrings of a file's module, classes and functions, in their order, indentation removed.

    None if the file cannot be read or parsed.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
        if b'"""' not in source and b"'''" not in source:
            return []
        return list(_documented(ast.parse(source)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _documented(tree: ast.Module) -> Iterator[str]:
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield text
        nodes += [inner for block in reversed(BLOCKS) for inner in reversed(getattr(node, block, ()))]


def main() -> None:
    warnings.simplefilter("ignore")
    gc.disable()  # a syntax tree has no cycles, and many nodes to look through
    json.dump([docstrings(path) for path in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
