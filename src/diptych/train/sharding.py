"""Weights that are divided among the processes: for models that one device cannot hold."""

from copy import deepcopy

import torch
from torch import Tensor

from diptych.core import Model
from diptych.train.processes import World


def shard(model: Model, where: torch.device, world: World) -> Model:
    """A copy of a model of which every process holds a part: of weights, gradients, and the optimiser's state.

    The weights of a block are gathered while it computes, those before and behind the blocks for the whole step.
    Gradients are added up over all processes where they arise. Source: FSDP2 (`torch.distributed.fsdp.fully_shard`).
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh, copy = init_device_mesh(where.type, (world.size,)), deepcopy(model)
    for part in [*copy.encoder.layers[1:], copy]:
        held = fully_shard(part, mesh=mesh)
        held.set_gradient_divide_factor(1.0)
        held.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    copy.sharded = True
    return copy


def gathered(x: Tensor) -> Tensor:
    """The whole of a tensor that may be divided; all processes call it together."""
    whole: Tensor = x.full_tensor() if hasattr(x, "full_tensor") else x
    return whole


def divided(x: Tensor, like: Tensor) -> Tensor:
    """The part of a whole tensor that this process holds, if that is how `like` is held."""
    if not hasattr(like, "full_tensor"):
        return x
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(x.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
