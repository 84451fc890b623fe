"""What a training run would need to go on: one safetensors file, written whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from diptych.core import DataError, Encoder
from diptych.train.sharding import divided, gathered

KEPT = 2  # checkpoints: the older is there if the newer is damaged, and to take the steps between them again


def save(
    folder: Path,
    step: int,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    extra: dict,
    write: bool = True,
) -> None:
    """Writes `step-*.safetensors`: modules, optimiser, the generators' states, and `extra` (JSON).

    The same state gives the same bytes: metadata is one entry, as safetensors writes several in any order.
    The older of two earlier checkpoints is removed only after the new one is on the disk. Of weights that are
    divided among processes, each calls this, and one of them writes.
    """
    tensors = {f"{name}/{k}": x for name, module in modules.items() for k, x in _kept(module).items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{i}/{k}": torch.as_tensor(x) for k, x in state.items()}
    tensors["generator/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator/cuda"] = torch.cuda.get_rng_state()
    unshared = {k: gathered(x.detach()).cpu().clone(memory_format=torch.contiguous_format) for k, x in tensors.items()}
    if not write:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.safetensors"
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        save_file(unshared, part, metadata={"state": json.dumps({"step": step, "extra": extra}, sort_keys=True)})
        part.chmod(folder.stat().st_mode & 0o666)  # safetensors writes for its owner alone
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink(missing_ok=True)


def checkpoints(folder: Path) -> list[Path]:
    """The finished checkpoints, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


def read(path: Path) -> tuple[int, dict, dict[str, Tensor]]:
    """The step, `extra` and tensors of a checkpoint. Raises DataError if it is damaged."""
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
            return state["step"], state["extra"], {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def load(
    folder: Path,
    modules: dict[str, nn.Module],
    optimiser: torch.optim.Optimizer,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[int, dict]:
    """Restores the newest checkpoint that can be read; returns its step and `extra`. Without any, step 0.

    One that is passed over is told to `say`. Raises DataError if there are checkpoints and none can be read.
    """
    for scrap in folder.glob("*.part"):  # of a process that was killed while it wrote
        scrap.unlink(missing_ok=True)
    damaged = []
    for path in reversed(checkpoints(folder)):
        try:
            step, extra, tensors = read(path)
        except DataError as error:
            damaged.append(str(error))
            continue
        for line in damaged:
            say(f"{line}; going on from {path.name}, the one before")
        _restore(tensors, modules, optimiser)
        return step, extra
    if damaged:
        remedy = f"to train from step 0 again, remove {folder}"
        raise DataError("; ".join(["no checkpoint of this run can be read", *damaged, remedy]))
    return 0, {}


def _restore(tensors: dict[str, Tensor], modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer) -> None:
    for name, module in modules.items():
        held, kept = module.state_dict(), _kept(module)
        fixed = {k: x for k, x in held.items() if k not in kept}
        module.load_state_dict(fixed | _divided(_under(f"{name}/", tensors), held))
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for k, x in _under("optimiser/", tensors).items():
        i, field = k.split("/")
        weight = weights[int(i)]
        state.setdefault(int(i), {})[field] = divided(x, weight) if x.shape == weight.shape else x
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["generator/cpu"])
    if "generator/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["generator/cuda"])


def _kept(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module without what lies elsewhere (`Encoder.fixed`)."""
    inner = [(f"{name}." if name else "", part) for name, part in module.named_modules() if isinstance(part, Encoder)]
    fixed = {prefix + name for prefix, encoder in inner for name in encoder.fixed}
    return {name: x for name, x in module.state_dict().items() if name not in fixed}


def _divided(tensors: dict[str, Tensor], held: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: divided(x, held[k]) if k in held else x for k, x in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): x for k, x in tensors.items() if k.startswith(prefix)}
