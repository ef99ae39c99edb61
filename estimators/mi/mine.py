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
    >>> import numpy as np
    >>> import pidkd
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2_000))
    >>> found = pidkd.mutual_information(x, x + noise, estimator="mine", n_folds=1)  # half a bit
    >>> print(f"{found.bound} bound, {found.value:.1f} bits")
    lower bound, 0.5 bits
    """

    name = "mine"
    measure = "a trained critic, by the bound of Donsker and Varadhan"
    reference = "belghazi2018"
    bound = "lower"
    averages_exponentials = True

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import donsker_varadhan_terms

        return donsker_varadhan_terms(scores)
