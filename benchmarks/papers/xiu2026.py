"""Posteriors such as Xiu et al. take from vision-language models, of problems whose atoms are known.

The paper decomposes the class probabilities that a model gives from an image, from a text and from both. Its numbers
are of models and data that cannot be made anew here, so nothing is published; the truth of these four problems says
what an estimator makes of such posteriors: sharp ones, crossing ROC curves, nothing shared, and near-copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from pidkd import Posteriors, decompose
from pidkd.arrays import FloatArray
from pidkd.benchmarks.papers import Number, Paper, Setting
from pidkd.result import ATOMS
from pidkd.synthetic import problem
from pidkd.synthetic.representations import Component, Look, Problem, levels, shift

N_SAMPLES = 6_000

PROBLEMS = {
    "sharp-2": Problem("sharp-2", "one bit, seen almost without error", [Component(shift(2.5), shift(2.0))]),
    "bin-cross": problem("bin-cross"),
    "k4-unique": problem("k4-unique"),
    "k4-copy": Problem(
        "k4-copy", "four classes, S a near-copy of T", [Component(levels(4, 0.3), levels(4, 0.31), chained=True)]
    ),
}


def likelihood(look: Look | None, x: FloatArray, n_values: int) -> FloatArray:
    """Log density of what is seen under each value, shape (n_samples, n_values)."""
    if look is None:
        return np.zeros((len(x), n_values))
    means, sds = np.array(look.means), np.array(look.sds)
    result: FloatArray = -(((x - means) / sds) ** 2) / 2 - np.log(sds)
    return result


def posteriors(of: Problem, seed: int = 0) -> Posteriors:
    """Labels with the exact posteriors of each source and of both."""
    rng = np.random.default_rng(seed)
    sizes = [component.n_values for component in of.components]
    values = [rng.integers(size, size=N_SAMPLES) for size in sizes]
    tables = [np.ones((N_SAMPLES, 1)) for _ in range(3)]
    for component, value in zip(of.components, values, strict=True):
        t, s = component.draw(value, rng)
        logs = [likelihood(component.t, t, component.n_values), likelihood(component.s, s, component.n_values)]
        if component.chained and component.t is not None and component.s is not None:
            logs.append(logs[0] if component.t.sds[0] <= component.s.sds[0] else logs[1])
        else:
            logs.append(logs[0] + logs[1])
        for place, log in enumerate(logs):
            p = np.exp(log - log.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            tables[place] = (tables[place][:, :, None] * p[:, None, :]).reshape(N_SAMPLES, -1)
    p_t, p_s, p_ts = tables
    return Posteriors(np.ravel_multi_index(values, sizes), p_t, p_s, p_ts)


def numbers(of: Problem) -> Iterator[Number]:
    """Atoms in nats beside the truth."""
    result = decompose(posteriors(of), units="nats")
    for atom in ATOMS:
        interval = (result.interval or {}).get(atom)
        yield Number(atom, getattr(result, atom), None, of.atoms[atom], "integrals", interval, "nats")


PAPER = Paper([Setting(name, "small", partial(numbers, of)) for name, of in PROBLEMS.items()])
