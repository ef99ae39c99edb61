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
    >>> import numpy as np
    >>> import pidkd
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 2_000))
    >>> found = pidkd.mutual_information(x, x + noise, estimator="nwj", n_folds=1)  # half a bit
    >>> print(f"{found.bound} bound, {found.value:.1f} bits")
    lower bound, 0.5 bits
    """

    name = "nwj"
    measure = "a trained critic, by the bound that is linear in p(x)p(y)"
    reference = "nguyen2010"
    bound = "lower"
    averages_exponentials = True

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import nwj_terms

        return nwj_terms(scores)
