"""A density ratio that is told by a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pidkd.estimators.solvers.critic.estimator import CriticMI

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class JensenShannon(CriticMI):
    r""":math:`\mathbb{E}_{p(x,y)} f`, f the log odds by which pairs (x, y) are told from pairs of different samples.

    The log density ratio itself where the critic is perfect; no bound, but of the least variance where information is
    large. ``nwj`` gives a bound.

    Parameters
    ----------
    **params
        Those of every estimator with a trained critic: :class:`~pidkd.estimators.solvers.critic.estimator.CriticMI`.

    References
    ----------
    hjelm2019, poole2019

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2_000))
    >>> found = pidkd.mutual_information(x, x + noise, estimator="js", n_folds=1)  # half a bit
    >>> print(f"{found.value:.1f} bits")
    0.5 bits
    """

    name = "js"
    measure = "a trained critic, its log odds themselves"
    reference = "hjelm2019"
    bound = "none"

    def _terms(self, scores: Tensor) -> Tensor:
        return scores.diagonal()

    def _objective(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import jensen_shannon_objective

        return jensen_shannon_objective(scores)
