"""What models are trained for."""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core.encoded import Encoded

Terms = dict[str, Tensor]  # named, weighted scalars; the loss is their sum
Views = dict[str, list[Encoded]]  # by role, in the order of the recipe


def compared(views: Views) -> list[Encoded]:
    """The views that an objective compares, which instruments look at: of role "view", or "global" where none is."""
    return views.get("view") or views.get("global", [])


class Twin(nn.Module):
    """A head within an objective, and the teacher's own, which follows it as a teacher does its model.

    As a part of the objective it sees all samples of a step, and what it makes of them (of each embedding, as many
    numbers as there are prototypes) is not sent between processes.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.model, self.teacher = head, deepcopy(head).requires_grad_(False)

    def forward(self, x: Float[Tensor, "m d"], teacher: bool = False) -> Float[Tensor, "m p"]:
        """In the numbers of its weights, whatever those of `x`. What the teacher's makes has no gradient."""
        head = self.teacher if teacher else self.model
        x = x.to(next(head.parameters()).dtype)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not teacher):
            made: Tensor = head(x)
            return made


class Objective(nn.Module, ABC):
    """A function of embeddings. It never sees the encoder, the optimiser or the processes."""

    paper: str
    aim: str = ""  # what training by it does, for a person: "pulls the views of one sample together"
    reads_tokens: bool = False  # whether it reads the states of masked patches (`Encoded.tokens`), of model and teacher

    @abstractmethod
    def forward(self, views: Views, teacher: Views) -> Terms: ...

    @property
    def needs_tokens(self) -> bool:
        """Whether it, or an objective within it, reads the states of masked patches."""
        return any(part.reads_tokens for part in self.modules() if isinstance(part, Objective))

    @property
    def twins(self) -> list[Twin]:
        """The heads within it of which a teacher has its own, each once."""
        return [part for part in self.modules() if isinstance(part, Twin)]

    def told(self, name: str) -> Any:
        """A setting of the objective, or of the first within it that has one by that name; None if there is none.

        One that is a tensor, such as a temperature that is learned, is told as the numbers that it holds now.
        """
        held = (each for part in self.modules() for each in (vars(part), part._parameters, part._buffers))
        found = next((each[name] for each in held if name in each), None)
        if not isinstance(found, Tensor):
            return found
        return found.item() if found.numel() == 1 else found.tolist()
