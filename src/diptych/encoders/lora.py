"""LoRA: beside the large matrices of a network, which stay as they are, small ones learn.

    y = W x + (alpha / r) B A dropout(x)        A (r in), B (out r); B is 0 at first

Source: Hu et al., arXiv:2106.09685. Layers and files are those of `peft`.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from diptych.encoders import folder as layout
from diptych.encoders import noise

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"  # as `peft` names them
NAME, PREFIX = "default", "base_model.model."  # of an adapter, and of its tensors in a file
BEYOND = {  # settings of `peft` that add to more than W + (alpha / r) B A, and their values that do not
    "use_dora": False,
    "lora_bias": False,
    "bias": "none",
    "modules_to_save": None,
    "trainable_token_indices": None,
    "target_parameters": None,
}
TARGETS = (  # query and value; the first that a network has
    ("q_proj", "v_proj"),  # Llama, Qwen, Gemma, Phi, Mistral, OPT
    ("query", "value"),  # BERT, RoBERTa, ELECTRA
    ("query_proj", "value_proj"),  # DeBERTa
    ("q_lin", "v_lin"),  # DistilBERT
    ("attn.q", "attn.v"),  # MPNet
    ("Wqkv",),  # ModernBERT, NomicBERT: all three in one
    ("query_key_value",),  # GPT-NeoX, BLOOM
    ("c_attn",),  # GPT-2
)


class Adaptable(Protocol):
    """An encoder of which the network takes an adapter."""

    @property
    def network(self) -> "PreTrainedModel": ...

    def freeze(self) -> None: ...


E = TypeVar("E", bound=Adaptable)


def lora(
    encoder: E,
    r: int = 8,
    alpha: int = 32,
    dropout: float = 0.1,
    targets: Sequence[str] | None = None,
    *,
    init: Literal["kaiming", "gaussian"] = "kaiming",
    seed: int = 0,
) -> E:
    """Puts an adapter into an encoder; from there on only the adapter learns, and at first it changes nothing.

    `targets` are names of linear layers, or the ends of such names; without them the projections of queries and
    values. A is decided by the seed: uniform as in the authors' code, or `gaussian` with deviation 1 / r. `freeze`
    (train_last) leaves the adapter of the last blocks. An encoder that has an adapter of this shape keeps it as it is.

    Raises ValueError if a target matches no linear layer (the message lists those there are), for an adapter of
    another shape that is there already, and for numbers that cannot be; ModuleNotFoundError without `peft`.
    """
    if r < 1 or alpha <= 0 or not 0 <= dropout < 1:
        raise ValueError(f"LoRA takes r >= 1, alpha > 0 and dropout in [0, 1); got r={r}, {alpha=}, {dropout=}")
    network = encoder.network
    if there := held(network):
        asked = (r, alpha, dropout, set(targets or there.target_modules))
        has = (there.r, there.lora_alpha, there.lora_dropout, set(there.target_modules))
        if asked != has:
            raise ValueError(
                f"the model has an adapter already: r={has[0]}, alpha={has[1]}, dropout={has[2]}, targets "
                f"{','.join(sorted(has[3]))}; go on with these, or begin from weights saved with --merge"
            )
        return encoder
    names = _targets(network, targets)
    config = _peft().LoraConfig(
        r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=names, task_type="FEATURE_EXTRACTION",
        init_lora_weights="gaussian" if init == "gaussian" else True, fan_in_fan_out=_transposed(network, names),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _inject(network, config)
    encoder.freeze()
    return encoder


def held(network: nn.Module) -> Any:
    """The `peft.LoraConfig` of the adapter in a network; None if it has none."""
    return (getattr(network, "peft_config", None) or {}).get(NAME)


def is_adapter(name: str) -> bool:
    """Whether a parameter of that name is of an adapter."""
    return any(part.startswith("lora_") for part in name.split("."))


def _peft() -> Any:
    try:
        import peft
    except ModuleNotFoundError:
        raise ModuleNotFoundError("an adapter (LoRA) needs peft: pip install 'diptych[lora]'") from None
    return peft


def _inject(network: nn.Module, config: Any) -> None:
    """Puts layers of `peft` in place, in fp32 whatever the network is in, with dropout that knows its sample."""
    training = network.training
    _peft().inject_adapter_in_model(config, network, adapter_name=NAME)
    for name, parameter in network.named_parameters():
        if is_adapter(name):
            parameter.data = parameter.data.float()
    noise.replace(network)
    network.train(training)


def _linear(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that can be adapted: linear ones, those of GPT-2 too."""
    from transformers.pytorch_utils import Conv1D

    return {name: each for name, each in network.named_modules() if isinstance(each, nn.Linear | Conv1D)}


def _transposed(network: nn.Module, targets: Sequence[str]) -> bool:
    """Whether the weights of the targets are (in out), as in GPT-2."""
    layers = _linear(network)
    return any(not isinstance(layers[name], nn.Linear) for name in layers if _matches(name, targets))


def _matches(name: str, targets: Sequence[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _targets(network: nn.Module, asked: Sequence[str] | None) -> list[str]:
    """The names that were asked for, or the family's. Raises ValueError for one that matches nothing."""
    layers = _linear(network)
    for usual in () if asked else TARGETS:
        if all(any(_matches(name, [target]) for name in layers) for target in usual):
            return list(usual)
    missing = [target for target in asked or () if not any(_matches(name, [target]) for name in layers)]
    if missing or not asked:
        why = f"no linear layer is called {missing[0]!r}" if missing else "its query and value layers are unknown"
        raise ValueError(
            f"{why} in {type(network).__name__}, so give LoRA other targets; there are {', '.join(_kinds(layers))}"
        )
    return list(asked)


def _kinds(names: Sequence[str] | dict[str, nn.Module]) -> list[str]:
    """Names of layers without the numbers of their blocks, each once: `attn.q` of `encoder.layer.3.attn.q`."""
    ends = (".".join(_behind_number(name.split("."))) for name in names)
    return list(dict.fromkeys(ends))


def _behind_number(parts: list[str]) -> list[str]:
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=-1)
    return parts[last + 1 :]


# ---------------------------------------------------------------- files


def save(network: nn.Module, folder: Path, base: str) -> None:
    """Writes the adapter in the layout of `peft`; `base` is the folder or hub id of the network it belongs to."""
    from safetensors.torch import save_file

    state = _peft().get_peft_model_state_dict(network, adapter_name=NAME, save_embedding_layers=False)
    tensors = {f"{PREFIX}{name}": x.detach().cpu().contiguous() for name, x in state.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = deepcopy(held(network))
    config.base_model_name_or_path, config.inference_mode = base, True
    config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))


def load(network: "PreTrainedModel", folder: Path) -> None:
    """Puts the adapter of a folder into its base network.

    Raises ValueError for an adapter of another kind (DoRA and learned biases too), or of another network.
    """
    from safetensors.torch import load_file

    told = layout.config(folder, CONFIG)
    if told.get("peft_type") != "LORA":
        raise ValueError(f"{folder / CONFIG} is of type {told.get('peft_type')!r}; only LORA is read")
    _refuse_more(told, folder / CONFIG)
    peft = _peft()
    config = peft.LoraConfig.from_pretrained(str(folder))
    config.init_lora_weights, config.inference_mode = True, False
    _inject(network, config)
    weights = load_file(folder / WEIGHTS)
    peft.set_peft_model_state_dict(network, weights, adapter_name=NAME)
    wanted = {PREFIX + name for name in peft.get_peft_model_state_dict(network, save_embedding_layers=False)}
    if wanted != weights.keys():
        some = ", ".join(sorted(wanted ^ weights.keys())[:3])
        raise ValueError(f"{folder / WEIGHTS} is no adapter for {type(network).__name__}: {some}")


def _refuse_more(told: Mapping[str, Any], file: Path) -> None:
    """Raises ValueError for an adapter that is more than a product of two matrices beside each of its targets."""
    for name, plain in BEYOND.items():
        if (value := told.get(name) or plain) != plain:
            raise ValueError(
                f"{file} has {name} = {value!r}, which is not read: an adapter here is W + (alpha / r) B A and no "
                "more, so merged it would be wrong; merge it with peft (merge_and_unload), and load what that saves"
            )


def merged(network: nn.Module) -> dict[str, Tensor]:
    """The weights of a network without adapter that computes the same: W + (alpha / r) B A."""
    sums = dict(_sums(network))
    state = {name.replace(".base_layer.", "."): x for name, x in network.state_dict().items() if not is_adapter(name)}
    return {name: sums.get(name, x) for name, x in state.items()}


@torch.no_grad()
def _sums(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    from peft.tuners.lora import LoraLayer

    for name, layer in network.named_modules():
        if isinstance(layer, LoraLayer):
            weight = layer.get_base_layer().weight
            yield f"{name}.weight", (weight.float() + layer.get_delta_weight(NAME).float()).to(weight.dtype)
