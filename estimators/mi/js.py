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
    >>> import pidkd
    >>> from pidkd.synthetic import task
    >>> known = task("1v1-normal-0.75")  # 0.413 nats
    >>> x, y = known.sample(2_000, seed=1)
    >>> result = pidkd.mutual_information(x, y, estimator="js", units="nats", n_folds=1)
    >>> print(f"{result.value:.1f} nats")
    0.4 nats
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
