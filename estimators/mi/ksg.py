"""Mutual information from nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np

from pidkd.arrays import FloatArray, as_array
from pidkd.errors import Argument, InputError, Keyword, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.mi import ContinuousPairs, MIEstimator, MixedPairs, RawMI
from pidkd.parameters import Whole

Variant = Literal["ksg1", "ksg2", "mixture"]


@dataclass(frozen=True)
class KSG(MIEstimator):
    r""":math:`I(X;Y) = \psi(k) + \psi(n) - \langle \psi(n_x + 1) + \psi(n_y + 1) \rangle`, by k nearest neighbours.

    The neighbours are those in (X, Y) by the maximum norm, after each column is scaled to variance 1, and n_x, n_y
    count the samples that are nearer than the k-th of them in X and in Y alone. It needs no model, errs towards zero
    where dimensions are many or dependence is strong, and beyond a few dimensions takes time by the square of the
    samples. With labels it counts neighbours of the same label (Ross): of a rare label fewer than k, and a sample that
    is alone with its label is left out, with a warning. Given floats Z the neighbours are those in (X, Y, Z), and
    :math:`I(X;Y|Z) = \psi(k) - \langle \psi(n_{xz}+1) + \psi(n_{yz}+1) - \psi(n_z+1) \rangle` (Frenzel and Pompe).

    Parameters
    ----------
    k : int
        More neighbours vary less, and are more biased.
    variant : {"ksg1", "ksg2", "mixture"}
        The two estimators of Kraskov et al., which assume that no two samples are equal, and that of Gao et al., which
        allows for equal ones: mixtures of discrete and continuous, rounded or repeated measurements.

    References
    ----------
    kraskov2004, ross2014, gao2017, frenzel2007

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2_000))
    >>> print(f"{pidkd.mutual_information(x, x + noise, estimator='ksg').value:.1f}")  # half a bit
    0.5
    """

    k: Annotated[int, Whole(1)] = 3
    variant: Variant = "ksg1"

    name = "ksg"
    measure = "nearest neighbours"
    reference = "kraskov2004"
    accepts = (ContinuousPairs, MixedPairs)
    bound = "none"

    @property
    def allows_ties(self) -> bool:
        """Whether the variant is the one for equal values."""
        return self.variant == "mixture"

    def _estimate(self, data: ContinuousPairs | MixedPairs, ctx: Context) -> RawMI:
        from pidkd.estimators.solvers.neighbours import standardised

        if data.n_samples <= self.k:
            raise InputError(
                Argument("mutual_information", "x, y"), f"more than k={self.k} samples", f"{data.n_samples}"
            )
        x = standardised(as_array(Argument("mutual_information", "x"), data.x))
        if isinstance(data, MixedPairs):
            return self._with_labels(x, np.unique(data.y, return_inverse=True)[1])
        return self._continuous(x, standardised(as_array(Argument("mutual_information", "y"), data.y)))

    def _continuous(self, x: FloatArray, y: FloatArray) -> RawMI:
        from scipy.special import digamma

        from pidkd.estimators.solvers.neighbours import Ball, below, counts_within, neighbour_distances

        n = len(x)
        far_x, far_y = neighbour_distances(x, y, self.k)
        radius = np.maximum(far_x, far_y)
        if self.variant == "mixture":
            ball = Ball.of(np.concatenate([x, y], axis=1), radius, self.k)
            around = digamma(ball.others(x) + 1) + digamma(ball.others(y) + 1)
            return _mean(digamma(ball.neighbours) + np.log(n) - around)
        _refuse_equal(radius, self.k)
        if self.variant == "ksg1":
            reach = below(radius)
            others: Any = digamma(counts_within(x, reach) + 1) + digamma(counts_within(y, reach) + 1)
            return _mean(digamma(self.k) + digamma(n) - others)
        others = digamma(counts_within(x, far_x)) + digamma(counts_within(y, far_y))
        return _mean(digamma(self.k) - 1 / self.k + digamma(n) - others)

    def _estimate_given(self, data: ContinuousPairs, z: FloatArray, ctx: Context) -> RawMI:
        from scipy.special import digamma

        from pidkd.estimators.solvers.neighbours import below, counts_within, neighbour_distances, standardised

        if isinstance(data, MixedPairs) or self.variant != "ksg1":
            expected, got = "x and y of floats, and variant 'ksg1', given floats", f"variant {self.variant!r}"
            got = "labels" if isinstance(data, MixedPairs) else got
            raise InputError(
                Keyword("mutual_information", "given"), expected, got, "classifier takes labels given floats"
            )
        if data.n_samples <= self.k:
            raise InputError(
                Argument("mutual_information", "x, y"), f"more than k={self.k} samples", f"{data.n_samples}"
            )
        x, y, z = (
            standardised(as_array(Argument("mutual_information", "x, y"), values)) for values in (data.x, data.y, z)
        )
        x_z, y_z = np.concatenate([x, z], axis=1), np.concatenate([y, z], axis=1)
        radius = np.maximum(*neighbour_distances(x, y_z, self.k))
        _refuse_equal(radius, self.k)
        around_x, around_y, around = (digamma(counts_within(v, below(radius)) + 1) for v in (x_z, y_z, z))
        return _mean(digamma(self.k) - around_x - around_y + around)

    def _with_labels(self, x: FloatArray, labels: Any) -> RawMI:
        from scipy.special import digamma

        from pidkd.estimators.solvers.neighbours import Ball, below, counts_within, neighbour_distances

        sizes = np.bincount(labels)
        kept = sizes[labels] > 1  # a sample that is alone with its label has no neighbour of its own
        if not kept.any():
            hint = "a label that occurs once tells nothing about the distribution of x"
            raise InputError(Argument("mutual_information", "x, y"), "labels that occur more than once", "none", hint)
        x, labels = x[kept], np.unique(labels[kept], return_inverse=True)[1]
        sizes = np.bincount(labels)
        k = np.minimum(self.k, sizes - 1)
        own = [np.flatnonzero(labels == label) for label in range(len(sizes))]
        radius = np.empty(len(x))
        for rows, nearest in zip(own, k.tolist(), strict=True):
            radius[rows] = neighbour_distances(x[rows], np.zeros((len(rows), 0)), nearest)[0]
        neighbours: Any = k[labels]
        around: Any = counts_within(x, below(radius))
        if self.variant == "mixture":
            ball = Ball.joined([Ball.of(x[rows], radius[rows], nearest) for rows, nearest in zip(own, k, strict=True)])
            ball = ball.at(np.argsort(np.concatenate(own)))
            neighbours, around = ball.neighbours, ball.others(x)
        else:
            _refuse_equal(radius, self.k)
        raw = _mean(digamma(len(x)) + digamma(neighbours) - digamma(sizes)[labels] - digamma(around + 1))
        if kept.all():
            return raw
        text = f"ksg: {(~kept).sum()} of {len(kept)} samples are alone with their label, and left out"
        return replace(raw, concerns=[(SmallSampleWarning, text)])


def _refuse_equal(radius: FloatArray, k: int) -> None:
    equal = np.flatnonzero(radius == 0)
    if equal.size:
        raise InputError(
            Argument("mutual_information", "x, y"),
            f"samples without {k} others equal to them",
            f"{equal.size} with, the first in row {equal[0]}",
            "variant='mixture' allows for equal samples; repeated rows are better dropped",
        )


def _mean(local: FloatArray) -> RawMI:
    """Local values are dependent through shared neighbours, weakly; the error is that of independent ones."""
    return RawMI(float(local.mean()), se=float(local.std() / np.sqrt(len(local))))
