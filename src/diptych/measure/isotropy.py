"""Do embeddings point everywhere alike? Between 0, all one way, and 1.

Source: Mu & Viswanath, arXiv:1702.01417, section 2.2. The mean cosine is in `geometry.py`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.measure import rows


def isotropy(x: rows.Rows, unit: bool = True) -> Float[Tensor, ""]:
    """min Z(a) / max Z(a), in (0, 1], with the partition function Z(a) = sum_i exp(a . x_i), of dense rows (n d).

    The directions `a` are the eigenvectors of X^T X, as in the source, and their opposites, for an eigenvector has
    no sign. With `unit`, rows are scaled to length one first: the lengths of embeddings are a matter of a model's
    habits, and Z grows with their exponential. Raises ValueError if there are no rows, or they are no numbers.
    """
    x = torch.as_tensor(rows.unit(x) if unit else x).double()
    if x.ndim != 2 or not len(x) or not torch.isfinite(x).all():
        raise ValueError(f"isotropy is of one or more rows of finite numbers; got {tuple(x.shape)} or NaN among them")
    directions = torch.linalg.eigh(x.T @ x).eigenvectors
    along = x @ directions
    partition = torch.cat([along.logsumexp(0), (-along).logsumexp(0)])
    return (partition.min() - partition.max()).exp()
