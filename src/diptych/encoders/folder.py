"""A model as a folder, in the layout of sentence-transformers: read, and written whole or not at all.

    modules.json                        the chain of modules, each with its type and its folder
    config_sentence_transformers.json   versions, prompts, similarity
    model.safetensors, tokenizer.json   the first module, at the root

Types are written under their names in `sentence_transformers.models`, which versions 3 to 6 import.
Layout: https://sbert.net, sentence_transformers/base/model.py.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diptych.encoders.quiet import PANIC

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WEIGHTS = ("*.json", "*.safetensors", "*.txt", "*.model")  # never a pickle
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
OTHER_FORMATS = ("onnx/*", "openvino/*", "coreml/*", "original/*")


@dataclass(frozen=True)
class Module:
    """One module of a chain: its whole type, the last part of it, and its folder."""

    type: str
    folder: Path

    @property
    def kind(self) -> str:
        return self.type.rsplit(".", 1)[-1]


def locate(path_or_id: str | Path, offline: bool = False) -> Path:
    """The folder of a model: a folder here, a run folder's `model/`, or a download of a hub id.

    With `offline` a hub id is looked for among what was downloaded before.

    Raises FileNotFoundError, NotADirectoryError, or ConnectionError when the hub is out of reach.
    """
    folder = Path(os.path.expanduser(path_or_id))
    if folder.is_file():
        raise NotADirectoryError(f"a model is a folder, and {folder} is a file")
    if folder.is_dir():
        inner = folder / "model"
        own = any((folder / name).exists() for name in ("modules.json", "config.json", "adapter_config.json"))
        return inner if inner.is_dir() and not own else folder
    if isinstance(path_or_id, Path) or not HUB_ID.fullmatch(path_or_id):
        raise FileNotFoundError(f"there is no folder {folder} (and a hub id looks like `name` or `owner/name`)")
    return _download(path_or_id, offline)


def adapted(folder: Path) -> Path | None:
    """The folder of the network that the adapter in a model's folder is for; None if there is no adapter.

    Raises FileNotFoundError or ConnectionError if that network is not on this machine.
    """
    for file in sorted(folder.rglob("adapter_config.json")):
        if named := config(file.parent, file.name).get("base_model_name_or_path"):
            return locate(str(named), offline=True)
    return None


def _download(name: str, offline: bool = False) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        wanted: dict[str, Any] = {"allow_patterns": list(WEIGHTS), "ignore_patterns": list(OTHER_FORMATS)}
        return Path(snapshot_download(name, local_files_only=offline, **wanted))
    except HFValidationError as error:
        raise FileNotFoundError(f"there is no folder {name}, and it is no hub id: {error}") from None
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConnectionError(
            f"there is no folder {name} here, and the Hugging Face hub gave no model of that name "
            f"({reason}). Name a folder, or try again online"
        ) from error


def read_json(file: Path) -> Any:
    """A JSON file's content. Raises ValueError, with the place, if it is broken."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from None


@contextmanager
def reading(what: str, folder: Path, unless_named: bool = False) -> Iterator[None]:
    """What goes wrong while open is a ValueError that names the folder, or the JSON file in it that is broken.

    The libraries raise all kinds of errors for a broken file, and a panic of `tokenizers` is no Exception
    at all. With `unless_named` an error that names the folder already is left as it is.
    """
    try:
        yield
    except BaseException as error:
        named = isinstance(error, ValueError | OSError | ImportError) and str(folder) in str(error)
        if (named and unless_named) or not (isinstance(error, Exception) or type(error).__name__ == PANIC):
            raise
        for file in sorted(folder.rglob("*.json")):
            read_json(file)
        said = str(error).strip() or type(error).__name__
        raise ValueError(f"cannot read the {what} in {folder}: {said}") from error


def config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A module's configuration; empty where there is none. Raises ValueError for what is no JSON object."""
    found = read_json(folder / name) if (folder / name).exists() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{folder / name} is no configuration: a JSON object is due, like {{...}}")
    return found


def chain(folder: Path) -> list[Module]:
    """The modules of a sentence-transformers folder in their order; empty for any other folder."""
    index = folder / "modules.json"
    listed = read_json(index) if index.exists() else []
    try:
        modules = [Module(str(m["type"]), folder / m["path"]) for m in sorted(listed, key=lambda m: m["idx"])]
    except (TypeError, KeyError):
        modules = []
    if index.exists() and not modules:
        raise ValueError(f"{index} is no list of modules, each with idx, type and path")
    for module in modules:
        inside(folder, module.folder)
    return modules


def inside(folder: Path, place: Path) -> None:
    """Raises ValueError for a part of a model that lies outside of its folder."""
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{folder} names a part of itself that lies outside of it, {place}; it is not read")


def pickled(folder: Path) -> str | None:
    """The name of a pickle that holds a folder's weights, or that an index of them leads to; None if there is none."""
    for index in folder.glob("*.safetensors.index.json"):
        shards = config(folder, index.name).get("weight_map")
        for name in shards.values() if isinstance(shards, dict) else ():
            if not str(name).endswith(".safetensors"):
                return str(name)
    names = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if any((folder / f"model.safetensors{index}").exists() for index in ("", ".index.json")):
        adapted = (folder / "adapter_config.json").exists() and not (folder / "adapter_model.safetensors").exists()
        names = [name for name in names if adapted and name.startswith("adapter_model.")]
    return names[0] if names else None


def kernels(told: Any, within: bool = False) -> Iterator[str]:
    """The repositories of the hub whose code a configuration wants to run, as `"attn_implementation": "owner/name"`."""
    if isinstance(told, dict):
        for key, inner in told.items():
            yield from kernels(inner, within or str(key).endswith("_implementation"))
    elif within and isinstance(told, str) and "/" in told:
        yield told


def write_chain(folder: Path, modules: Sequence[tuple[str, str, dict[str, Any] | None]]) -> None:
    """Writes `modules.json`, the settings, and a configuration for each module that has one.

    `modules` is (kind, folder, configuration); the first module's own files lie at the root.
    """
    listed = []
    for i, (kind, path, settings) in enumerate(modules):
        listed.append({"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"})
        if settings is not None:
            (folder / path).mkdir(exist_ok=True)
            write_json(folder / path / "config.json", settings)
    versions = {
        "sentence_transformers": "5.0.0",  # the oldest that knows every setting written here
        "transformers": version("transformers"),
        "pytorch": version("torch"),
    }
    write_json(
        folder / "config_sentence_transformers.json",
        {
            "__version__": versions,
            "model_type": "SentenceTransformer",
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )
    write_json(folder / "modules.json", listed)


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when all is written.

    Raises FileExistsError if `folder` holds something that is no model: it would be replaced.
    """
    folder = Path(folder)
    model = any((folder / name).exists() for name in ("modules.json", "preprocessor_config.json"))
    model = model or config(folder).get("model_type") == "diptych_graph"
    if folder.exists() and not model and (folder.is_file() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} holds something that is no model; it is left as it is")
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        for file in (path for path in new.rglob("*") if path.is_file()):
            file.chmod(new.stat().st_mode & 0o666)  # safetensors writes for its owner alone
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
