"""Base class of the estimators with a trained critic: everything but objective and read-out."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

from pidkd.arrays import FloatArray, as_array
from pidkd.errors import Argument, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.groups import half_width, standard_error
from pidkd.mi import ContinuousPairs, MIEstimator, RawMI
from pidkd.parameters import Level, Positive, Whole

if TYPE_CHECKING:
    from torch import Tensor

    from pidkd.estimators.solvers.critic.training import Split

Kind = Literal["separable", "joint", "bilinear"]
Base = Literal["copula", "none"]

DOMINANT = 0.2
"""Of a mean of exponentials: where a single pair makes up that much, neither it nor its error is known."""


@dataclass(frozen=True)
class CriticMI(MIEstimator):
    """An estimate from a critic f(x, y) that is fitted to some rows and scored on others.

    No held-out pair is scored above all validation pairs that were drawn together: f is cut off there, for a single
    pair of a higher score would outweigh the rest. A bound holds for this f as for any other.

    Parameters
    ----------
    critic : {"separable", "joint", "bilinear"}
        A product of two networks; a network of both, which takes time and memory by all pairs; or a quadratic form.
    base : {"copula", "none"}
        What the critic starts from and adds to: the log density ratio of the Gaussian copula, or 0.
    norms : bool
        Whether the critic also sees the norms of x and of y.
    n_folds : int
        Each fold is scored by what was trained on the others; 1 trains once and scores a quarter of the samples.
    steps, patience : int
        Most steps, and looks at the validation rows, one an epoch, without a better value before it stops.
    batch_size, learning_rate, hidden
        Of training, and the width of the networks.
    block : int
        Held-out samples that are paired with each other; a larger number takes more time and memory.
    level : float
        Of the interval.
    """

    critic: Kind = "separable"
    base: Base = "copula"
    norms: bool = True
    n_folds: Annotated[int, Whole(1, 10_000)] = 5
    steps: Annotated[int, Whole(0, 10_000_000)] = 2000
    patience: Annotated[int, Whole(0, 10_000)] = 8
    batch_size: Annotated[int, Whole(2)] = 128
    learning_rate: Annotated[float, Positive(high=1e6)] = 1e-3
    hidden: Annotated[int, Whole(2, 65_536)] = 64
    block: Annotated[int, Whole(4)] = 2000
    level: Annotated[float, Level()] = 0.95

    accepts = (ContinuousPairs,)
    respects_groups = True
    exactness = "sampled"
    devices = ("cpu", "cuda")
    requires: ClassVar[dict[str, str]] = {"torch": "torch"}

    saturates: ClassVar[bool] = False
    """Whether no value is above the logarithm of the samples that are paired with each other."""
    averages_exponentials: ClassVar[bool] = False
    """Whether it depends on a mean of exponentials, in which a single pair can outweigh all others."""

    @abc.abstractmethod
    def _terms(self, scores: Tensor) -> Tensor:
        """Terms of the rows, whose mean is the value, from the scores of all pairs."""

    def _objective(self, scores: Tensor) -> Tensor:
        """Training objective; by default the value itself."""
        return self._terms(scores).mean()

    def _estimate(self, data: ContinuousPairs, ctx: Context) -> RawMI:
        from pidkd.estimators.solvers.critic.training import splits

        x, y = (
            as_array(Argument("mutual_information", name), values).reshape(data.n_samples, -1).astype(np.float64)
            for name, values in {"x": data.x, "y": data.y}.items()
        )
        parts = list(
            splits(data.n_samples, self.n_folds, ctx.generator, Argument("mutual_information", "x, y"), data.groups)
        )
        folds = [self._fold(x, y, split, ctx) for split in parts]
        terms = np.concatenate([fold["terms"] for fold in folds])
        value = float(terms.mean())
        about = np.concatenate([fold["terms"] - fold["terms"].mean() for fold in folds])
        scored = None if data.groups is None else data.groups[np.concatenate([split.test for split in parts])]
        groups = None if scored is None else np.unique(scored, return_inverse=True)[1]
        se = standard_error(about, groups)
        half = half_width(self.level, groups) * se
        concerns = list(self._concerns(value, data.n_samples, folds))
        provenance = {"folds": [{name: item for name, item in fold.items() if name != "terms"} for fold in folds]}
        return RawMI(value, se, (value - half, value + half), concerns, provenance)

    def _fold(self, x: FloatArray, y: FloatArray, split: Split, ctx: Context) -> dict[str, Any]:
        """Train on one split and score its held-out rows."""
        import torch

        from pidkd.estimators.solvers.critic.bounds import largest_share
        from pidkd.estimators.solvers.critic.networks import Critic
        from pidkd.estimators.solvers.critic.training import as_tensor, score, train
        from pidkd.estimators.solvers.critic.views import Views

        x, y = _in_own_order(x, y, split.train)
        views = Views.fit(x[split.train], y[split.train], self.base == "copula", self.norms)

        def seen(rows: np.ndarray) -> tuple[Tensor, Tensor]:
            return as_tensor(views.x(x[rows]), ctx.device), as_tensor(views.y(y[rows]), ctx.device)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(ctx.seed)
            k = len(views.correlations)
            (x_train, y_train), valid = seen(split.train), seen(split.valid[: self.block])
            critic = Critic(self.critic, views.correlations, x_train.shape[1] - k, y_train.shape[1] - k, self.hidden)
        critic.to(ctx.device)
        record = train(
            critic,
            self._objective,
            x_train,
            y_train,
            *valid,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
            rng=ctx.generator,
        )
        # No pair may be scored above all those that were seen to go together: one that is would outweigh the rest.
        most = score(critic, *valid).diagonal().max()
        n_blocks = -(-len(split.test) // self.block)
        terms, shares = [], []
        for rows in np.array_split(split.test, n_blocks):
            scores = score(critic, *seen(rows)).clamp(max=most).double()
            terms.append(self._terms(scores).cpu().numpy())
            shares.append(largest_share(scores))
        return {
            "n_train": len(split.train),
            "n_valid": len(split.valid),
            "n_test": len(split.test),
            "paired": len(split.test) // n_blocks,
            "canonical_correlations": views.correlations.tolist(),
            "best_step": record.best_step,
            "looked_every": record.wait,
            "history": record.history,
            "batch_size": record.batch_size,
            "largest_share": max(shares),
            "terms": np.concatenate(terms),
        }

    def _concerns(self, value: float, n: int, folds: list[dict[str, Any]]) -> Iterator[tuple[type[PidkdWarning], str]]:
        if value > np.log(n):
            text = f"{n} samples prove no more than about ln n = {np.log(n):.3g} nats, and the value is {value:.3g}"
            yield SmallSampleWarning, f"{self.name}: {text}"
        paired = min(fold["paired"] for fold in folds)
        if self.saturates and value > np.log(paired) - 2:
            text = f"no value is above ln {paired} = {np.log(paired):.3g} nats, and {value:.3g} is close to it"
            yield (
                SmallSampleWarning,
                f"{self.name}: {text}; pair more held-out samples: raise block, or take fewer folds",
            )
        share = max(fold["largest_share"] for fold in folds)
        if self.averages_exponentials and share > DOMINANT:
            text = f"a single pair of samples makes up {share:.0%} of a mean of exponentials"
            advice = "value and interval can be far off; more samples help, and infonce does without"
            yield SmallSampleWarning, f"{self.name}: {text}; {advice}"
        batch = min(fold["batch_size"] for fold in folds)
        if batch < min(self.batch_size, min(fold["n_train"] for fold in folds)):
            yield PidkdWarning, f"{self.name}: too little memory for batch_size={self.batch_size}, trained with {batch}"


def _in_own_order(x: FloatArray, y: FloatArray, train: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """The wider one first, or that of later ranks: I(X;Y) = I(Y;X), and training knows no such law."""
    keys = [(each.shape[1], np.argsort(each[train], axis=0, kind="stable").tobytes()) for each in (x, y)]
    return (x, y) if keys[0] >= keys[1] else (y, x)
