"""The batch estimator of Liang and others for posteriors, written anew from its formulas: batch-10, batch-1."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.benchmarks.peers import AtomsPeer, Peer, Solves
from pidkd.errors import InputError, import_extra
from pidkd.inputs import Posteriors
from pidkd.result import NATS_PER

BATCH, WIDTH, HIDDEN = 256, 10, 32
"""Rows of a batch, dimensions in which rows and columns are matched, and units of the hidden layers."""

SWEEPS, TOLERANCE = 500, 0.01
"""Largest number of sweeps of Sinkhorn, and the error of the column sums at which they end."""


def estimators() -> dict[str, AtomsPeer]:
    r"""Estimator of ten epochs, as published, and of one.

    Two networks of log posteriors put out vectors :math:`f_T(t_i, y)`, :math:`f_S(s_j, y)`, each standardised.
    :math:`\exp(f_T \cdot f_S / \sqrt{10})` is scaled, class by class, to rows :math:`p(y|t_i)` and columns
    :math:`p(y|s_j)` by at most 500 sweeps. With :math:`q(s_j|t_i, y)`, what is left in a row of a class, the loss is
    :math:`I_q(Y;S|T)`. The first half of the rows is trained on, the other evaluated.
    """
    solves = partial(Solves, (Posteriors,), "BROJA of posteriors")
    return {
        "batch-10": AtomsPeer(partial(atoms, epochs=10), solves()),
        "batch-1": AtomsPeer(partial(atoms, epochs=1), solves(variant=True)),
    }


def atoms(data: Posteriors, epochs: int, seed: int = 0) -> dict[str, float]:
    """Atoms in bits."""
    torch = import_extra("torch", "train", needed_by="peer 'batch'")
    if data.p_ts is None:
        raise InputError("bench", "posteriors of both sources together, p_ts", "none")
    half, n_classes = len(data.y) // 2, data.p_t.shape[1]
    p_t, p_s, p_ts = (torch.from_numpy(np.array(p, dtype=np.float32)) for p in (data.p_t, data.p_s, data.p_ts))
    prior = np.bincount(data.y[:half], minlength=n_classes) / half
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = [_head(torch, n_classes), _head(torch, n_classes)]
        optimiser = torch.optim.Adam(itertools.chain(*(head.parameters() for head in heads)), lr=1e-3)
        for _ in range(epochs):
            for rows in _batches(torch.randperm(half)):
                optimiser.zero_grad()
                conditional(torch, heads, p_t[rows], p_s[rows]).backward()
                torch.nn.utils.clip_grad_norm_(itertools.chain(*(head.parameters() for head in heads)), 1.0)
                optimiser.step()
        with torch.no_grad():
            rows = half + torch.randperm(len(data.y) - half)
            values = [float(conditional(torch, heads, p_t[one], p_s[one])) for one in _batches(rows)]
    of_t, of_s, of_both = (_information(np.asarray(p[half:], dtype=float), prior) for p in (p_t, p_s, p_ts))
    union = of_t + float(np.mean(values))
    nats = {
        "redundant": of_t + of_s - union,
        "unique_t": union - of_s,
        "unique_s": union - of_t,
        "synergistic": of_both - union,
    }
    return {name: value / NATS_PER["bits"] for name, value in nats.items()}


def conditional(torch: Any, heads: Any, p_t: Any, p_s: Any) -> Any:
    """I_q(Y;S|T) of a batch, in nats."""
    t, s = (_vectors(torch, head, p) for head, p in zip(heads, (p_t, p_s), strict=True))
    log_plan = sinkhorn(torch, torch.einsum("iyd,jyd->yij", t, s) / WIDTH**0.5, p_t, p_s)
    log_q = log_plan - log_plan.logsumexp(2, keepdim=True)
    weights = p_t.T[:, :, None]
    mixture = (log_q + weights.clamp_min(1e-8).log()).logsumexp(0)
    return (weights * log_q.exp() * (log_q - mixture)).sum((0, 2)).mean()


def sinkhorn(torch: Any, log_plan: Any, p_t: Any, p_s: Any) -> Any:
    """Logarithm of the plan (n_classes, rows, columns), scaled to rows p(y|t) and, nearly, columns p(y|s)."""
    rows, columns = (p.T.clamp_min(1e-8).log() for p in (p_t, p_s))
    for _ in range(SWEEPS):
        log_plan = log_plan + (columns - log_plan.logsumexp(1))[:, None, :]
        log_plan = log_plan + (rows - log_plan.logsumexp(2))[:, :, None]
        if float((log_plan.detach().logsumexp(1).exp() - columns.exp()).abs().max()) < TOLERANCE:
            break
    return log_plan


def _head(torch: Any, n_classes: int) -> Any:
    """Network from log posteriors to a vector for each class: three hidden layers."""
    nn, sizes = torch.nn, [n_classes, HIDDEN, HIDDEN, HIDDEN, n_classes * WIDTH]
    layers = [layer for n_in, n_out in itertools.pairwise(sizes) for layer in (nn.Linear(n_in, n_out), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def _vectors(torch: Any, head: Any, p: Any) -> Any:
    """Vectors (rows, n_classes, 10), each with mean 0 and standard deviation 1 over its dimensions."""
    vectors = head(p.clamp_min(1e-8).log()).reshape(len(p), p.shape[1], WIDTH)
    return (vectors - vectors.mean(2, keepdim=True)) / vectors.std(2, keepdim=True).clamp_min(1e-8)


def _batches(rows: Any) -> Iterator[Any]:
    """Whole batches, or the only one."""
    size = min(BATCH, len(rows))
    return (rows[start : start + size] for start in range(0, len(rows) - size + 1, size))


def _information(p: FloatArray, prior: FloatArray) -> float:
    """Mean divergence of posteriors from the class frequencies, in nats."""
    present = prior > 0
    logs = np.log(np.maximum(p[:, present], 1e-30)) - np.log(prior[present])
    return float((p[:, present] * logs).sum(1).mean())


PEER = Peer("batch-", estimators)
