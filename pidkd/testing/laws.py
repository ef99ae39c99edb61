"""The laws that a measure may declare, each as a check on tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pidkd.info import table_information
from pidkd.inputs import Pmf
from pidkd.pid import PIDEstimator
from pidkd.result import NATS_PER
from pidkd.synthetic import gate
from pidkd.testing.answers import assert_same, assert_value, run, slack
from pidkd.testing.examples import copied, examples_for


def symmetric(estimator: PIDEstimator) -> None:
    """Swapping T and S swaps the unique atoms."""
    for data in examples_for(estimator):
        swapped = run(estimator, Pmf(data.p.swapaxes(1, 2)))
        back = dataclasses.replace(swapped, unique_t=swapped.unique_s, unique_s=swapped.unique_t)
        assert_same(run(estimator, data), back, f"{data!r} with T and S swapped")


def relabelling(estimator: PIDEstimator) -> None:
    """Renaming the values of Y, T or S changes nothing."""
    rng = np.random.default_rng(0)
    for data in examples_for(estimator):
        renamed = Pmf(data.p[np.ix_(*(rng.permutation(size) for size in data.shape))])
        assert_same(run(estimator, data), run(estimator, renamed), f"{data!r} with other names")


def zero_rows(estimator: PIDEstimator) -> None:
    """Values of probability zero change nothing."""
    for data in examples_for(estimator):
        padded = np.zeros([size + 2 for size in data.shape])
        padded[1:-1, 1:-1, 1:-1] = data.p
        assert_same(run(estimator, data), run(estimator, Pmf(padded)), f"{data!r} with rows of zeros")


def nonnegative(estimator: PIDEstimator) -> None:
    """No atom is negative beyond the gap."""
    for data in examples_for(estimator):
        result = run(estimator, data)
        negative = {atom: value for atom, value in result.atoms.items() if value < -slack(result)}
        assert not negative, f"{data!r}: {negative} bits with a gap of {result.certificate.gap:.3g}"


def copy(estimator: PIDEstimator) -> None:
    """S a copy of T leaves T nothing unique."""
    for data in examples_for(estimator):
        p = data.p.sum(axis=2)[:, :, None] * np.eye(data.shape[1])
        result = run(estimator, Pmf(p))
        for atom in ("unique_t", "unique_s"):
            assert_value(result, atom, 0.0, f"T of {data!r} and its copy")


def constant(estimator: PIDEstimator) -> None:
    """A constant S leaves all of I(Y;T) unique to T."""
    for data in examples_for(estimator):
        result = run(estimator, Pmf(data.p.sum(axis=2, keepdims=True)))
        assert_value(result, "unique_t", result.mi_t, f"T of {data!r} and a constant")


def identity(estimator: PIDEstimator) -> None:
    """Of Y = (T, S) the redundancy is I(T;S)."""
    for data in examples_for(estimator):
        of_pair = data.p.sum(axis=0)
        result = run(estimator, copied(of_pair))
        assert_value(result, "redundant", table_information(of_pair) / NATS_PER["bits"], f"Y = (T, S) of {data!r}")


def independent_identity(estimator: PIDEstimator) -> None:
    """Of Y = (T, S) with independent T and S the redundancy is 0."""
    for data in examples_for(estimator):
        independent = np.outer(data.p.sum(axis=(0, 2)), data.p.sum(axis=(0, 1)))
        assert_value(run(estimator, copied(independent)), "redundant", 0.0, f"Y = (T, S) of {data!r}, independent")


def additive(estimator: PIDEstimator) -> None:
    """Two independent systems side by side have the sums of their atoms."""
    channel = np.array([[0.4, 0.1], [0.2, 0.3]])
    of_t, of_s = Pmf(channel[:, :, None]), Pmf(channel[:, None, :])
    for data, other in [(of_t, of_s), *((gate(name).pmf, gate("and").pmf) for name in ("and", "rdn", "unq", "xor"))]:
        product = np.einsum("yts,YTS->yYtTsS", data.p, other.p)
        joint = Pmf(product.reshape(np.multiply(data.shape, other.shape)))
        alone, beside, both = (run(estimator, one) for one in (data, other, joint))
        for atom, value in both.atoms.items():
            parts = alone.atoms[atom] + beside.atoms[atom]
            off = f"{data!r} beside another: {atom} is {value} bits, and the sum of both {parts}"
            assert abs(value - parts) <= slack(alone, beside, both), off


BY_LAW: dict[str, Callable[[Any], None]] = {
    law.__name__: law
    for law in (
        symmetric,
        relabelling,
        zero_rows,
        nonnegative,
        copy,
        constant,
        identity,
        independent_identity,
        additive,
    )
}
