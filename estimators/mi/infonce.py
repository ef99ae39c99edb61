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
    >>> import numpy as np
    >>> import pidkd
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2_000))
    >>> found = pidkd.mutual_information(x, x + noise, estimator="infonce", n_folds=1)  # half a bit
    >>> print(f"{found.bound} bound, {found.value:.1f} bits")
    lower bound, 0.5 bits
    """

    name = "infonce"
    measure = "a trained critic, by contrast with other samples"
    reference = "oord2018"
    bound = "lower"
    saturates = True

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import infonce_terms

        return infonce_terms(scores)
