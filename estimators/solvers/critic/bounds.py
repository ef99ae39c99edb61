r"""Bounds on mutual information from a critic's scores of all pairs, row by row: mean and sampling error.

``scores`` has shape (n, n) and the pairs that were drawn together on its diagonal. A row takes part in 2 (n - 1) other
pairs; its term is its own score plus what it adds to the mean over those (the influence function), centred so that the
terms average to the value.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus


def nwj_terms(scores: Tensor) -> Tensor:
    r""":math:`\mathbb{E}_p f - \mathbb{E}_{p \otimes p}\, e^f + 1`."""
    rows, columns = _over_others(scores.exp())
    return scores.diagonal() - rows - columns + rows.mean() + 1


def donsker_varadhan_terms(scores: Tensor, clip: float | None = None) -> Tensor:
    r""":math:`\mathbb{E}_p f - \log \mathbb{E}_{p \otimes p}\, e^f`, in the second part f clipped to [-clip, clip]."""
    rows, columns = _over_others((scores if clip is None else scores.clamp(-clip, clip)).exp())
    total = rows.mean()
    return scores.diagonal() - (rows + columns) / total + 2 - total.log()


def infonce_terms(scores: Tensor) -> Tensor:
    r""":math:`\mathbb{E} \log \frac{e^{f(x_i,y_i)}}{\frac1n \sum_j e^{f(x_i,y_j)}}`."""
    log_sums = scores.logsumexp(1)
    shares = (scores - log_sums[:, None]).exp().sum(0)
    return scores.diagonal() - log_sums + math.log(len(scores)) + 1 - shares


def jensen_shannon_objective(scores: Tensor) -> Tensor:
    """Log likelihood of pairs against shuffled pairs under log odds f, as in logistic regression."""
    together = -softplus(-scores.diagonal()).mean()
    apart: Tensor = _over_others(softplus(scores))[0].mean()
    return together - apart


def largest_share(scores: Tensor) -> float:
    """The part of the mean of the exponentials that is due to a single pair."""
    others = scores.masked_fill(torch.eye(len(scores), dtype=torch.bool, device=scores.device), -math.inf)
    return float((others.max() - others.flatten().logsumexp(0)).exp())


def _over_others(values: Tensor) -> tuple[Tensor, Tensor]:
    """Means of the rows and of the columns, each without the diagonal."""
    own, others = values.diagonal(), len(values) - 1
    return (values.sum(1) - own) / others, (values.sum(0) - own) / others
