"""The encoders of this project under mteb, as it is: `mteb.evaluate(ForMteb(encode, name), tasks)`.

Source: MTEB, arXiv:2210.07316; mteb 2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from diptych.evaluate.suite import Encode, encoded
from diptych.evaluate.task import Result
from diptych.measure.geometry import cosines
from diptych.measure.rows import products, unit

if TYPE_CHECKING:
    from mteb import AbsTask

MISSING = "--mteb needs the package mteb: pip install 'diptych[mteb]'"
NETWORK = ("datasets", "huggingface_hub", "httpx", "requests")  # whose errors say that data cannot be fetched


class ForMteb:
    """An encoder by mteb's `EncoderProtocol`. Texts are embedded as they are, without prompts; likeness is the cosine.

    Raises ModuleNotFoundError without mteb.
    """

    def __init__(self, encode: Encode, name: str):
        self.given, self.name = encode, name
        about = {"name": f"diptych/{name.replace('/', '__')}", "revision": "local"}
        self.mteb_model_meta = _mteb().models.ModelMeta.create_empty(overwrites=about)

    def encode(self, inputs: Any, **about: Any) -> Float[np.ndarray, "n d"]:
        """The embeddings of a loader's texts, in its order; `about` (task, split, prompt) changes nothing."""
        return np.asarray(encoded(self.name, self.given, [text for batch in inputs for text in batch["text"]]))

    def similarity(self, a: Any, b: Any) -> Float[Tensor, "n m"]:
        return products(unit(_rows(a)), unit(_rows(b)))

    def similarity_pairwise(self, a: Any, b: Any) -> Float[Tensor, " n"]:
        return cosines(_rows(a), _rows(b))


def _rows(x: Any) -> Float[Tensor, "n d"]:
    return torch.atleast_2d(torch.as_tensor(x))


def _mteb() -> Any:
    try:
        import mteb
    except ModuleNotFoundError as error:
        if error.name != "mteb":
            raise
        raise ModuleNotFoundError(MISSING) from None
    return mteb


def version() -> str:
    """Which mteb it is, "mteb 2.26.1". Raises ModuleNotFoundError without it."""
    return f"mteb {_mteb().__version__}"


def benchmark(encode: Encode, name: str, tasks: "Sequence[str | AbsTask]") -> list[Result]:
    """The main scores of tasks of mteb, by their names or as they are: a line for each split and subset, x 100.

    A task that is the mean of others gives the lines of these. Nothing is kept in mteb's own cache of results.
    Raises ValueError for a name that mteb does not know, ConnectionError for data that cannot be fetched.
    """
    mteb, model = _mteb(), ForMteb(encode, name)
    asked = [_named(mteb, task) if isinstance(task, str) else task for task in tasks]
    found: list[Result] = []
    for task in (part for one in asked for part in getattr(one.metadata, "tasks", [one])):
        _load(task)
        [result] = mteb.evaluate(model, task, cache=None, co2_tracker=False, show_progress_bar=False).task_results
        found += _lines(task, result.scores)
        task.unload_data()
    return found


def _named(mteb: Any, name: str) -> "AbsTask":
    try:
        return mteb.get_task(name)
    except KeyError as error:
        raise ValueError(f"mteb has no task {name!r}: {str(error.args[0]).removeprefix('KeyError: ')}") from None


def _load(task: "AbsTask") -> None:
    try:
        task.load_data()
    except Exception as error:
        if not (isinstance(error, OSError) or type(error).__module__.partition(".")[0] in NETWORK):
            raise
        where, reason = task.metadata.dataset.get("path", "the hub"), str(error).strip().partition("\n")[0]
        raise ConnectionError(
            f"{task.metadata.name}: its data, {where}, could not be fetched and are not in the cache of Hugging Face "
            f"({type(error).__name__}: {reason})"
        ) from error


def _lines(task: "AbsTask", scores: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Result]:
    """The line of a task with one split and one subset is called by its name alone."""
    lines = [(split, one) for split, subsets in scores.items() for one in subsets]
    for split, one in lines:
        subset = one["hf_subset"]
        parts = [task.metadata.name, *([split] if len(lines) > 1 else []), *([subset] if subset != "default" else [])]
        data: Any = task.dataset
        there = data.get(subset, data)[split]
        n = len(there["queries"] if isinstance(there, dict) else there)
        yield Result("/".join(parts), task.metadata.main_score, 100 * one["main_score"], n, how="by mteb, no interval")
