"""Union information from samples of any dimension: posteriors by classifiers, and the dual by held-out rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from pidkd.arrays import IntArray
from pidkd.errors import Argument, InputError
from pidkd.estimator import Context
from pidkd.estimators.solvers.posterior.folds import split
from pidkd.estimators.solvers.posterior.held_out import Logs
from pidkd.estimators.solvers.posterior.learning import Learner, as_given
from pidkd.estimators.solvers.posterior.unions import HeldOutUnions
from pidkd.groups import deviations
from pidkd.inputs.several import SourceActivations, SourcePosteriors
from pidkd.parameters import Level, Whole, With
from pidkd.result import Certificate
from pidkd.union import RawUnion, Subset, UnionEstimator, UnionSolver


@dataclass(frozen=True)
class UnionPosterior(UnionEstimator):
    r""":math:`I_\cup \ge H(Y) + \mathbb{E} \sum_i a_i(Y,X_i)`, with potentials that are feasible for all x_1, .., x_n.

    Classifiers learn the posteriors :math:`p(y|x_i)` on some rows, others calibrate them and give the potentials, and
    the rest is scored, as in ``decompose``'s ``posterior``: a lower bound of the union information, up to sampling,
    which ``interval`` is about. Two classes divide the thresholds between the sources, which is exact given the
    posteriors; more take mixtures, which lose some hundredths of the information (docs/theory/union.md). What fewer
    sources earn is open to more of them. Differences of unions are differences of bounds and no bounds themselves;
    their errors are those of the paired rows. Given posteriors, nothing is trained, and their rows must not have
    trained whatever the posteriors come from.

    Parameters
    ----------
    classifier : scikit-learn classifier with ``predict_proba``, optional
        Learns in place of the probes; each source and each fold gets a clone.
    n_folds : int, default 5
        At least 3.
    n_components : int or None, default 1024
        Wider layers are projected on so many principal components, without labels; None keeps all.
    level : float, default 0.95
        Of the intervals.
    scaling : {"matrix", "temperature"}
        Of posteriors, as in ``decompose``'s ``posterior``: a temperature takes them for what they say as they are, a
        matrix, shrunk towards a temperature, also finds what is in them.
    max_memory : int, default 2 GiB
        Bytes that the features may take; beyond half of it they go into a file.

    References
    ----------
    bertschinger2014, barber2003

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=2000)
    >>> sure, unsure = (np.where(y == 1, q, 1 - q) for q in (0.9, 0.6))
    >>> named = {name: np.column_stack([1 - p, p]) for name, p in (("sure", sure), ("unsure", unsure))}
    >>> result = pidkd.union_information(y, named, kind="posteriors")
    >>> low, high = result.interval
    >>> bool(low <= result.value <= high)
    True
    """

    classifier: Annotated[Any, With("predict_proba", "a scikit-learn classifier")] | None = None
    n_folds: Annotated[int, Whole(3)] = 5
    n_components: Annotated[int, Whole(1)] | None = 1024
    level: Annotated[float, Level()] = 0.95
    scaling: Literal["matrix", "temperature"] = "matrix"
    max_memory: Annotated[int, Whole(1)] = 2**31

    name = "posterior"
    measure = "BROJA's union information"
    reference = "bertschinger2014"
    accepts = (SourcePosteriors, SourceActivations)
    target = "discrete"
    exactness = "sampled"
    cross_fitted = True
    devices = ("cpu", "cuda")

    @classmethod
    def takes(cls, data: Any) -> bool:
        """Whether it can be given this input: posteriors, or activations with labels."""
        return isinstance(data, SourcePosteriors) or (isinstance(data, SourceActivations) and data.discrete_target)

    def _solver(self, data: SourcePosteriors | SourceActivations, ctx: Context) -> _HeldOut:
        seen, y = np.unique(data.y, return_inverse=True)
        fold = split(y, self.n_folds, [ctx.seed, 6], None, Argument("union_information", "y"))
        scaling = isinstance(data, SourcePosteriors) and self.scaling == "matrix"
        if isinstance(data, SourcePosteriors):
            logs = {name: as_given(p[:, seen], y) for name, p in data.sources.items()}
            how = "posteriors as given" + (", scaled" if scaling else "")
        else:
            learner = Learner(self.classifier, self.n_components, self.n_folds, self.max_memory)
            how, logs = learner.words, {}
            for name, values in data.sources.items():
                try:
                    logs[name] = learner.learn((values,), y[None], fold[None], ctx.seed, ctx.device)[0]
                except InputError as error:
                    raise error.at(Argument("union_information", name)) from error
                if ctx.progress is not None:
                    ctx.progress(len(logs) / (len(data.sources) + 1))
        return _HeldOut(HeldOutUnions(y, fold, logs, ctx.seed, scaling), how)

    def of_logs(
        self,
        y: IntArray,
        fold: IntArray,
        logs: Mapping[str, Logs],
        seed: int,
        how: str,
        groups: IntArray | None = None,
    ) -> UnionSolver:
        """A solver of the unions of posteriors that were learned before, as an audit has them of its layers."""
        return _HeldOut(HeldOutUnions(y, fold, logs, seed, False, groups), how, groups)


@dataclass(frozen=True)
class _HeldOut:
    held_out: HeldOutUnions
    how: str
    groups: IntArray | None = None

    def unions(self, subsets: Sequence[Subset]) -> list[RawUnion]:
        """Smaller subsets first, since what they earn is open to larger ones."""
        raws = {}
        for subset in sorted(subsets, key=len):
            local = self.held_out.local(subset)
            certificate = Certificate(
                -math.inf, math.inf, "bound", f"{self.how}, held out; the interval bounds it below"
            )
            raws[subset] = RawUnion(
                float(local.mean()), certificate, deviations=deviations(local, self.groups), local=local
            )
        return [raws[subset] for subset in subsets]

    def joint(self) -> RawUnion | None:
        """Not known: posteriors of single sources say nothing of all together."""
        return None
