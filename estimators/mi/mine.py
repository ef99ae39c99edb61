"""The bound of Donsker and Varadhan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pidkd.estimators.solvers.critic.estimator import CriticMI

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MINE(CriticMI):
    r""":math:`I(X;Y) \ge \mathbb{E}_{p(x,y)} f - \log \mathbb{E}_{p(x)p(y)} e^f`, f a critic trained on other samples.

    A lower bound in the limit of many held-out samples: the logarithm of a mean of few is too low on average, and so
    the value too high. Its variance grows with the exponential of the information. Training takes the second mean over
    all pairs of a batch, which is what the moving average of the reference is for.

    Parameters
    ----------
    **params
        Those of every estimator with a trained critic: :class:`~pidkd.estimators.solvers.critic.estimator.CriticMI`.

    References
    ----------
    belghazi2018, mcallester2020

    Examples
    --------
    >>> import pidkd
    >>> from pidkd.synthetic import task
    >>> known = task("1v1-normal-0.75")  # 0.413 nats
    >>> x, y = known.sample(2_000, seed=1)
    >>> result = pidkd.mutual_information(x, y, estimator="mine", units="nats", n_folds=1)
    >>> print(f"{result.bound} bound, {result.value:.1f} nats")
    lower bound, 0.4 nats
    """

    name = "mine"
    measure = "a trained critic, by the bound of Donsker and Varadhan"
    reference = "belghazi2018"
    bound = "lower"
    averages_exponentials = True

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import donsker_varadhan_terms

        return donsker_varadhan_terms(scores)
