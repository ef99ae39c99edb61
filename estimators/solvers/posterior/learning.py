"""Learners of posteriors of layers: the probes, or a classifier of the user."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from pidkd.arrays import Array, FloatArray, IntArray, as_array
from pidkd.errors import Argument, InputError, Keyword, Parameter
from pidkd.estimators.solvers.posterior.classifiers import classifier_logs, standard_classifiers
from pidkd.estimators.solvers.posterior.columns import columns_of, features, projection_bytes
from pidkd.estimators.solvers.posterior.held_out import Logs
from pidkd.estimators.solvers.posterior.pool import smoothed
from pidkd.estimators.solvers.posterior.probes import models_bytes, probe_logs

NEVER = 2**40
"""What posteriors as given rule out is taken for this rare until they are calibrated: its logarithm must be finite."""


@dataclass(frozen=True)
class Learner:
    """Cross-fitted classifiers of layers.

    Parameters
    ----------
    classifier : scikit-learn classifier, or None for the probes
    n_components : int or None
        Columns beyond which a layer is projected.
    n_folds : int
    max_memory : int
        Bytes.
    """

    classifier: Any
    n_components: int | None
    n_folds: int
    max_memory: int

    @property
    def words(self) -> str:
        """Name of what learns the posteriors."""
        if self.classifier is not None:
            return type(self.classifier).__name__
        return "probes in torch" if find_spec("torch") else "probes in scikit-learn"

    def learn(self, values: tuple[Any, ...], labels: IntArray, fold: IntArray, seed: int, device: str) -> list[Logs]:
        """Classifiers of the layers ``values`` together, for each of several labellings of the rows.

        Parameters
        ----------
        values : tuple of array, shape (n,) or (n, d)
        labels, fold : array of int, shape (n_labellings, n)
        seed : int
        device : {"cpu", "cuda"}

        Raises
        ------
        InputError
            When the memory or the device does not allow it.
        """
        own, n = self.classifier is not None, labels.shape[1]
        n_components = None if own else self.n_components
        width = sum(columns_of(one, n_components) for one in values)
        projections = [projection_bytes(one, n_components) for one in values]
        if own or not find_spec("torch"):
            if device != "cpu":
                got = "a scikit-learn classifier" if own else "an environment without torch"
                raise InputError(Keyword("decompose", "device"), f"torch on device {device!r}", got)
            self._check_memory(width, 2 * 4 * n * width, *projections)
            if own:
                features_of = [as_array(Argument("decompose", "y, t, s"), one).reshape(n, -1) for one in values]
            else:
                features_of = [np.asarray(features(one, n_components, seed)) for one in values]
            classifiers = [self.classifier] if own else standard_classifiers(seed)
            x: Array = np.concatenate(features_of, axis=1)
            return [classifier_logs(classifiers, x, *one) for one in zip(labels, fold, strict=True)]
        models = models_bytes(width, int(labels.max()) + 1, self.n_folds)
        self._check_memory(width, 2 * models, *projections)
        on_disk = 2 * 4 * n * width > self.max_memory
        columns = [features(one, n_components, seed, on_disk) for one in values]
        logs_on_disk = 4 * 2 * 2 * 4 * labels.size * (int(labels.max()) + 1) > self.max_memory
        return probe_logs(columns, labels, fold, seed, device, logs_on_disk)

    def _check_memory(self, width: int, *needed: int) -> None:
        """Refuse what does not fit."""
        if (least := max(needed)) > self.max_memory:
            got = f"{self.max_memory}; raise it, or keep fewer n_components; codes (broja, kmeans) are made in pieces"
            raise InputError(Parameter("posterior", "max_memory"), f"at least {least} bytes for {width} features", got)


def as_given(p: FloatArray, y: IntArray) -> Logs:
    """Posteriors that nothing here was fitted to: the same for calibrating and for scoring."""
    prior = np.bincount(y) / len(y)
    logs = np.log(smoothed(p, prior, NEVER))[None]
    return Logs(logs, logs)
