"""The bound of Donsker and Varadhan, clipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pidkd.estimators.solvers.critic.estimator import CriticMI
from pidkd.parameters import Positive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SMILE(CriticMI):
    r""":math:`\mathbb{E}_{p(x,y)} f - \log \mathbb{E}_{p(x)p(y)}\, e^{\max(-\tau, \min(f, \tau))}`, f as for ``js``.

    Clipping keeps the variance low and makes it no bound: where f is large it is too high, by up to :math:`\tau`.

    Parameters
    ----------
    tau : float
        Where exponents are clipped; infinity clips none.
    **params
        Those of every estimator with a trained critic: :class:`~pidkd.estimators.solvers.critic.estimator.CriticMI`.

    References
    ----------
    song2020

    Examples
    --------
    >>> import pidkd
    >>> from pidkd.synthetic import task
    >>> known = task("1v1-normal-0.75")  # 0.413 nats
    >>> x, y = known.sample(2_000, seed=1)
    >>> result = pidkd.mutual_information(x, y, estimator="smile", units="nats", n_folds=1)
    >>> print(f"{result.value:.1f} nats")
    0.4 nats
    """

    tau: Annotated[float, Positive(ends="(]")] = 5.0

    name = "smile"
    measure = "a trained critic, by the clipped bound of Donsker and Varadhan"
    reference = "song2020"
    bound = "none"

    def _terms(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import donsker_varadhan_terms

        return donsker_varadhan_terms(scores, self.tau)

    def _objective(self, scores: Tensor) -> Tensor:
        from pidkd.estimators.solvers.critic.bounds import jensen_shannon_objective

        return jensen_shannon_objective(scores)
