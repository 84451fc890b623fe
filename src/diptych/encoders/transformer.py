"""Any text encoder of `transformers`, and decoders by their last token, with pooling.

Shapes: b samples, t tokens (of the longest sample), d width.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from diptych.core import Batch, Encoder, Text
from diptych.encoders import blocks as family
from diptych.encoders import direction, lora, noise
from diptych.encoders import folder as layout
from diptych.encoders.lowered import gathers, lowered
from diptych.encoders.noise import Keys, keyed
from diptych.encoders.packing import Layout, laid_out, packable, rounded
from diptych.encoders.pooling import SAVED, Pooling, pool, pool_row
from diptych.encoders.quiet import quiet
from diptych.encoders.recompute import recomputed
from diptych.plural import counted
from diptych.tokens.surround import enclose
from diptych.tokens.tokenise import plain, surroundings, tokenise

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


class Transformer(Encoder):
    """A network of `transformers`, pooled over the tokens of each sample, special tokens included.

    `max_tokens` counts special tokens; what is longer is cut. Rows are padded on the right whatever
    the tokenizer prefers, so that positions count from the first real token in every family. A text
    without any token is read as one padding token.

    Raises ValueError if `max_tokens` is more than the network has positions for, or too few, and if the
    tokenizer has more tokens than the network.
    """

    precision = "auto"
    recomputes = True
    base: str | None = None  # the folder or hub id that the network's weights lie in
    merge = False  # whether an adapter is saved as part of the weights, in place of a file beside them

    def __init__(
        self,
        network: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerFast",
        pooling: Pooling = "mean",
        max_tokens: int = 512,
        normalize: bool = False,
    ):
        super().__init__()
        self.network, self.dim, self.normalize = network, int(network.config.hidden_size), normalize
        self.pretrained, self.tokenizer = _padded_right(tokenizer), plain(tokenizer.backend_tokenizer)
        self.before, self.after = surroundings(self.tokenizer)
        self.pooling, self.max_tokens = pooling, max_tokens
        self._check_vocabulary()
        self._frozen: list[nn.Module] = []
        self._surrounded = False
        network.config.use_cache = False
        self._unused_pooler()
        noise.replace(network)
        self.train(network.training)

    @functools.cached_property
    def padded(self) -> bool:  # type: ignore[override]
        """Whether the network cannot be packed."""
        return not packable(self.network, first_position(self.network), self._lowered)

    @property
    def pooling(self) -> Pooling:
        return self._pooling

    @pooling.setter
    def pooling(self, how: Pooling) -> None:
        if how not in get_args(Pooling):
            raise ValueError(f"pooling is one of {', '.join(get_args(Pooling))}; got {how!r}")
        self._pooling: Pooling = how

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    @max_tokens.setter
    def max_tokens(self, tokens: int) -> None:
        most, least = positions(self.network), len(self.before) + len(self.after) + 1
        if most is not None and tokens > most:
            raise ValueError(f"max_tokens is {tokens}, and this network has {most} positions")
        if tokens < least:
            raise ValueError(f"max_tokens is {tokens}; with special tokens a text has at least {least}")
        self._max_tokens = tokens

    def _check_vocabulary(self) -> None:
        tokens = 1 + max(self.tokenizer.get_vocab().values(), default=-1)
        rows = self.network.get_input_embeddings().num_embeddings
        if tokens > rows:
            raise ValueError(
                f"the tokenizer has {counted(tokens, 'token')} and the network only {counted(rows, 'embedding')}"
            )

    def _unused_pooler(self) -> None:
        """BERT's second output is not ours: its weights are kept for other tools, and never trained."""
        for name, child in self.network.named_children():
            if name == "pooler":
                child.requires_grad_(False)

    def surround(self, before: Sequence[int] = (), after: Sequence[int] = ()) -> None:
        """Puts further tokens around every text, between it and those that are there; who loads what is saved does too.

        Raises ValueError if `max_tokens` leaves no room for a text.
        """
        self.enclose([*self.before, *before], [*after, *self.after])

    def enclose(self, before: Sequence[int] = (), after: Sequence[int] = ()) -> None:
        """Puts these tokens around every text, in place of those that are there; else as `surround`."""
        self.tokenizer = enclose(self.tokenizer, before, after)
        self.pretrained.backend_tokenizer.post_processor = self.tokenizer.post_processor
        self.before, self.after = surroundings(self.tokenizer)
        self.max_tokens, self._surrounded = self.max_tokens, True

    def end(self) -> None:
        """Puts EOS behind every text, also one that is cut, unless a special token is there already.

        Raises ValueError if the tokenizer has none.
        """
        if self.after:
            return
        if self.pretrained.eos_token_id is None:
            raise ValueError(
                "a causal network reads a text at the token that ends it, and this tokenizer has none: name one as "
                '"eos_token" in tokenizer_config.json, or pool by mean or weighted'
            )
        self.surround(after=[self.pretrained.eos_token_id])

    def prompt(self, text: str) -> None:
        """Puts a text before every text, as tokens of its own. One that is there already stays as it is.

        Raises ValueError if it has no tokens, and if another prompt is there.
        """
        if not (ids := self._read([text])[0]):
            raise ValueError(f"a prompt is a text that has tokens; got {text!r}")
        special = {i for i, token in self.tokenizer.get_added_tokens_decoder().items() if token.special}
        first = len(self.before) - len(ids)
        if self.before[max(0, first) :] == ids and special.issuperset(self.before[:first]):
            return
        if there := [i for i in self.before if i not in special]:
            raise ValueError(
                f"the model puts {self.tokenizer.decode(there)!r} before every text already, and a text has one "
                f"prompt; leave {text!r} out, or begin from a model without"
            )
        self.surround(before=ids)

    @property
    def fixed(self) -> list[str]:
        """With an adapter, the weights of the network itself."""
        names = [name for name, _ in self.network.named_parameters() if not lora.is_adapter(name)]
        return [f"network.{name}" for name in names] if lora.held(self.network) else []

    @property
    def layers(self) -> list[nn.Module]:
        return [family.embedding(self.network), *family.blocks(self.network)]

    @property
    def leaks(self) -> dict[int, str]:
        return family.leaks(self.network)

    @property
    def noisy(self) -> bool:
        return any(rate > 0 for rate in self.dropouts.values())

    @property
    def dropouts(self) -> dict[str, float]:
        """Every rate of dropout that training would use, by the module and attribute that holds it.

        Modules keep the rates of functional dropout (of attention, mostly) as plain numbers.
        """
        rates: dict[str, float] = {}
        still = {id(m) for part in self._frozen for m in part.modules()}
        for name, module in self.network.named_modules():
            if id(module) in still or name.split(".")[0] == "pooler":
                continue
            if isinstance(module, nn.Dropout):
                rates[name] = module.p
            held = {k: v for k, v in vars(module).items() if "dropout" in k and isinstance(v, float)}
            rates |= {f"{name}.{k}": v for k, v in held.items()}
        return rates

    def drop(self, rate: float) -> None:
        """Sets every rate of dropout of the network. Raises ValueError for a rate outside [0, 1)."""
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate is in [0, 1); got {rate}")
        for module in self.network.modules():
            if isinstance(module, nn.Dropout):
                module.p = rate
            for name, held in vars(module).items():
                if "dropout" in name and isinstance(held, float):
                    setattr(module, name, rate)

    def freeze(self, train_last: int | None = None, embeddings: bool = False) -> None:
        """Trains the last `train_last` blocks only (and the norm after them); all of them for None.

        `embeddings` freezes what lies before the blocks; training fewer than all of them does so too. What is
        frozen has no dropout and needs no graph. Where there is an adapter, only that of these blocks learns. Each
        call decides anew.

        Raises ValueError if there are not that many blocks.
        """
        all_blocks = family.blocks(self.network)
        if train_last is not None and not 1 <= train_last <= len(all_blocks):
            raise ValueError(f"train_last is one of 1..{len(all_blocks)}, the blocks there are; got {train_last}")
        first = 0 if train_last is None else len(all_blocks) - train_last
        embeddings = embeddings or first > 0 or bool(lora.held(self.network))
        self.network.requires_grad_(not embeddings)
        for part in [*all_blocks, *filter(None, [family.norm(self.network)])]:
            part.requires_grad_(True)
        self._frozen = [*[family.embedding(self.network)][: int(embeddings)], *all_blocks[:first]]
        for part in self._frozen:
            part.requires_grad_(False)
        self._unused_pooler()
        if lora.held(self.network):
            for name, parameter in self.network.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and lora.is_adapter(name))
        self.train(self.training)

    def train(self, mode: bool = True) -> "Transformer":
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def prepare(self, raw: Sequence[str]) -> list[Text]:
        return tokenise(self._read, raw)

    def _read(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def size(self, sample: Text) -> int:
        special = 0 if sample.whole else len(self.before) + len(self.after)
        return max(1, min(special + len(sample.ids), self.max_tokens))

    def collate(self, samples: Sequence[Text]) -> Batch:
        """Special tokens around every text, and all of them in one row: `ids` (t), and `edges` (b+1) between them.

        A few padding tokens may lie behind the last edge.

        For a network that cannot be packed `ids` is (b t), padded, with `mask` (b t), 1 where a token is real. Of
        texts that have them, `labels` and `positions` come in the shape of `ids`.
        """
        rows = [self._row(sample, sample.ids) for sample in samples]
        batch = {"ids": self._laid(rows, self.pretrained.pad_token_id)}
        if any(len(sample.labels) for sample in samples):
            batch["labels"] = self._laid([self._labels(sample) for sample in samples], -100)
        if any(len(sample.positions) for sample in samples):
            batch["positions"] = self._laid([self._positions(sample) for sample in samples], 0)
        if self.padded:
            batch["mask"] = self._laid([np.ones_like(row) for row in rows], 0)
        else:
            batch["edges"] = torch.tensor([0, *map(len, rows)]).cumsum(0)
        return batch

    def _laid(self, rows: list[Int[np.ndarray, " t"]], padding: int) -> Int[Tensor, "..."]:
        """Rows end to end, or one below the other where the network cannot be packed."""
        if not self.padded:
            ids = np.full(rounded(sum(map(len, rows))), padding, np.int64)
            whole = np.concatenate(rows)
            ids[: len(whole)] = whole
            return torch.from_numpy(ids)
        ids = np.full((len(rows), max(map(len, rows))), padding, np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
        return torch.from_numpy(ids)

    def _row(self, sample: Text, values: Int[np.ndarray, " t"], special: int | None = None) -> Int[np.ndarray, " t"]:
        """What stands at each token of a text: special tokens (or a number in their place) around what fits."""
        before, after = ([], []) if sample.whole else (self.before, self.after)
        room = self.max_tokens - len(before) - len(after)
        kept = values[max(0, len(values) - room) :] if self.pretrained.truncation_side == "left" else values[:room]
        if special is not None:
            before, after = [special] * len(before), [special] * len(after)
        row = np.concatenate([before, kept, after]).astype(np.int64)
        return row if len(row) else np.array([self.pretrained.pad_token_id if special is None else special], np.int64)

    def _labels(self, sample: Text) -> Int[np.ndarray, " t"]:
        return self._row(sample, sample.labels if len(sample.labels) else np.full(len(sample.ids), -100), -100)

    def _positions(self, sample: Text) -> Int[np.ndarray, " t"]:
        """Positions as they are told, of a text that has its special tokens; else counted."""
        count = np.arange(self.size(sample))
        return self._row(sample, sample.positions) if sample.whole and len(sample.positions) else count

    def forward(self, batch: Batch) -> Float[Tensor, "b d"]:
        pooled = self._padded(batch) if "mask" in batch else self._packed(batch)
        return F.normalize(pooled, dim=-1) if self.normalize else pooled

    def _packed(self, batch: Batch) -> Float[Tensor, "b d"]:
        """The row as a whole, in bf16 copies where autocast would make them anew for every product."""
        ids, edges, key = batch["ids"], batch["edges"], batch.get("key")
        row = Layout.of(edges, len(ids), self.pads_as)
        keys = None if key is None else Keys.of(key, edges, len(ids))
        low = torch.is_autocast_enabled(ids.device.type) and not gathers(self.layers[-1])

        @contextmanager
        def opened(*blocks: nn.Module) -> Iterator[None]:
            with ExitStack() as stack:
                if low:
                    stack.enter_context(torch.autocast(ids.device.type, enabled=False))
                    stack.enter_context(self._lowered(*blocks))
                stack.enter_context(keyed(keys))
                stack.enter_context(laid_out(self.network, row))
                yield

        with opened(), self._recomputed(opened):
            positions = (batch.get("positions", row.place) + first_position(self.network))[None]
            hidden = self.network(input_ids=ids[None], position_ids=positions).last_hidden_state[0]
        return pool_row(hidden, edges, self.pooling)

    def _recomputed(self, again: Callable[[nn.Module], AbstractContextManager[Any]]) -> AbstractContextManager[None]:
        """Blocks that keep nothing, if that is wanted and there is something to keep."""
        wanted = self.recompute and self.training and torch.is_grad_enabled()
        return recomputed(self.layers[1:], again) if wanted else nullcontext()

    def _lowered(self, *blocks: nn.Module) -> AbstractContextManager[None]:
        """Everything behind the input embedding in bf16, or some blocks."""
        behind = [family.norm(self.network), getattr(self.network, "pooler", None)]
        return lowered(self.layers[0], blocks or [*self.layers[1:], *filter(None, behind)], torch.bfloat16)

    def _padded(self, batch: Batch) -> Float[Tensor, "b d"]:
        ids, mask, told = batch["ids"], batch["mask"], {}
        if "positions" in batch:
            told["position_ids"] = batch["positions"] + first_position(self.network)
        self._choose_attention(ids.device)
        with self._recomputed(lambda block: nullcontext()):
            hidden = self.network(input_ids=ids, attention_mask=mask, **told).last_hidden_state
        return pool(hidden, mask, self.pooling)

    def _choose_attention(self, device: torch.device) -> None:
        """Training on a CPU is faster with plain products; all else with the fused kernel."""
        now = self.network.config._attn_implementation
        if now in ("sdpa", "eager") and self.network._supports_sdpa:
            best = "eager" if self.training and device.type == "cpu" else "sdpa"
            if now != best:
                self.network.set_attn_implementation(best)

    def save(self, folder: Path) -> None:
        """Writes the folder that `SentenceTransformer(folder)` loads, weights as safetensors."""
        pooling = {"word_embedding_dimension": self.dim} | {key: name == self.pooling for name, key in SAVED.items()}
        modules: list[tuple[str, str, dict[str, Any] | None]] = [
            ("Transformer", "", None),
            ("Pooling", "1_Pooling", pooling),
        ]
        if self.normalize:
            modules.append(("Normalize", "2_Normalize", {}))
        settings = {"max_seq_length": self.max_tokens, "do_lower_case": False}
        with layout.staged(folder) as new, quiet():
            self._save_network(new)
            self._save_tokenizer(new)
            layout.write_json(new / "sentence_bert_config.json", settings)
            layout.write_chain(new, modules)

    def _save_network(self, folder: Path) -> None:
        """The weights, or where there is an adapter: it alone, and where the others are; or the sum of the two."""
        if not lora.held(self.network):
            self.network.save_pretrained(folder, safe_serialization=True)
        elif self.merge:
            self.network.save_pretrained(folder, state_dict=lora.merged(self.network), safe_serialization=True)
        elif self.base is None or direction.asked(self.network):
            why = "attention both ways has no place" if self.base else "a network from scratch is in no folder to name"
            raise ValueError(f"{why} in what is saved of an adapter; save it merged with the weights (--merge)")
        else:
            lora.save(self.network, folder, self.base)

    def _save_tokenizer(self, folder: Path) -> None:
        self.pretrained.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        file = folder / "tokenizer_config.json"
        settings = layout.config(folder, file.name) | {"model_max_length": self.max_tokens}
        if settings.get("tokenizer_class") == "TokenizersBackend":  # a name older versions do not know
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        if self._surrounded:  # tokenizer.json has the rule, and nobody is to make another
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
            settings = {k: x for k, x in settings.items() if k not in ("add_bos_token", "add_eos_token")}
        layout.write_json(file, settings)


def _padded_right(tokenizer: "PreTrainedTokenizerFast") -> "PreTrainedTokenizerFast":
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} has no tokenizer.json, and only such tokenizers are read")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise ValueError(
            "this tokenizer has no padding token, nor one for the end of a text to pad with: name a token as "
            '"pad_token" or "eos_token" in tokenizer_config.json'
        )
    return tokenizer


def positions(network: "PreTrainedModel") -> int | None:
    """The most tokens a network can tell the places of; None if it has no such limit."""
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return int(module.num_embeddings) - first_position(network)
    most = getattr(network.config, "max_position_embeddings", None)
    return int(most) if most and most > 0 else None


def first_position(network: "PreTrainedModel") -> int:
    """The number of a text's first place.

    Families with a padding index in their table of positions (RoBERTa, MPNet) count from behind it.
    """
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0
