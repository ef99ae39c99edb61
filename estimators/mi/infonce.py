"""The bound of contrastive prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pidkd.estimators.solvers.critic.estimator import CriticMI

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InfoNCE(CriticMI):
    r""":math:`I(X;Y) \ge \mathbb{E} \log \frac{e^{f(x_i,y_i)}}{\frac1n \sum_j e^{f(x_i,y_j)}}`, f a trained critic.

    The n held-out samples, up to ``block`` of them, are paired with each other. A lower bound in expectation, whatever
    the critic, of small variance; but never above the logarithm of n.

    Parameters
    ----------
    **params
        Those of every estimator with a trained critic: :class:`~pidkd.estimators.solvers.critic.estimator.CriticMI`.

    References
    ----------
    oord2018, poole2019

    Examples
    --------
    >>> import pidkd
    >>> from pidkd.synthetic import task
    >>> known = task("1v1-normal-0.75")  # 0.413 nats
    >>> x, y = known.sample(2_000, seed=1)
    >>> result = pidkd.mutual_information(x, y, estimator="infonce", units="nats", n_folds=1)
    >>> print(f"{result.bound} bound, {result.value:.1f} nats")
    lower bound, 0.4 nats
    """

    name = "infonce"
    measure = "a trained critic, by contrast with other samples"
    reference = "oord2018"
    bound = "lower"
    saturates = True

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import infonce_terms

        return infonce_terms(scores)
