"""The contracts of problem families and of peers, as checks that a package runs in its own tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pidkd.benchmarks.peers import Peer
from pidkd.benchmarks.problems import Family
from pidkd.errors import PidkdError
from pidkd.result import ATOMS


def check_family(family: Family) -> None:
    """Make the tiny problems of a family twice, and compare them and their truth.

    Raises
    ------
    AssertionError
        When two problems have one name, a problem is not the same at each call, its inputs are not what the family
        asks for, or a truth is no finite number of an atom or of "mi" for each input.
    """
    names = [problem.name for problem in family.problems]
    assert len(set(names)) == len(names), f"two problems have one name: {sorted(names)}"
    for problem in family.problems:
        if problem.size != "tiny":
            continue
        inputs, again = problem.make(), problem.make()
        assert len(inputs) == len(again) > 0, f"{problem.name}: no inputs, or another number of them at each call"
        if family.asks is not None:
            for one, other in zip(inputs, again, strict=True):
                assert isinstance(one, family.asks.input), f"{problem.name}: {type(one).__name__} is not what it asks"
                assert _equal(vars(one), vars(other)), f"{problem.name}: other inputs at the second call"
        for truth in problem.truth(inputs) if problem.truth is not None else ():
            assert set(truth) <= {*ATOMS, "mi"}, f"{problem.name}: a truth of {sorted(truth)}"
            assert all(map(math.isfinite, truth.values())), f"{problem.name}: a truth that is no finite number"


def check_peer(peer: Peer, data: Any) -> None:
    """Let each estimator of a peer answer for data of a kind that it solves.

    Raises
    ------
    AssertionError
        When a name does not begin with the prefix, an estimator does not say what it solves, or it fails in other words
        than ours.
    """
    estimators = peer.estimators()
    assert estimators, "no estimators"
    for name, estimator in estimators.items():
        assert name.startswith(peer.prefix), f"{name!r} does not begin with the prefix {peer.prefix!r}"
        assert estimator.solves.inputs, f"{name}: solves no kind of input"
        if not isinstance(data, estimator.solves.inputs):
            continue
        try:
            result = estimator.decompose(data)
        except PidkdError as error:
            assert "\n" not in str(error), f"{name}: a message of several lines"
        else:
            assert set(result.atoms) == set(ATOMS), f"{name}: atoms {sorted(result.atoms)}"


def _equal(one: Any, other: Any) -> bool:
    """Whether two inputs hold the same data."""
    if isinstance(one, dict):
        return set(one) == set(other) and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one is other or one == other or type(one) is type(other))
