"""Local information of rows by what was fitted to other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

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


Half = TypeVar("Half")


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


class FoldLogs(NamedTuple):
    """Posteriors of one fold: of the rows that are fitted to, in random order, and of those that are scored."""

    fit: IntArray
    score: IntArray
    logs: Mapping[str, Logs]

    @classmethod
    def of(
        cls,
        f: int,
        y: IntArray,
        fold: IntArray,
        logs: Mapping[str, Logs],
        seed: int,
        groups: IntArray | None,
        scaling: bool,
    ) -> FoldLogs:
        """Of fold ``f``; where nothing was trained, all rows that are not scored are fitted to."""
        given = all(one.calibrating is one.scored for one in logs.values())
        fit = np.flatnonzero(fold != f) if given else calibrating(fold, f)
        fit, score = shuffled(fit, groups, np.random.default_rng([seed, 7, f])), np.flatnonzero(fold == f)
        parts = {name: one.taken(fit, score) for name, one in logs.items()}
        if scaling:
            parts = {name: with_scaled(one, y[fit], fold[fit]) for name, one in parts.items()}
        return cls(fit, score, parts)

    def fitted_to(self, places: IntArray) -> FoldLogs:
        """Some of the rows that are fitted to, by their places, as those that are fitted to and scored."""
        within = {name: taken(one.calibrating, places) for name, one in self.logs.items()}
        return FoldLogs(self.fit[places], self.fit[places], {name: Logs(one, one) for name, one in within.items()})


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

    def added(self, local: Local, rows: IntArray | slice = slice(None)) -> Local:
        """Local information of the rows between groups, and this within them."""
        return Local(
            local.t + self.t[rows],
            local.s + self.s[rows],
            local.both + self.both[rows],
            local.union + self.better[rows],
            local.fitted + self.better[rows],
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
    of_half: Callable[[IntArray, Local], Half] | None = None,
) -> tuple[Local, list[tuple[Half, Half]]]:
    """Calibrate, fit potentials and score, fold by fold; and the same within halves of what a fold is fitted to.

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
    of_half : callable, optional
        What to keep of each half of what a fold is fitted to, calibrated, fitted and scored by itself, from its rows
        and their local information.
    """
    prior = np.bincount(y) / len(y)
    local = Local(*(np.empty(len(y)) for _ in Local._fields))
    halves: list[tuple[Half, Half]] = []
    logs = {"t": t, "s": s} | ({} if both is None else {"both": both})
    folds = int(fold.max()) + 1
    for f in range(folds):
        one = FoldLogs.of(f, y, fold, logs, seed, groups, scaling)
        for values, scored in zip(local, _scored(one, y, prior, max_classes), strict=True):
            values[one.score] = scored
        if of_half is not None:
            first, second = (
                of_half(part.fit, _within(part, y, prior, max_classes))
                for part in _halves(one, groups, np.random.default_rng([seed, 9, f]))
            )
            halves.append((first, second))
        if progress is not None:
            progress((f + 1) / folds)
    surprise = -np.log(prior)[y]
    return Local(*(values + surprise for values in local)), halves


def _scored(one: FoldLogs, y: IntArray, prior: FloatArray, max_classes: int, choose: bool = True) -> Local:
    """Logarithms of what is calibrated, and potentials, of the labels of the scored rows, in nats."""
    of_fit, of_score = y[one.fit], y[one.score]
    (p_t, q_t), (p_s, q_s) = (calibrated([one.logs[name]], of_fit, prior) for name in ("t", "s"))
    each = []
    for p, q in ((p_t, q_t), (p_s, q_s)):
        of_p = by_rows(_log, p)
        each.append(Logs(of_p, of_p if q is p else by_rows(_log, q)))
    _, q_ts = calibrated([*each, *([one.logs["both"]] if "both" in one.logs else [])], of_fit, prior)
    of_t, of_s, of_both = (np.log(q[np.arange(len(of_score)), of_score]) for q in (q_t, q_s, q_ts))
    potentials = _union if len(prior) <= max_classes else partial(_union_of_groups, n_groups=max_classes)
    union, fitted = potentials(p_t, p_s, q_t, q_s, of_fit, of_score, prior, choose=choose)
    return Local(of_t, of_s, of_both, union, fitted)


def _within(half: FoldLogs, y: IntArray, prior: FloatArray, max_classes: int) -> Local:
    """Local information of a half by what is fitted to it, with the labels' frequencies of its own."""
    frequencies = np.bincount(y[half.fit], minlength=len(prior)) / len(half.fit)
    surprise = -np.log(frequencies[y[half.fit]])
    return Local(*(values + surprise for values in _scored(half, y, prior, max_classes, choose=False)))


def _halves(one: FoldLogs, groups: IntArray | None, generator: np.random.Generator) -> Iterator[FoldLogs]:
    """Two random halves of the rows that a fold is fitted to."""
    order = shuffled(np.arange(len(one.fit)), None if groups is None else groups[one.fit], generator)
    return (one.fitted_to(places) for places in np.array_split(order, 2))


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

    p = by_rows(pool, *before)
    same = all(one is other for one, other in zip(before, after, strict=True))
    return p, p if same else by_rows(pool, *after)


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
    choose: bool,
) -> tuple[FloatArray, FloatArray]:
    """Sums of potentials of the label of each scored row: the chosen ones, and those fitted to posteriors p of others.

    ``y`` are the labels of the rows of p, ``scored`` those of the rows of q. Unless one is to ``choose``, the fitted
    ones are taken.
    """
    kind = Thresholds if len(prior) == 2 else Mixtures
    each = [np.log(q[np.arange(len(scored)), scored]) for q in (q_t, q_s)]
    for constant, other in ((p_t, each[1]), (p_s, each[0])):
        if np.ptp(constant, axis=0).max() <= CONSTANT:  # it says nothing, and nothing beats what the other says alone
            return other, other

    def fit(rows: slice) -> Fitted:
        return kind.fit([p_t[rows], p_s[rows]], prior)

    fitted = of_labels(fit(slice(None)), [q_t, q_s], scored)
    if not choose:
        return fitted, fitted
    # What one source says alone is feasible too, and where it tells all that the other does, nothing is better: whether
    # potentials of half of the rows earn more on the other half decides.
    middle = (len(y) + 1) // 2
    halves = [slice(0, middle), slice(middle, len(y))]
    earned = np.zeros(3)
    for half, others in zip(halves, halves[::-1], strict=True):
        seen = slice(others.start, min(others.stop, others.start + COMPARED))
        values = fit(half).potentials([p_t[seen], p_s[seen]]), np.log(p_t[seen]), np.log(p_s[seen])
        earned += [float(one[np.arange(len(one)), y[seen]].sum()) for one in values]
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
    choose: bool,
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
    chosen, fitted = _union(g_t, g_s, h_t, h_s, group[y], group[scored], prior @ member, choose)
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
