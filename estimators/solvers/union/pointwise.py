r"""Pointwise atoms of BROJA, from optimal potentials.

The union information is :math:`H(Y) + \mathbb{E}[a(Y,T) + b(Y,S)]` at the dual optimum, so
:math:`u = a(y,t) + b(y,s) - \log p(y)` is its pointwise value, and :math:`i_T + i_S - u` that of the redundancy. They
average to the lower bound of the certificate, and are moved by the gap, all alike, to average to the atoms. At an
optimal plan q the sum a + b is determined wherever the constraint of cell (t, s) is active, :math:`q(t,s) > 0`; another
dual optimum may give other values elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse.csgraph import connected_components

from pidkd.arrays import FloatArray
from pidkd.info import local_of_set
from pidkd.pid import Raw, local_atoms

ACTIVE = 1e-7
"""Share of p(t) p(s) from which on mass of a plan counts as positive: interior points leave a little everywhere."""


def with_local(p: FloatArray, raw: Raw) -> Raw:
    """The raw result with ``local``, and in ``stats`` the probability of cells whose values are not unique.

    Parameters
    ----------
    p : array, shape (n_y, n_t, n_s)
    raw : Raw
        With plan and potentials; without, it is returned as it is.
    """
    if raw.potentials is None or raw.plan is None:
        return raw
    a, b = raw.potentials
    with np.errstate(divide="ignore", invalid="ignore"):
        union = a[:, :, None] + b[:, None, :] - np.log(p.sum(axis=(1, 2), keepdims=True))
        redundant = local_of_set(p, 0b01) + local_of_set(p, 0b10) - union
    redundant += raw.information.t - raw.unique_t - (p[p > 0] * redundant[p > 0]).sum()
    free = float(p[undetermined(p, raw.plan)].sum())
    return replace(raw, local=local_atoms(p, redundant), stats={**raw.stats, "local_not_unique": free})


def undetermined(p: FloatArray, plan: FloatArray) -> FloatArray:
    """Whether dual optima may differ in a(y,t) + b(y,s), for each cell of positive probability.

    For each y the active constraints tie a(y,t) to b(y,s): within a connected component of the graph that joins t and
    s where :math:`q(t,s) > 0` and both pairs have mass, sums are determined; between components they are free.

    Parameters
    ----------
    p, plan : array, shape (n_y, n_t, n_s)

    Returns
    -------
    array of bool, shape (n_y, n_t, n_s)
    """
    _, n_t, n_s = p.shape
    q_ts = plan.sum(axis=0)
    active = q_ts > ACTIVE * q_ts.sum(axis=1, keepdims=True) * q_ts.sum(axis=0)
    free = np.zeros(p.shape, dtype=bool)
    graph = np.zeros((n_t + n_s, n_t + n_s), dtype=bool)
    for y, table in enumerate(p):
        graph[:n_t, n_t:] = active & (table.sum(axis=1, keepdims=True) > 0) & (table.sum(axis=0) > 0)
        component = connected_components(graph, directed=False)[1]
        free[y] = (component[:n_t, None] != component[n_t:]) & (table > 0)
    return free
