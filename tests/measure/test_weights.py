from copy import deepcopy

import pytest
import torch
from torch import nn

from diptych.measure.weights import change, changes


def test_a_change_is_the_length_of_the_difference_over_that_of_the_start():
    before = [torch.tensor([3.0, 4.0]), torch.zeros(2, 2)]
    after = [torch.tensor([3.0, 4.0]), torch.full((2, 2), 1.0)]
    assert change(after, before) == pytest.approx(2 / 5)
    assert change(before, before) == 0


def test_layers_are_compared_one_by_one_in_whatever_order_their_weights_are():
    before = [nn.Linear(4, 4), nn.Linear(4, 4)]
    after = deepcopy(before)
    with torch.no_grad():
        for p in after[1].parameters():
            p.mul_(1.5)
    assert changes(after, before) == [0, pytest.approx(0.5)]


def test_what_began_at_zero_has_no_relative_change():
    assert change([torch.ones(2)], [torch.zeros(2)]) == float("inf")
    assert change([torch.zeros(2)], [torch.zeros(2)]) == 0


@pytest.mark.parametrize(
    ("after", "told"),
    [([nn.Linear(4, 4)], "got 1 and 2"), ([nn.Linear(4, 4), nn.Linear(4, 5)], "shape"),
     ([nn.Linear(4, 4), nn.Linear(4, 4, bias=False)], "has bias")],
)  # fmt: skip
def test_layers_that_were_built_otherwise_are_refused(after, told):
    with pytest.raises(ValueError, match=told):
        changes(after, [nn.Linear(4, 4), nn.Linear(4, 4)])
