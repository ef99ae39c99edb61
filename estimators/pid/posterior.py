"""BROJA from samples of any dimension: posteriors by classifiers, and the dual by held-out rows."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pidkd.arrays import Array, FloatArray, IntArray
from pidkd.errors import Argument, PidkdWarning
from pidkd.estimator import Context
from pidkd.estimators.solvers.posterior.by_label import Half, held_out_means
from pidkd.estimators.solvers.posterior.folds import split
from pidkd.estimators.solvers.posterior.held_out import Local, Logs, Within, confused, local_information
from pidkd.estimators.solvers.posterior.learning import Learner, as_given
from pidkd.groups import half_width, standard_error
from pidkd.info import table_information
from pidkd.inputs import Activations, Posteriors
from pidkd.parameters import Level, Whole, With
from pidkd.pid import SAMPLING_ERRORS, PIDEstimator, Raw
from pidkd.result import NATS_PER, Certificate, Information, PIDResult


@dataclass(frozen=True)
class Posterior(PIDEstimator):
    r""":math:`I_\cup \ge H(Y) + \mathbb{E}[a(Y,T) + b(Y,S)]`, with potentials a, b that are feasible for every t, s.

    BROJA sees a source only through its posterior :math:`p(y|t)`. So classifiers learn the posteriors on some rows,
    others calibrate them and give the potentials, and the rest is scored; the folds take turns, so that each row is
    scored once, by what has seen no label of its fold. The means over the rows of

    .. math::

        i_T = \log \tfrac{p(y|t)}{p(y)}, \quad i_S, \quad i_{TS}, \quad u = a(y,t) + b(y,s) - \log p(y)

    bound :math:`I(Y;T), I(Y;S), I(Y;T,S)` and the union information :math:`I_\cup` from below, up to sampling, which
    ``interval`` is about. **The atoms are differences of such bounds and no bounds themselves**: that would take an
    upper bound of a mutual information, which no sample gives. What the classifiers miss lowers :math:`i_T + i_S` by
    about as much as u and nearly cancels in Red. ``local`` holds the atoms of each row.

    Without ``classifier`` a linear probe and a network of one hidden layer are trained for all folds in one model, with
    torch on the device asked for, or with scikit-learn where torch is not installed, and pooled by their weight on the
    calibrating rows. Given ``Posteriors``, nothing is trained and all rows but the scored fold calibrate; their rows
    must not have trained whatever the posteriors come from.

    Parameters
    ----------
    classifier : scikit-learn classifier with ``predict_proba``, optional
        Learns in place of the probes, from the features as they are; each source and each fold gets a clone.
    n_folds : int, default 5
        At least 3.
    n_components : int or None, default 1024
        Wider layers are projected on so many principal components, without labels; None keeps all.
    max_classes : int, default 1000
        More classes are put into so many groups of what the sources confuse. Between groups nothing changes; within a
        group the better source stands for both, which bounds :math:`I_\cup` as well, if less tightly, and makes Red
        there the smaller of the two informations.
    lump : bool, default False
        Let the groups be the target instead of the classes.
    level : float, default 0.95
        Of the intervals.
    scaling : {"matrix", "temperature"}
        Of ``Posteriors``. A temperature takes them for what they say as they are, which a student imitates; a matrix,
        shrunk towards a temperature, also finds what is in them, as the classes of a specialist that never saw others.
    max_memory : int, default 2 GiB
        Bytes. Where the features of a source, or of both, would take more than half of it as float32, they are put into
        a file (in the folder for temporary files) and read in batches. The answer is the same.

    References
    ----------
    bertschinger2014, barber2003

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=2000)
    >>> t, s = (np.outer(y - 0.5 + rng.normal(size=2000) * noise, [0, noise**-2]) for noise in (0.5, 1.0))  # logits
    >>> result = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s))
    >>> low, high = result.interval["union"]
    >>> bool(low < result.mi_t < high), bool(abs(result.unique_s) < 0.01)
    (True, True)
    """

    classifier: Annotated[Any, With("predict_proba", "a scikit-learn classifier")] | None = None
    n_folds: Annotated[int, Whole(3)] = 5
    n_components: Annotated[int, Whole(1)] | None = 1024
    max_classes: Annotated[int, Whole(2)] = 1000
    lump: bool = False
    level: Annotated[float, Level()] = 0.95
    scaling: Literal["matrix", "temperature"] = "matrix"
    max_memory: Annotated[int, Whole(1)] = 2**31

    name = "posterior"
    measure = "BROJA"
    reference = "bertschinger2014"
    accepts = (Activations, Posteriors)
    target = "discrete"
    certifies = False
    exactness = "sampled"
    cross_fitted = True
    lattice_hint = "BROJA defines no redundancy of antichains; for more sources it has pidkd.union_information"
    laws = frozenset()
    devices = ("cpu", "cuda")

    def _decompose(self, data: Activations | Posteriors, ctx: Context) -> Raw:
        _, y = np.unique(data.y, return_inverse=True)
        if isinstance(data, Posteriors):
            fold = self.folds(Argument("Posteriors", "y"), y, ctx.seed, data.groups)
            seen = np.unique(data.y)
            t, s = (as_given(p[:, seen], y) for p in (data.p_t, data.p_s))
            both = None if data.p_ts is None else as_given(data.p_ts[:, seen], y)
            scaling = self.scaling == "matrix" and data.within is None  # groups of many classes take too long to scale
            how = "posteriors as given" + (", scaled" if scaling else "")
            beside = None if data.within is None else Within.of(y, fold, np.asarray(data.classes), data.within)
            raw = self.combine(y, fold, t, s, both, ctx, how + _of_tail(data), data.groups, scaling, beside)
            if self.lump and len(seen) > self.max_classes:  # of another target than the classes
                return raw
            codes_of = [(name, p.argmax(axis=1)) for name, p in (("T", data.p_t), ("S", data.p_s))]
            warnings = [
                text for name, codes in codes_of if (text := self._more_in_codes(name, y, codes, raw, data.groups))
            ]
            return dataclasses.replace(raw, concerns=(*raw.concerns, *((PidkdWarning, text) for text in warnings)))
        fold = self.folds(Argument("decompose", "y, t, s"), y, ctx.seed, data.groups)
        t, s, both = (
            self.learn(values, y[None], fold[None], ctx)[0] for values in ((data.t,), (data.s,), (data.t, data.s))
        )
        return self.combine(y, fold, t, s, both, ctx, self.learner(), data.groups)

    def _more_in_codes(
        self, source: str, y: IntArray, codes: IntArray, raw: Raw, groups: IntArray | None
    ) -> str | None:
        """Warning where the most probable class says more than the posterior, beyond its bias and the error."""
        value = raw.information.t if source == "T" else raw.information.s
        joint = np.zeros((int(y.max()) + 1, int(codes.max()) + 1))
        np.add.at(joint, (y, codes), 1 / len(y))
        n = len(y) if groups is None else int(groups.max()) + 1
        freedom = (np.count_nonzero(joint.sum(axis=1)) - 1) * (np.count_nonzero(joint.sum(axis=0)) - 1)
        coded = table_information(joint) - freedom / (2 * n)
        # Of independent codes 2n times the information is chi-squared, with variance twice its degrees of freedom.
        error = math.hypot((raw.se or {}).get(f"mi_{source.lower()}", 0.0), math.sqrt(2 * freedom) / (2 * n))
        if coded <= value + SAMPLING_ERRORS * error:
            return None
        bits = NATS_PER["bits"]
        more = "scaling='matrix'" if self.scaling == "temperature" else "decompose(y, t, s) with the logits as t and s"
        in_codes = f"the most probable class of {source} alone says {coded / bits:.3g} bits of y"
        calibrated = f"its calibrated probabilities {value / bits:.3g}"
        return (
            f"posterior: {in_codes}, and {calibrated}, wrong in ways that calibration does not reach; {more} finds more"
        )

    def folds(self, where: str, y: Array, seed: int, groups: IntArray | None = None) -> IntArray:
        """The fold of each row; the rows of a group are in one.

        Raises
        ------
        InputError
            When a class has fewer rows, or groups of them, than there are folds.
        """
        return split(y, self.n_folds, [seed, 6], groups, where)

    def learn(self, values: tuple[Any, ...], labels: IntArray, fold: IntArray, ctx: Context) -> list[Logs]:
        """Cross-fitted classifiers of the sources ``values`` together, for each of several labellings of the rows.

        Parameters
        ----------
        values : tuple of array, shape (n,) or (n, d)
        labels, fold : array of int, shape (n_labellings, n)
        ctx : Context
        """
        return self._learner.learn(values, labels, fold, ctx.seed, ctx.device)

    @property
    def _learner(self) -> Learner:
        return Learner(self.classifier, self.n_components, self.n_folds, self.max_memory)

    def combine(
        self,
        y: IntArray,
        fold: IntArray,
        t: Logs,
        s: Logs,
        both: Logs | None,
        ctx: Context,
        how: str,
        groups: IntArray | None = None,
        scaling: bool = False,
        beside: Within | None = None,
    ) -> Raw:
        """The atoms, from what the classifiers say of each row; ``how`` names the classifiers."""
        message = f"{how}, held out; interval['union'] bounds the union information, and the atoms are no bounds"
        if both is None:
            message += "; p_ts was not given: mi and Syn are those of the pool of p_t and p_s"
        n_classes = t.scored.shape[-1]
        if n_classes > self.max_classes:
            if self.lump:
                p_t, p_s = (np.exp(one.calibrating).mean(axis=0) for one in (t, s))
                group = confused(p_t, p_s, y, self.max_classes)
                t, s, y = t.lumped(group), s.lumped(group), group[y]
                both = None if both is None else both.lumped(group)
            within = "are the target" if self.lump else "are solved; within a group Red is the smaller information"
            message += f"; {self.max_classes} groups of {n_classes} classes {within}"
        with threadpool_limits(1):  # products of a few classes: threads would mostly wait for each other
            of_half = None if ctx.by is None else _half_by(ctx.by, beside)
            found, halves = local_information(
                y, fold, t, s, both, self.max_classes, ctx.seed, ctx.progress, groups, scaling, of_half
            )
        if beside is not None:
            found = beside.added(found)
        for source, one, nothing in (("T", found.t, "unique_s"), ("S", found.s, "unique_t")):
            if np.allclose(found.union, one, rtol=0, atol=1e-12):
                message += f"; what {source} says alone earned as much as any potentials: {nothing} is 0, its least"
        local = atoms_of(found)
        value = {name: float(values.mean()) for name, values in local.items()}
        # One source alone makes an atom 0 in every row. How far that is known is what sampling may have changed in the
        # comparison with the fitted potentials that found them no better.
        spread = atoms_of(found._replace(union=found.fitted))
        se = {name: max(standard_error(one[name], groups) for one in (local, spread)) for name in local}
        z = half_width(self.level, groups)
        by = () if ctx.by is None else held_out_means(local, ctx.by, halves, groups, self.level)
        return Raw(
            value["unique_t"],
            Information(value["mi_t"], value["mi_s"], value["mi"]),
            Certificate(-math.inf, math.inf, "bound", message),
            interval={name: (value[name] - z * se[name], value[name] + z * se[name]) for name in value},
            se=se,
            local=local,
            by=by,
        )

    def result(
        self,
        y: IntArray,
        fold: IntArray,
        t: Logs,
        s: Logs,
        both: Logs,
        ctx: Context,
        groups: IntArray | None = None,
    ) -> PIDResult:
        """The same as a result, in nats, for one who learns posteriors once and combines them many times."""
        started = time.perf_counter()
        raw = self.combine(y, fold, t, s, both, ctx, self.learner(), groups)
        result, _ = self._result(raw, len(y), "nats", ctx, time.perf_counter() - started)
        return result

    def learner(self) -> str:
        """Name of what learns the posteriors."""
        return self._learner.words


def _half_by(labels: Array, beside: Within | None) -> Callable[[IntArray, Local], Half]:
    """Function that gives the means by label of a half, with what is known within groups of classes."""
    values, codes = np.unique(labels, return_inverse=True)

    def half(rows: IntArray, local: Local) -> Half:
        whole = local if beside is None else beside.added(local, rows)
        return Half.of(codes[rows], atoms_of(whole), len(values))

    return half


def _of_tail(data: Posteriors) -> str:
    """Text on the groups of ``from_topk``, and on what a label beyond the top may hide."""
    text = ""
    if data.within is not None:
        n_groups, classes = data.p_t.shape[1], np.asarray(data.classes)
        once = int((np.bincount(classes) == 1).sum())
        text += f", between {n_groups} groups of classes, and within a group by the better source; H(Y) is that of the "
        text += f"labels seen, a lower bound: {once:,} of {data.n_samples:,} occur once"
        if data.tail is not None and data.tail.shape[1] == 2:
            text += "; top_ts was not given: mi and Syn are those of the pool of top_t and top_s"
    if data.tail is not None and data.tail.any():
        bits = data.tail.mean(axis=0) / NATS_PER["bits"]
        text += (
            f"; labels beyond the top have equal shares of the tail, which hides up to {bits[0]:.3g} bits of I(Y;T) "
        )
        text += f"and {bits[1]:.3g} of I(Y;S)"
    return text


def atoms_of(found: Local) -> dict[str, FloatArray]:
    """Atoms and informations of each row; the identities hold for every one."""
    return {
        "redundant": found.t + found.s - found.union,
        "unique_t": found.union - found.s,
        "unique_s": found.union - found.t,
        "synergistic": found.both - found.union,
        "mi_t": found.t,
        "mi_s": found.s,
        "mi": found.both,
        "union": found.union,
    }
