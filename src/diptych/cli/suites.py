"""`diptych evaluate --suite` and `--mteb`: models on tasks that the field judges by."""

import json as jsonlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from diptych import embedding, encoders
from diptych.cli.progress import Counter, note
from diptych.core import Encoder, Precision
from diptych.data.files import below, digest, ending, special
from diptych.data.sources import FORMATS
from diptych.encoders.folder import locate
from diptych.evaluate import asked, hub, mteb, suites
from diptych.evaluate.remembered import Remembered
from diptych.evaluate.task import Result
from diptych.plural import counted
from diptych.report import board, history, page
from diptych.report.history import Entry
from diptych.train.precision import resolve


@dataclass(frozen=True)
class Call:
    """What the command line asked for."""

    suite: str
    data: str  # a folder, or a data set of the hub
    models: Sequence[str]
    precision: Precision | None = None
    tokenised: bool = False
    history: Path | None = None
    page: Path | None = None
    json: bool = False

    @property
    def title(self) -> str:
        """The suite and the form of its text: scores of two forms are not compared."""
        return f"{self.suite} (tokenised)" if self.tokenised else self.suite


def evaluate(call: Call) -> None:
    """Judges each model, prints a table or JSON, adds to the history and writes the page."""
    _check(call)
    data = hub.given(call.suite, call.data)
    tasks = suites.tasks(call.suite, data.folder, **({"tokenised": True} if call.tokenised else {}))
    told = [*data.notes, *asked.notes(tasks)]
    note(*told)
    fingerprint = _fingerprint(data.folder)

    def judged(model: str) -> Entry:
        encode, own, precision = _encoding(call, model)
        answers = asked.run(tasks, encode, model)
        note(
            f"{model}: {counted(answers.texts, 'text')} embedded in {answers.embedding:.1f} s, scored in "
            f"{answers.scoring:.1f} s"
        )
        note(*(f"{model}: {line}" for line in answers.notes))
        return _entry(call, model, precision, own, data.name, fingerprint, answers.results)

    _tell(call, judged, {"data": call.data, "data_fingerprint": fingerprint, "notes": told})


def evaluate_mteb(call: Call, names: Sequence[str]) -> None:
    """The same with tasks of mteb, by their names. What they are scored on is named by mteb's version."""
    _check(call)
    version = mteb.version()

    def judged(model: str) -> Entry:
        encode, own, precision = _encoding(call, model)
        results = mteb.benchmark(encode, PurePath(model).name, names)
        return _entry(call, model, precision, own, "mteb", version, results)

    _tell(call, judged, {"data": "mteb", "data_fingerprint": version, "notes": []})


def _tell(call: Call, judged: Callable[[str], Entry], about: dict[str, Any]) -> None:
    """Judges, and says, keeps and shows what was found. All models are found before the first is judged."""
    earlier = history.read(call.history) if call.history else []
    for model in call.models:
        locate(model)
    entries = []
    for model in call.models:
        entries.append(judged(model))
        if call.history:
            history.append(call.history, entries[-1:])
    if call.page:
        page.write(call.page, page.suites([*earlier, *entries]))
    if call.json:
        told = {"suite": call.title, **about, "models": [asdict(entry) for entry in entries]}
        print(jsonlib.dumps(told, allow_nan=False))
        return
    written = [f"{name}  {path}" for name, path in (("history", call.history), ("page", call.page)) if path]
    print("\n\n".join([*map(board.text, board.boards(entries)), *written]))


def _check(call: Call) -> None:
    if call.tokenised and call.suite != "sts":
        raise ValueError(f"--tokenised is for the suite sts, whose files come in two forms; got the suite {call.suite}")
    if call.tokenised and hub.named(call.data):
        raise ValueError(f"--tokenised is for files of both forms; sets of the hub are plain text; got {call.data}")
    for name, path, suffix in (("--history", call.history, ".jsonl"), ("--page", call.page, ".html")):
        if path and (path.is_dir() or path.suffix != suffix):
            raise ValueError(f"{name} names a file that ends in {suffix}; got {path}")


def _fingerprint(folder: Path) -> str:
    """A hash of the tables in a folder and the folders in it; other files are no data of a suite."""
    place = folder if folder.is_dir() else folder.parent
    files = below(folder) if folder.is_dir() else [folder]
    return digest([x for x in files if ending(x) in FORMATS and x.is_file() and not special(x)], place)


def _encoding(call: Call, model: str) -> tuple[Remembered, str, str]:
    """A model that embeds no text twice, its fingerprint and its precision."""
    encoder, own = loaded(model, call.precision), embedding.fingerprint(model)
    precision = resolve(encoder.precision, next(encoder.parameters()).device)
    remembered = Remembered(
        encoder.encode, f"{own} {precision}", Counter(f"embedding with {model}", noun="texts"), model
    )
    return remembered, own, precision


def _entry(
    call: Call, model: str, precision: str, own: str, data: str, fingerprint: str, results: Sequence[Result]
) -> Entry:
    date, lines = datetime.now(UTC).isoformat(timespec="seconds"), [asdict(line) for line in results]
    return Entry(call.title, model, precision, own, data, fingerprint, date, lines)


def loaded(model: str, precision: Precision | None) -> Encoder:
    """A model in a precision, or in that of its kind. Raises ValueError for bf16 of a model that others run."""
    from diptych.encoders.foreign import Foreign

    encoder = encoders.load(model)
    if isinstance(encoder, Foreign):
        if precision == "bf16":
            raise ValueError(f"{model} is run by sentence-transformers, in fp32; --precision bf16 is for other models")
    elif precision:
        encoder.precision = precision
    return encoder
