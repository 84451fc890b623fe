"""Hidden states of samples that lie end to end in a row."""

from itertools import pairwise

import pytest
import torch

from diptych.core import apart

EDGES = torch.tensor([0, 3, 4, 9, 9, 11])


@pytest.mark.parametrize("behind", [0, 5])
def test_samples_of_a_row_come_apart_and_gradients_go_back_to_it(behind):
    row = torch.randn(1, 11 + behind, 4, requires_grad=True)
    parts = [row[0, a:b] for a, b in pairwise(EDGES.tolist())]
    due = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=-1.5)
    found = apart(row, {"edges": EDGES}, -1.5)
    assert found.shape == (5, 5, 4)
    assert torch.equal(found, due)
    weights = torch.randn_like(due)
    one, other = (torch.autograd.grad((x * weights).sum(), row)[0] for x in (due, found))
    assert torch.equal(one, other)
    assert apart(row[..., 0], {"edges": EDGES}).shape == (5, 5)


def test_a_gradient_goes_back_in_one_copy_however_many_samples_there_are():
    def nodes(fn):
        return 0 if fn is None else 1 + sum(nodes(each) for each, _ in fn.next_functions)

    row = torch.randn(1, 60, 4, requires_grad=True)
    few, many = (nodes(apart(row, {"edges": torch.arange(0, 61, k)}).grad_fn) for k in (30, 1))
    assert few == many
