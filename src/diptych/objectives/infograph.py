"""InfoGraph: nodes belong to their own graph, and to no other of the batch.

Shapes: b graphs, t nodes of the largest, m nodes of all, d width of a node and of a graph.
"""

import math

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from diptych.core import Objective, Terms, Views


class InfoGraph(Objective):
    """E_other[softplus(-s) + s - log 2] - E_own[log 2 - softplus(-s)],  s = local(node) . whole(graph)

    The Jensen-Shannon estimate of the mutual information of nodes and graphs, less a sign: E_own is a mean over nodes
    with their own graph, E_other over nodes with every other graph of the batch. `local` and `whole` are heads (m d)
    and (b d) to as many columns; they are parts of the objective, so that they see all of a step.

    It reads one view of role "view", and the states of all its nodes. Raises ValueError, when it is called, for fewer
    than two graphs.
    """

    paper = "arXiv:1908.01000"
    aim = "tells the parts of a graph from those of others"
    reads_tokens = True

    def __init__(self, local: nn.Module, whole: nn.Module):
        super().__init__()
        self.local, self.whole = local, whole

    def forward(self, views: Views, teacher: Views) -> Terms:
        seen = views["view"][0]
        assert seen.tokens is not None, "it was asked for"
        assert seen.labels is not None, "they come with them"
        if len(seen.embedding) < 2:
            raise ValueError("nodes are told from those of other graphs, so a batch has two graphs or more")
        there = seen.labels >= 0
        scores = self.local(seen.tokens[there]) @ self.whole(seen.embedding).T
        own, other = estimate(scores, there.nonzero()[:, 0])
        return {"infograph": other - own}


def estimate(scores: Float[Tensor, "m b"], graph: Int[Tensor, " m"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """E_own and E_other of nodes, each of which is of a graph."""
    own = scores.gather(1, graph[:, None])[:, 0]
    of_own = (math.log(2) - F.softplus(-own)).mean()
    apart = F.softplus(-scores) + scores - math.log(2)
    mine = F.softplus(-own) + own - math.log(2)
    return of_own, (apart.sum() - mine.sum()) / (scores.shape[0] * (scores.shape[1] - 1))
