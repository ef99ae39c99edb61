"""The bound of Nguyen, Wainwright and Jordan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pidkd.estimators.solvers.critic.estimator import CriticMI

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class NWJ(CriticMI):
    r""":math:`I(X;Y) \ge \mathbb{E}_{p(x,y)} f - \mathbb{E}_{p(x)p(y)} e^f + 1`, f a critic trained on other samples.

    A lower bound in expectation, whatever the critic. Its variance grows with the exponential of the information: a
    sample warns of it when single pairs make up the second mean.

    Parameters
    ----------
    **params
        Those of every estimator with a trained critic: :class:`~pidkd.estimators.solvers.critic.estimator.CriticMI`.

    References
    ----------
    nguyen2010, mcallester2020

    Examples
    --------
    >>> import pidkd
    >>> from pidkd.synthetic import task
    >>> known = task("1v1-normal-0.75")  # 0.413 nats
    >>> x, y = known.sample(2_000, seed=1)
    >>> result = pidkd.mutual_information(x, y, estimator="nwj", units="nats", n_folds=1)
    >>> print(f"{result.bound} bound, {result.value:.1f} nats")
    lower bound, 0.4 nats
    """

    name = "nwj"
    measure = "a trained critic, by the bound that is linear in p(x)p(y)"
    reference = "nguyen2010"
    bound = "lower"
    averages_exponentials = True

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import nwj_terms

        return nwj_terms(scores)
