r"""Shared exclusions: what a realisation rules out whichever of several sets of sources one looks at.

For a realisation :math:`(y, x_1, \dots, x_n)` and an antichain :math:`\alpha` of sets of sources let
:math:`W_\alpha` be the event that for some :math:`a \in \alpha` the sources in a take the values :math:`x_a`. Then

.. math::

    i^{sx}_\cap(y:\alpha) = \underbrace{-\log P(W_\alpha)}_{\text{informative}}
                          - \underbrace{\left(-\log P(W_\alpha \mid y)\right)}_{\text{misinformative}} .

Both probabilities are sums of margins with integer coefficients (``Lattice.inclusion``). Everything is sums, products
and logarithms of the table, so that a torch tensor goes through with its gradient.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from pidkd.antichains import lattice, members
from pidkd.arrays import Array


class Exclusions(NamedTuple):
    """Pointwise parts in nats at every cell of positive probability; arrays, or tensors where the table is one.

    Parameters
    ----------
    informative, misinformative : array, shape (n_antichains, n_support)
        Of the redundancy of each antichain, in the order of the lattice; their difference is the redundancy.
    mass : array, shape (n_support,)
    cells : tuple of array of int, shape (n_support,) each
        Index (y, x_1, ..., x_n) of each cell.
    """

    informative: Any
    misinformative: Any
    mass: Any
    cells: tuple[Array, ...]


class SignedAtoms(NamedTuple):
    """Atoms of every antichain in nats, and the parts whose difference they are, shape (n_antichains,) each."""

    atoms: Any
    informative: Any
    misinformative: Any


def shared_exclusions(p: Any) -> Exclusions:
    """Pointwise redundancy of every antichain.

    Parameters
    ----------
    p : array or tensor, shape (n_y, n_1, ..., n_n)
        Joint probabilities of the target and of one to four sources.

    Examples
    --------
    >>> import numpy as np
    >>> xor = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) / 4
    >>> parts = shared_exclusions(xor)
    >>> bool(np.allclose(parts.informative[0] - parts.misinformative[0], np.log(2 / 3)))
    True
    """
    namespace: Any = np if isinstance(p, np.ndarray) else sys.modules["torch"]  # a tensor has brought it
    order = lattice(p.ndim - 1)
    cells = np.nonzero(p if namespace is np else p.detach().cpu().numpy())
    at = [namespace.asarray(index) for index in cells]
    joint, marginal = [], []
    for sources in range(1, 2**order.n):
        kept = members(sources)
        dropped = tuple(axis + 1 for axis in range(order.n) if axis not in kept)
        margin = p.sum(axis=dropped) if dropped else p
        inside = tuple(at[axis + 1] for axis in kept)
        joint.append(margin[(at[0], *inside)])
        marginal.append(margin.sum(axis=0)[inside])
    coefficients = namespace.asarray(order.inclusion[:, 1:].astype(np.float64), dtype=p.dtype)
    p_y = p.sum(axis=tuple(range(1, p.ndim)))[at[0]]
    informative = -namespace.log(coefficients @ namespace.stack(marginal))
    misinformative = -namespace.log(coefficients @ namespace.stack(joint) / p_y)
    return Exclusions(informative, misinformative, p[tuple(at)], cells)


def sx_atoms(p: Any) -> SignedAtoms:
    r"""Atoms of shared exclusions, as functions of the table that torch can differentiate.

    Parameters
    ----------
    p : array or tensor, shape (n_y, n_1, ..., n_n)
        Joint probabilities; of a tensor the gradient is with respect to its entries, taken as free.

    Examples
    --------
    >>> import numpy as np
    >>> xor = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) / 4
    >>> bool(np.isclose(sx_atoms(xor).atoms[0], np.log(2 / 3)))
    True
    """
    namespace: Any = np if isinstance(p, np.ndarray) else sys.modules["torch"]
    parts = shared_exclusions(p)
    moebius = namespace.asarray(lattice(p.ndim - 1).moebius.astype(np.float64), dtype=p.dtype)
    informative = moebius @ (parts.informative @ parts.mass)
    misinformative = moebius @ (parts.misinformative @ parts.mass)
    return SignedAtoms(informative - misinformative, informative, misinformative)
