"""Local information of rows by what was fitted to other rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray
from pidkd.estimators.solvers.posterior.columns import ENTRIES, by_rows, empty, taken
from pidkd.estimators.solvers.posterior.folds import calibrating
from pidkd.estimators.solvers.posterior.mixtures import Mixtures
from pidkd.estimators.solvers.posterior.pool import fit_weights, pooled, smoothed
from pidkd.estimators.solvers.posterior.scaling import scaled
from pidkd.estimators.solvers.posterior.thresholds import Thresholds
from pidkd.mapping import release

COMPARED = 5000
"""Rows of each half, at most, that say whether potentials earn more than one source alone."""

CONSTANT = 1e-12
"""Range of the probabilities of a source that says nothing."""


class Local(NamedTuple):
    """For each row (y, t, s) what it says of y, in nats, shape (n,); the means are lower bounds, up to sampling."""

    t: FloatArray
    """log p(y|t) / p(y)."""
    s: FloatArray
    """log p(y|s) / p(y)."""
    both: FloatArray
    """log p(y|t,s) / p(y)."""
    union: FloatArray
    """a(y,t) + b(y,s) - log p(y), with feasible potentials a and b."""
    fitted: FloatArray
    """The same with the fitted potentials, also where those of one source alone are taken."""


class Logs(NamedTuple):
    """Logarithms of class probabilities by several classifiers, shape (n_classifiers, n, n_classes) each."""

    calibrating: Array
    """Of each row by the classifiers whose calibration it serves."""
    scored: Array
    """Of each row by the classifiers that it scores; the same array where nothing was trained."""

    def taken(self, calibrating: Array, scored: Array) -> Logs:
        """Of these rows only."""
        return Logs(taken(self.calibrating, calibrating), taken(self.scored, scored))

    def lumped(self, group: IntArray) -> Logs:
        """The same about groups of classes."""
        member = np.eye(int(group.max()) + 1)[group]

        def lump(logs: Array) -> Array:
            return by_rows(lambda part: np.log(np.exp(part) @ member), logs)

        calibrating = lump(self.calibrating)
        return Logs(calibrating, calibrating if self.scored is self.calibrating else lump(self.scored))


class Fitted(Protocol):
    """Potentials fitted to some rows, feasible for all."""

    def potentials(self, posteriors: Sequence[FloatArray]) -> FloatArray:
        """The sum of a_i(y, x_i) over the sources, shape (n, n_classes)."""


class Within(NamedTuple):
    """Information about the class of each row within its group of classes, by source, in nats, shape (n,)."""

    t: FloatArray
    s: FloatArray
    both: FloatArray
    better: FloatArray
    """Of the source that says more of the classes of the group in other folds."""

    @classmethod
    def of(cls, group: IntArray, fold: IntArray, classes: IntArray, logs: FloatArray) -> Within:
        """From log p(y|g,source) of T, S and both, shape (n, 3)."""
        frequency = np.bincount(classes)[classes] / np.bincount(group)[group]
        t, s, both = (logs - np.log(frequency)[:, None]).T
        better = np.empty(len(group))
        for f in range(int(fold.max()) + 1):
            rest, rows = fold != f, fold == f
            lead = np.bincount(group[rest], (t - s)[rest], minlength=int(group.max()) + 1) > 0
            better[rows] = np.where(lead[group[rows]], t[rows], s[rows])
        return cls(t, s, both, better)

    def added(self, local: Local) -> Local:
        """Local information between groups, and this within them."""
        return Local(
            local.t + self.t,
            local.s + self.s,
            local.both + self.both,
            local.union + self.better,
            local.fitted + self.better,
        )


def together(logs: list[Logs]) -> Array:
    """Posteriors of several labellings, shape (n_labellings, 2, n_classifiers, n, n_classes), in files if they are."""
    first = logs[0].calibrating
    joined = empty((len(logs), 2, *first.shape), first.dtype, isinstance(first, np.memmap))
    for labelling, one in enumerate(logs):
        for role, values in enumerate(one):
            for rows in pieces(values.shape[1]):
                joined[labelling, role, :, rows] = values[:, rows]
                release()
    return joined


def pieces(n: int, step: int = 2**16) -> list[slice]:
    """Slices of so many rows in their order."""
    return [slice(start, start + step) for start in range(0, n, step)]


def local_information(
    y: IntArray,
    fold: IntArray,
    t: Logs,
    s: Logs,
    both: Logs | None,
    max_classes: int,
    seed: int,
    progress: Callable[[float], None] | None = None,
    groups: IntArray | None = None,
    scaling: bool = False,
) -> Local:
    """Calibrate, fit potentials and score, fold by fold.

    Parameters
    ----------
    y : array of int, shape (n,)
        Every class from 0 to n_classes - 1 occurs.
    fold : array of int, shape (n,)
    t, s, both : Logs
        Without ``both``, what T and S say together is the pool of what each says.
    max_classes : int
    seed : int
    progress : callable, optional
    groups : array of int, shape (n,), optional
        Rows that are together in one fold, and in one half of what potentials are fitted to.
    scaling : bool
        Whether the pool also has the posteriors scaled by a matrix, for those that nothing here was trained to.
    """
    prior = np.bincount(y) / len(y)
    local = Local(*(np.empty(len(y)) for _ in Local._fields))
    potentials = _union if len(prior) <= max_classes else partial(_union_of_groups, n_groups=max_classes)
    folds = int(fold.max()) + 1
    for f in range(folds):
        # Where nothing was trained, all rows that are not scored can calibrate.
        fit = np.flatnonzero(fold != f) if t.calibrating is t.scored else calibrating(fold, f)
        fit, score = shuffled(fit, groups, np.random.default_rng([seed, 7, f])), np.flatnonzero(fold == f)
        of_t, of_s = (one.taken(fit, score) for one in (t, s))
        of_both = None if both is None else both.taken(fit, score)
        if scaling:
            of_t, of_s = (with_scaled(one, y[fit], fold[fit]) for one in (of_t, of_s))
            of_both = None if of_both is None else with_scaled(of_both, y[fit], fold[fit])
        (p_t, q_t), (p_s, q_s) = (calibrated([one], y[fit], prior) for one in (of_t, of_s))
        each = [Logs(by_rows(_log, p), by_rows(_log, q)) for p, q in ((p_t, q_t), (p_s, q_s))]
        _, q_ts = calibrated([*each, *([of_both] if of_both else [])], y[fit], prior)
        for values, q in zip(local, (q_t, q_s, q_ts), strict=False):
            values[score] = np.log(q[np.arange(len(score)), y[score]])
        local.union[score], local.fitted[score] = potentials(p_t, p_s, q_t, q_s, y[fit], y[score], prior)
        if progress is not None:
            progress((f + 1) / folds)
    surprise = -np.log(prior)[y]
    return Local(*(values + surprise for values in local))


def _log(p: FloatArray) -> FloatArray:
    """As of one classifier."""
    return np.log(p)[None]


def with_scaled(logs: Logs, y: IntArray, fold: IntArray) -> Logs:
    """Posteriors as they are, and scaled, by fits to other rows."""
    within, outside = scaled(logs.calibrating[0], y, fold, logs.scored[0])
    return Logs(np.concatenate([logs.calibrating, within[None]]), np.concatenate([logs.scored, outside[None]]))


def shuffled(rows: IntArray, groups: IntArray | None, rng: np.random.Generator) -> IntArray:
    """Rows in random order; of groups, each is in one half of them, but for one that lies across."""
    if groups is None:
        return rng.permutation(rows)
    order = rows[np.argsort(rng.random(int(groups.max()) + 1)[groups[rows]], kind="stable")]
    return np.concatenate([rng.permutation(half) for half in np.array_split(order, 2)])


def calibrated(logs: list[Logs], y: IntArray, prior: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The pool's probabilities of the rows that calibrate it, whose labels are ``y``, and of those that are scored."""
    before, after = zip(*logs, strict=True)
    weights = fit_weights(before, y, prior)

    def pool(*parts: Array) -> FloatArray:
        return smoothed(pooled(parts, weights, prior), prior, len(y))

    return by_rows(pool, *before), by_rows(pool, *after)


def of_labels(fitted: Fitted, posteriors: Sequence[FloatArray], y: IntArray) -> FloatArray:
    """The sum of the potentials of each row's label, shape (n,)."""

    def of_label(*parts: Array) -> Array:
        return np.take_along_axis(fitted.potentials(parts[:-1]), parts[-1], axis=1)

    return by_rows(of_label, *posteriors, y[:, None])[:, 0]


def _union(
    p_t: FloatArray,
    p_s: FloatArray,
    q_t: FloatArray,
    q_s: FloatArray,
    y: IntArray,
    scored: IntArray,
    prior: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Sums of potentials of the label of each scored row: the chosen ones, and those fitted to posteriors p of others.

    ``y`` are the labels of the rows of p, ``scored`` those of the rows of q.
    """
    kind = Thresholds if len(prior) == 2 else Mixtures
    each = [np.log(q[np.arange(len(scored)), scored]) for q in (q_t, q_s)]
    for constant, other in ((p_t, each[1]), (p_s, each[0])):
        if np.ptp(constant, axis=0).max() <= CONSTANT:  # it says nothing, and nothing beats what the other says alone
            return other, other

    def fit(rows: slice) -> Fitted:
        return kind.fit([p_t[rows], p_s[rows]], prior)

    # What one source says alone is feasible too, and where it tells all that the other does, nothing is better: whether
    # potentials of half of the rows earn more on the other half decides.
    middle = (len(y) + 1) // 2
    halves = [slice(0, middle), slice(middle, len(y))]
    earned = np.zeros(3)
    for half, others in zip(halves, halves[::-1], strict=True):
        seen = slice(others.start, min(others.stop, others.start + COMPARED))
        values = fit(half).potentials([p_t[seen], p_s[seen]]), np.log(p_t[seen]), np.log(p_s[seen])
        earned += [float(one[np.arange(len(one)), y[seen]].sum()) for one in values]
    fitted = of_labels(fit(slice(None)), [q_t, q_s], scored)
    return (fitted, *each)[int(np.argmax(earned))], fitted


def _union_of_groups(
    p_t: FloatArray,
    p_s: FloatArray,
    q_t: FloatArray,
    q_s: FloatArray,
    y: IntArray,
    scored: IntArray,
    prior: FloatArray,
    n_groups: int,
) -> tuple[FloatArray, FloatArray]:
    r"""The same with potentials of groups of classes, and within each group what the better source says.

    The sum is :math:`a(g,t) + b(g,s)` and :math:`\log p(y|g,t)` for the groups g within which T tells more,
    :math:`\log p(y|g,s)` for the others. That is feasible where a and b are, since the last are probabilities.
    """
    group = confused(p_t, p_s, y, n_groups)
    member = np.eye(int(group.max()) + 1)[group]
    g_t, g_s, h_t, h_s = (by_rows(lambda part: part @ member, p) for p in (p_t, p_s, q_t, q_s))

    def within(p: FloatArray, g: FloatArray, labels: IntArray) -> FloatArray:
        rows = np.arange(len(labels))
        return np.asarray(np.log(p[rows, labels] / g[rows, group[labels]]))

    lead = within(p_t, g_t, y) - within(p_s, g_s, y)
    teacher = np.bincount(group[y], weights=lead, minlength=member.shape[1]) > 0
    better = np.where(teacher[group[scored]], within(q_t, h_t, scored), within(q_s, h_s, scored))
    chosen, fitted = _union(g_t, g_s, h_t, h_s, group[y], group[scored], prior @ member)
    return chosen + better, fitted + better


def confused(p_t: FloatArray, p_s: FloatArray, y: IntArray, n_groups: int) -> IntArray:
    """A group for each class: those are joined first that the sources take for each other."""
    from scipy.cluster.hierarchy import fcluster, linkage

    n_classes = p_t.shape[1]
    profile = np.zeros((n_classes, n_classes))
    step = max(1, ENTRIES // n_classes)
    for start in range(0, len(y), step):
        rows = slice(start, start + step)
        np.add.at(profile, y[rows], p_t[rows] + p_s[rows])
    seen = profile.sum(axis=1, keepdims=True)
    profile = np.sqrt(np.divide(profile, seen, out=np.eye(n_classes), where=seen > 0))
    cluster: IntArray = np.unique(fcluster(linkage(profile, "ward"), n_groups, "maxclust"), return_inverse=True)[1]
    return cluster
