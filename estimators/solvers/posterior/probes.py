r"""A linear probe and a network of one hidden layer, for all folds and labellings in one batched model.

The first layers of all models are columns of one matrix, so that one product of the features serves them all; each
model weighs by zero the rows that it must not see. Both kinds are trained side by side, because which of them is better
is known only afterwards: the pool that calibrates them decides (``pool``).

Against overfitting stand, for the network, dropout and weight decay, and for both that the step which does best on the
calibrating rows is kept, of an exponential average of the weights. Where features outnumber rows this is what carries
the estimate.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pidkd.arrays import iter_chunks
from pidkd.errors import InputError, PidkdWarning
from pidkd.estimators.solvers.posterior.held_out import Logs
from pidkd.inputs import Array, IntArray

HIDDEN = 64
DROPOUT = 0.3
RATES = (1e-1, 1e-2)
"""Learning rates of the linear probe and of the network at the start; they fall along a cosine."""
WEIGHT_DECAY = 1e-2
AVERAGING = 0.98
EPOCHS = 60
MAX_STEPS = 1500
CHECKS = 40
"""How often the calibrating rows are looked at."""
PATIENCE = 12
"""Checks without a gain in any model after which training ends."""
BATCH = 512
LEAST_BATCH = 16
PIECE = 4096
"""Rows that are looked at together."""


def features(values: Any, n_components: int | None, seed: int) -> Array:
    """Standardised float32 columns; of wide layers the leading principal components, by randomised projection.

    No label enters, and the rows that are scored count only in means, scales and directions.

    Parameters
    ----------
    values : array, shape (n,) or (n, d)
    n_components : int or None
        Columns beyond which there is a projection.
    seed : int
    """
    n, d = int(values.shape[0]), math.prod(values.shape[1:])
    # The largest number is 1 and the first row 0, so that squares are finite and a constant column is exactly zero.
    largest = max(float(np.abs(chunk).max()) for _, chunk in iter_chunks(values)) or 1.0
    first = next(iter_chunks(values))[1][:1].reshape(1, -1) / largest

    def rows() -> Any:
        for _, chunk in iter_chunks(values):
            yield chunk.reshape(len(chunk), -1).astype(np.float64) / largest - first

    mean = sum(piece.sum(axis=0) for piece in rows()) / n
    scale = np.sqrt(sum(((piece - mean) ** 2).sum(axis=0) for piece in rows()) / n)
    scale[scale == 0] = 1.0

    def standardised() -> Any:
        for piece in rows():
            yield ((piece - mean) / scale).astype(np.float32)

    if n_components is None or d <= n_components:
        return np.concatenate(list(standardised()))
    width = min(n_components, n)
    start = np.random.default_rng(seed).standard_normal((d, width), dtype=np.float32)
    image = np.zeros((d, width), np.float32)
    for piece in standardised():
        image += piece.T @ (piece @ start)
    basis = np.linalg.qr(image)[0]
    projected = np.concatenate([piece @ basis for piece in standardised()])
    return np.asarray(projected / np.maximum(projected.std(axis=0).max(), 1e-30))


class Plan(NamedTuple):
    """How long, and in which pieces."""

    batch: int
    steps: int
    every: int

    @classmethod
    def of(cls, n: int) -> Plan:
        """For so many rows."""
        batch = min(n, max(64, min(BATCH, n // 8)))
        steps = min(MAX_STEPS, math.ceil(EPOCHS * n / batch))
        return cls(batch, steps, max(1, steps // CHECKS))


def probe_logs(
    x: Array,
    labels: IntArray,
    fold: IntArray,
    seed: int,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> list[Logs]:
    """Cross-fitted probes of each labelling.

    Parameters
    ----------
    x : array of float32, shape (n, d)
    labels, fold : array of int, shape (n_labellings, n)
        Every class occurs in each labelling.
    seed : int
    device : {"cpu", "cuda"}
    progress : callable, optional

    Raises
    ------
    InputError
        When there is no such device, or it cannot hold a batch of ``LEAST_BATCH`` rows.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        got = "none that torch can use"
        raise InputError("decompose(..., device)", "a CUDA device", got, "leave device at 'cpu'")
    plan = Plan.of(len(x))
    while True:
        try:
            return _train(torch, x, labels, fold, plan, seed, device, progress)
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if plan.batch // 2 < LEAST_BATCH:
                models = labels.shape[0] * (int(fold.max()) + 1)
                weights = 4 * models * x.shape[1] * (HIDDEN + int(labels.max()) + 1)
                got = f"{models} models of {x.shape[1]} features, {6 * weights / 2**30:.1f} GiB of weights"
                hint = "set n_components lower, or use device='cpu'"
                raise InputError("decompose(..., device)", "models that fit on the device", got, hint) from error
            plan = plan._replace(batch=plan.batch // 2)
            text = f"the device is out of memory: the posterior's probes go on with batches of {plan.batch} rows"
            warnings.warn(text, PidkdWarning, stacklevel=2)


def _train(
    torch: Any, x: Array, labels: IntArray, fold: IntArray, plan: Plan, seed: int, device: str, progress: Any
) -> list[Logs]:
    generator = torch.Generator().manual_seed(seed)
    (n, d), folds, k = x.shape, int(fold.max()) + 1, int(labels.max()) + 1
    m = len(labels) * folds
    rows = torch.as_tensor(x, device=device)
    y = torch.as_tensor(np.repeat(labels, folds, axis=0), device=device)
    # Of each model: the fold that it scores, and the one that calibrates it and chooses its step.
    behind = (np.repeat(fold, folds, axis=0) - np.tile(np.arange(folds), len(labels))[:, None]) % folds
    scored, held = (torch.as_tensor(behind == which, device=device) for which in (0, 1))
    fitted = (~(scored | held)).float()

    def normal(*shape: int) -> Any:
        return (torch.randn(*shape, generator=generator) / math.sqrt(d)).to(device).requires_grad_()

    def zeros(*shape: int) -> Any:
        return torch.zeros(*shape, device=device, requires_grad=True)

    linear = [zeros(d, m, k), zeros(m, 1, k)]
    network = [normal(d, m, HIDDEN), zeros(m, 1, HIDDEN), zeros(m, HIDDEN, k), zeros(m, 1, k)]
    weights = linear + network
    average, best = ([w.detach().clone() for w in weights] for _ in range(2))
    groups = [{"params": some, "lr": rate} for some, rate in zip((linear, network), RATES, strict=True)]
    optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.steps)

    def forward(part: Any, w: list[Any], drop: bool) -> Any:
        size, models = len(part), len(w[1])
        plain = (part @ w[0].reshape(d, -1)).view(size, models, k).transpose(0, 1) + w[1]
        hidden = (part @ w[2].reshape(d, -1)).view(size, models, HIDDEN).transpose(0, 1) + w[3]
        hidden = torch.nn.functional.silu(hidden)
        if drop:  # drawn on the CPU, so that it does not depend on the device, and once for all models
            kept = (torch.rand(size, HIDDEN, generator=generator) >= DROPOUT).float().to(device)
            hidden = hidden * kept / (1 - DROPOUT)
        return torch.log_softmax(torch.stack([plain, torch.baddbmm(w[5], hidden, w[4])]), dim=-1)

    def of_label(logs: Any, at: Any) -> Any:
        return logs.gather(-1, at.expand(2, *at.shape)[..., None])[..., 0]

    def calibrating(w: list[Any]) -> Any:
        """Log-likelihood of the rows that a model calibrates on, each of which only that model sees."""
        score = torch.zeros(2, m, device=device)
        for j in range(m):
            own = [v[:, j : j + 1] if layer in (0, 2) else v[j : j + 1] for layer, v in enumerate(w)]
            for part in held[j].nonzero()[:, 0].split(PIECE):
                score[:, j] += of_label(forward(rows[part], own, False), y[j : j + 1, part])[:, 0].sum(-1)
        return score

    highest = torch.full((2, m), -math.inf, device=device)
    since = 0
    order, at = torch.randperm(n, generator=generator), 0
    for step in range(plan.steps + 1):
        if step % plan.every == 0 or step == plan.steps:
            with torch.no_grad():
                score = calibrating(average)
                better = score > highest
                highest = torch.where(better, score, highest)
                for kept, new, kind in zip(best, average, (0, 0, 1, 1, 1, 1), strict=True):
                    which = better[kind].view((1, m, 1) if new.shape[0] == d and new.shape[1] == m else (m, 1, 1))
                    kept.copy_(torch.where(which, new, kept))
                since = 0 if bool(better.any()) else since + 1
            if progress is not None:
                progress(step / plan.steps)
            if step == plan.steps or since >= PATIENCE:
                break
        if at + plan.batch > n:
            order, at = torch.randperm(n, generator=generator), 0
        chosen = order[at : at + plan.batch].to(device)
        at += plan.batch
        share = fitted[:, chosen]
        logs = of_label(forward(rows[chosen], weights, True), y[:, chosen])
        loss = -(logs * share / share.sum(1, keepdim=True).clamp(min=1)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            past = min(AVERAGING, step / (step + 10))
            torch._foreach_lerp_(average, [w.detach() for w in weights], 1 - past)
    found = np.empty((2, len(labels), 2, n, k), np.float32)  # role, labelling, kind, row, class
    with torch.no_grad():
        for part in torch.arange(n, device=device).split(PIECE):
            logs = forward(rows[part], best, False).view(2, len(labels), folds, len(part), k)
            for role, mask in enumerate((held, scored)):
                # Of the models of a labelling exactly one has this role for a row.
                one = mask[:, part].view(1, len(labels), folds, len(part), 1)
                found[role][:, :, part.cpu()] = (logs * one).sum(2).transpose(0, 1).cpu().numpy()
    return [Logs(found[0, each], found[1, each]) for each in range(len(labels))]


def classifier_logs(classifiers: list[Any], x: Array, y: IntArray, fold: IntArray) -> Logs:
    """The same by scikit-learn's classifiers, of which each fold gets clones."""
    from sklearn.base import clone

    folds = int(fold.max()) + 1
    found = np.empty((2, len(classifiers), len(y), int(y.max()) + 1))
    for f in range(folds):
        behind = (fold - f) % folds
        for kind, classifier in enumerate(classifiers):
            model = clone(classifier).fit(x[behind > 1], y[behind > 1])
            for role, which in ((0, behind == 1), (1, behind == 0)):
                found[role, kind, which] = model.predict_proba(x[which])
    prior = np.bincount(y) / len(y)
    n = int((fold > 1).sum())
    q = n * found + prior  # the rule of succession, as in the pool
    return Logs(*np.log(q / q.sum(axis=-1, keepdims=True)))


def standard_classifiers(seed: int) -> list[Any]:
    """What stands for the probes where torch is not installed: a linear model and a network, as there."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier((HIDDEN,), early_stopping=True, alpha=1e-3, random_state=seed)
    return [LogisticRegression(C=0.1, max_iter=200), network]
