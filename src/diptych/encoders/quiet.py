"""Libraries without what they write beside their results."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no log lines below errors from `transformers` while open."""
    from transformers.utils import logging as hf

    level, bars = hf.get_verbosity(), hf.is_progress_bar_enabled()
    hf.set_verbosity(logging.ERROR)
    hf.disable_progress_bar()
    try:
        yield
    finally:
        hf.set_verbosity(level)
        if bars:
            hf.enable_progress_bar()


PANIC = "PanicException"  # of a library in Rust; it is no Exception


@contextmanager
def without_panics() -> Iterator[None]:
    """Holds stderr back while open, and drops it if a library in Rust panics: the error that is raised says it too."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as stderr:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException as error:
            if PANIC in (type(error).__name__, type(error.__cause__).__name__):
                held.truncate(0)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr.fileno(), 2)
            held.seek(0)
            stderr.write(held.read())
