"""What a training run would need to go on: one safetensors file, written whole or not at all."""

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

KEPT = 2  # checkpoints


def save(folder: Path, step: int, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, extra: dict) -> None:
    """Writes `step-*.safetensors`: modules, optimiser, the generators' states, and `extra` (JSON).

    The same state gives the same bytes: metadata is one entry, as safetensors writes several in any order.
    The older of two earlier checkpoints is removed only after the new one is on the disk.
    """
    tensors = {f"{name}/{k}": x for name, module in modules.items() for k, x in module.state_dict().items()}
    for i, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{i}/{k}": torch.as_tensor(x) for k, x in state.items()}
    tensors["generator/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator/cuda"] = torch.cuda.get_rng_state()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:09d}.safetensors"
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        unshared = {k: x.detach().cpu().clone(memory_format=torch.contiguous_format) for k, x in tensors.items()}
        save_file(unshared, part, metadata={"state": json.dumps({"step": step, "extra": extra}, sort_keys=True)})
        part.chmod(folder.stat().st_mode & 0o666)  # safetensors writes for its owner alone
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    keep(folder, KEPT)


def keep(folder: Path, newest: int) -> None:
    """Removes all but the newest checkpoints."""
    for old in checkpoints(folder)[:-newest]:
        old.unlink(missing_ok=True)


def checkpoints(folder: Path) -> list[Path]:
    """The finished checkpoints, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


def load(folder: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer) -> tuple[int, dict]:
    """Restores the newest checkpoint that can be read; returns its step and `extra`. Without any, step 0."""
    for scrap in folder.glob("*.part"):  # of a process that was killed while it wrote
        scrap.unlink(missing_ok=True)
    for path in reversed(checkpoints(folder)):
        try:
            with safe_open(path, "pt") as file:
                state = json.loads(file.metadata()["state"])
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError):
            continue
        _restore(tensors, modules, optimiser)
        return state["step"], state["extra"]
    return 0, {}


def _restore(tensors: dict[str, Tensor], modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer) -> None:
    for name, module in modules.items():
        module.load_state_dict(_under(f"{name}/", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for k, x in _under("optimiser/", tensors).items():
        i, field = k.split("/")
        state.setdefault(int(i), {})[field] = x
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["generator/cpu"])
    if "generator/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["generator/cuda"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): x for k, x in tensors.items() if k.startswith(prefix)}
