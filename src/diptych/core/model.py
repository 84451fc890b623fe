"""What trains: an encoder and its heads."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from diptych.core.encoded import Encoded
from diptych.core.encoder import Encoder
from diptych.core.hidden import apart, asked_states, guessed, labels_of
from diptych.core.hooks import Seen, outputs, perturbed
from diptych.core.samples import Batch
from diptych.core.views import Perturb


@runtime_checkable
class Kept(Protocol):
    """A head that is of use after training: it can be saved into the folder of its encoder."""

    def save(self, folder: Path, /) -> None: ...


class Model(nn.Module):
    """What trains: an encoder, which ships, and heads, which are thrown away."""

    sharded = False  # whether the processes of a run hold a part of the weights each

    def __init__(self, encoder: Encoder, head: nn.Module | None = None, language: nn.Module | None = None):
        super().__init__()
        self.encoder, self.head, self.language = encoder, head or nn.Identity(), language

    @property
    def has_head(self) -> bool:
        return not isinstance(self.head, nn.Identity)

    @property
    def layers(self) -> list[nn.Module]:
        return [*self.encoder.layers, self.head]

    def forward(
        self, batch: Batch, perturb: Perturb | None = None, keep: int | None = None, patches: bool = False
    ) -> Encoded:
        """Embeddings, and guesses of what is masked; or the hidden states of layer `keep`, if that is asked.

        Then nothing above that layer is computed, and embeddings are empty (b 0). With `patches`, also the states of
        patches that are "masked" in the batch (b n), or "asked" for.
        """
        self.stoppable(perturb)
        read = keep if keep is not None else len(self.encoder.layers) - 1 if self.language else None
        if (perturb or patches or read is not None) and self.encoder._compiled_call_impl is not None:
            raise ValueError(
                "the encoder is compiled as a whole, so that nothing can be changed or read at a layer; compile its "
                "blocks one by one: for block in encoder.layers[1:]: block.compile()"
            )
        stop = keep is not None
        last, first = ([self.encoder.patches], 0) if patches else ((), None)
        with (
            perturbed(self.layers if perturb else (), perturb, batch),
            outputs(self.encoder.layers, read, stop) as seen,
            outputs(last, first) as states,
        ):
            if stop:
                return self._states(seen, batch)
            embedding = self.encoder(batch)
            projection = self.head(embedding)
            encoded = Encoded(embedding if self.has_head else projection, projection)
        if patches:
            encoded = replace(encoded, **asked_states(states[0], batch))
        return replace(encoded, guessed=guessed(self.language, seen[0], batch)) if self.language else encoded

    def _states(self, seen: Sequence[Tensor], batch: Batch) -> Encoded:
        """What a layer gives that the encoder stops at."""
        with suppress(Seen):
            self.encoder(batch)
        tokens = apart(seen[0], batch)
        none = tokens.new_zeros(len(tokens), 0)
        return Encoded(none, none, tokens=tokens, labels=apart(labels_of(batch), batch, -100))

    def save(self, folder: Path) -> None:
        """Writes the encoder's folder, with the head for language in it; the other head is thrown away."""
        self.encoder.save(folder)
        if isinstance(self.language, Kept):
            self.language.save(folder)

    def stoppable(self, perturb: Perturb | None) -> None:
        """Raises ValueError where gradients would go round a stop."""
        if perturb and perturb.gradient != "pass" and (why := self.encoder.leaks.get(perturb.layer)):
            raise ValueError(f"gradients go round a stop at layer {perturb.layer} of this network: {why}; take another")
