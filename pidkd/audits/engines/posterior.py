"""Audits by learned posteriors: classifiers of each layer once, and of each pair.

Folds and shuffled labels depend on the labels alone and are the same for every layer. So the posteriors of a layer of
the teacher, and with them I(Y;T), are the same at every checkpoint of the student; potentials belong to a pair.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pidkd.arrays import Array, IntArray
from pidkd.audits.engine import AuditEngine, Reading, one_hot
from pidkd.audits.options import AuditOptions
from pidkd.audits.plan import AuditPlan
from pidkd.ensemble import UnionSession
from pidkd.errors import InputError
from pidkd.estimator import Context
from pidkd.estimators.solvers.posterior.held_out import Logs, pieces, together
from pidkd.files.layer import Layer
from pidkd.inputs import Codes
from pidkd.pid import PIDEstimator
from pidkd.registry import get_estimator
from pidkd.result import PIDResult
from pidkd.uncertainty import Permutation
from pidkd.uncertainty.method import QUANTITIES
from pidkd.uncertainty.sample import Rows


@runtime_checkable
class PosteriorTask(Protocol):
    """An estimator that learns posteriors of sources once and combines them many times, as ``posterior`` does."""

    n_folds: int

    def folds(self, where: str, y: Array, seed: int, groups: IntArray | None = None) -> IntArray:
        """The fold of each row; the rows of a group are in one."""

    def learn(self, values: tuple[Any, ...], labels: IntArray, fold: IntArray, ctx: Context) -> list[Logs]:
        """Cross-fitted posteriors for each of several labellings."""

    def learner(self) -> str:
        """Name of the classifiers."""

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
        """Atoms in nats, from posteriors."""


class PosteriorEngine(AuditEngine):
    """Estimators that learn posteriors of each source."""

    name = "posterior"
    in_torch = True
    shuffles = 2
    estimator: Any

    @classmethod
    def serves(cls, estimator: PIDEstimator, continuous: bool) -> bool:
        """Whether it learns posteriors, for a target of labels."""
        return not continuous and isinstance(estimator, PosteriorTask)

    def check(self, options: AuditOptions) -> None:
        """Refuse cells, and other intervals than its own; settle the device."""
        with_this = f"with estimator {self.estimator.name!r}, which has"
        self.refuse_cells(f"{with_this} folds of its own" if options.quantize is None else f"{with_this} no codes")
        if options.uncertainty is not None and options.uncertainty != "auto":
            raise self.refuse("uncertainty", f"'auto' {with_this} its own", "others")
        self.settle_device()
        self.use_max_memory()

    def prepare(self, plan: AuditPlan) -> None:
        """Draw shuffled labels, and the folds of every labelling."""
        super().prepare(plan)
        _, y = np.unique(plan.target, return_inverse=True)
        generator = np.random.default_rng([self.options.seed, 5])
        self.labels = np.stack([y, *(_shuffled(y, plan.groups, generator) for _ in range(self.n_shuffles))])
        seed = self.options.seed
        self.folds = np.stack([self.estimator.folds(plan.where, one, seed, plan.groups) for one in self.labels])

    @property
    def probe_memory(self) -> int:
        """Memory of the classifiers."""
        return int(getattr(self.estimator, "max_memory", super().probe_memory))

    def reading_bytes(self, n_layers: int) -> int:
        """Four times those of the posteriors of every layer and one pair, by two classifiers in two roles each."""
        return 4 * (n_layers + 1) * 2 * 2 * 4 * self.labels.size * (int(self.labels.max()) + 1)

    def read(self, layer: Layer, values: Any) -> Reading:
        """Posteriors of every labelling, and the probe of activations."""
        logs = self.learn(layer.where, one_hot(layer, values))
        record = {"quantizer": {"posteriors": self.estimator.learner(), "folds": self.estimator.n_folds}}
        beside = {"arrays": {"logs": logs}} if layer.is_codes else self.probed(values, logs=logs)
        return Reading(layer.where, layer, record, **beside)

    def measure(self, t: Reading, s: Reading) -> PIDResult:
        """Atoms in nats with those of every sample, and the null of shuffled labels."""
        both = self.learn(f"{t.where}, {s.where}", t.values, s.values)
        bare = Context(seed=self.options.seed)
        whole = dataclasses.replace(bare, keep=("local",), by=self.target if self.by is None else self.by)
        contexts = [whole, *[bare] * self.n_shuffles]
        result, *shuffled = (
            self.estimator.result(y, fold, Logs(*of_t), Logs(*of_s), Logs(*of_both), ctx, self.groups)
            for y, fold, of_t, of_s, of_both, ctx in zip(
                self.labels, self.folds, t.arrays["logs"], s.arrays["logs"], both, contexts, strict=True
            )
        )
        return _with_null(result, shuffled, self.options.seed)

    def values(self, reading: Reading) -> Any:
        """The values of the layer, codes as a column for each."""
        values = super().values(reading)
        return values if reading.layer is None else one_hot(reading.layer, values)

    def learn(self, where: str, *values: Any) -> Array:
        """Posteriors of every labelling, shape (n_labellings, 2, n_classifiers, n, n_classes)."""
        ctx = Context(seed=self.options.seed, device=self.options.device)
        try:
            return together(self.estimator.learn(values, self.labels, self.folds, ctx))
        except InputError as error:
            raise error.at(f"{where}, {error.where}") from error

    def unions(self, readings: Mapping[str, Reading]) -> UnionSession | None:
        """Unions of the posteriors that the layers learned, held out."""
        logs = {name: Logs(*reading.arrays["logs"][0]) for name, reading in readings.items()}
        _, y = np.unique(self.target, return_inverse=True)
        estimator: Any = get_estimator("posterior", "union")(n_folds=self.estimator.n_folds)
        solver = estimator.of_logs(y, self.folds[0], logs, self.options.seed, self.estimator.learner(), self.groups)
        return UnionSession(tuple(logs), len(y), estimator, solver)

    def answers(self, reading: Reading) -> Array:
        """The label with most probability by the classifiers, on average over them."""
        scored = Logs(*reading.arrays["logs"][0]).scored
        best = [np.exp(scored[:, rows]).mean(axis=0).argmax(axis=1) for rows in pieces(scored.shape[1])]
        answers: Array = np.unique(self.target)[np.concatenate(best)]
        return answers

    def describe(self) -> dict[str, Any]:
        """Classifiers, folds, shuffles, samples of the probe."""
        return {
            "quantizer": None,
            "posteriors": self.estimator.learner(),
            "folds": self.estimator.n_folds,
            "counted_on": len(self.target),
            "shuffles": self.n_shuffles,
            "probed_on": len(self.rows),
        }

    def layer_key(self) -> tuple[list[Any], list[Array]]:
        """Parameters, classifiers, labellings and folds."""
        settings = [self.name, self.estimator.name, self.params, self.estimator.learner()]
        arrays = [self.labels, self.folds, self.rows, *self.grouping]
        return [*settings, self.options.seed, self.options.device], arrays

    def pair_key(self) -> tuple[list[Any], list[Array]]:
        """The same: results are kept in nats, with atoms of every sample."""
        options, arrays = self.layer_key()
        return ["pair", *options], [*arrays, *([] if self.by is None else [self.by])]


def _shuffled(y: IntArray, groups: IntArray | None, generator: np.random.Generator) -> IntArray:
    """The labels in random order; of groups, each takes the labels of another of about its size."""
    if groups is None:
        return generator.permutation(y)
    sample = Rows(Codes(y, y, y, groups))
    return y[sample.exchanged(np.zeros(sample.n, dtype=np.int64), generator)]


def _with_null(result: PIDResult, shuffled: list[PIDResult], seed: int) -> PIDResult:
    """The result with the level that shuffled labels reach, recorded as ``Permutation`` does."""
    if not shuffled:
        return result
    method = Permutation(n=len(shuffled))
    values = {name: np.array([getattr(one, name) for one in shuffled]) for name in QUANTITIES}
    levels = method.levels({name: float(getattr(result, name)) for name in QUANTITIES}, values)
    settings = {"method": "Permutation", **dataclasses.asdict(method), "seed": seed, "units": result.units}
    counts = {"resamples": len(shuffled), "unusable": 0}
    record = {**settings, **counts, "mean": levels["mean"], "p_value": levels["p_value"]}
    return dataclasses.replace(result, null=levels["null"], provenance={"uncertainty": [record]})
