r"""A linear probe and a network of one hidden layer, for all folds in one batched model.

The first layers of all models are columns of one matrix, so that one product of the features serves them all; each
model weighs by zero the rows that it must not see. Both kinds are trained side by side, because which of them is better
is known only afterwards: the pool that calibrates them decides (``pool``).

Against overfitting stand, for the network, dropout and weight decay, and for both that the step which does best on the
calibrating rows is kept, of an exponential average of the weights. Where features outnumber rows this is what carries
the estimate. Every model starts from the class frequencies, so that training soon ends where there is nothing to learn,
as with shuffled labels; each labelling is trained by itself, whatever others there are.
"""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pidkd.arrays import Array, IntArray
from pidkd.errors import InputError, Keyword, PidkdWarning
from pidkd.estimators.solvers.posterior.columns import Columns, empty
from pidkd.estimators.solvers.posterior.held_out import Logs

HIDDEN = 64
DROPOUT = 0.3
WEIGHT_DECAY = 1e-2
AVERAGING = 0.98
EPOCHS = 60
MAX_STEPS = 1500
STEPS_PER_ROW = 5
"""Steps for each row that there is of a feature: with few of them, models soon know the rows by heart."""
FEW_STEPS = 400
CHECKS = 40
"""How often the calibrating rows are looked at."""
PATIENCE = 12
"""Checks without a gain in any model after which training ends."""
BATCH = 512
LEAST_BATCH = 16
PIECE = 2048
"""Rows that are looked at together; in a check each model looks at no more."""
COPIES = 10
"""Times that the weights are held: their gradients, moments, averages, the best of them, and on the way."""


def rates(d: int) -> tuple[float, float, float]:
    """Learning rates at the start of the linear probe, of the network's first layer and of its second.

    A step of Adam moves every weight alike, and the sum of d features by as much more.
    """
    return min(0.1, 2 / d), min(0.01, 0.05 / math.sqrt(d)), 0.01


def models_bytes(d: int, n_classes: int, n_folds: int) -> int:
    """Bytes that training needs beside the features."""
    return 4 * COPIES * n_folds * d * (HIDDEN + n_classes)


class Plan(NamedTuple):
    """Plan of training: epochs, batches and pieces."""

    batch: int
    steps: int
    every: int

    @classmethod
    def of(cls, n: int, d: int) -> Plan:
        """For so many rows and features."""
        batch = min(n, max(64, min(BATCH, n // 8)))
        steps = min(MAX_STEPS, math.ceil(EPOCHS * n / batch), max(FEW_STEPS, STEPS_PER_ROW * n // d))
        return cls(batch, steps, max(1, steps // CHECKS))


def probe_logs(
    x: Sequence[Columns], labels: IntArray, fold: IntArray, seed: int, device: str = "cpu", on_disk: bool = False
) -> list[Logs]:
    """Cross-fitted probes of each labelling.

    Parameters
    ----------
    x : sequence of array of float32, shape (n, d) each
        Columns of the features, side by side.
    labels, fold : array of int, shape (n_labellings, n)
        Every class occurs in each labelling.
    seed : int
    device : {"cpu", "cuda"}
    on_disk : bool, default False
        Put the posteriors into files; the numbers are the same.

    Raises
    ------
    InputError
        When there is no such device, or it cannot hold a batch of ``LEAST_BATCH`` rows.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        got = "none that torch can use"
        raise InputError(Keyword("decompose", "device"), "a CUDA device", got, "leave device at 'cpu'")
    d = sum(columns.shape[1] for columns in x)
    plan = Plan.of(labels.shape[1], d)
    while True:
        try:
            # What lies in a file stays there.
            tensors = [torch.as_tensor(one, device=device) if isinstance(one, np.ndarray) else one for one in x]
            return [_train(torch, tensors, *one, plan, seed, device, on_disk) for one in zip(labels, fold, strict=True)]
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if plan.batch // 2 < LEAST_BATCH:
                models = int(fold.max()) + 1
                weights = models_bytes(d, int(labels.max()) + 1, models)
                got = f"{models} models of {d} features, {weights / 2**30:.1f} GiB of weights"
                hint = "set n_components lower, or use device='cpu'"
                raise InputError(Keyword("decompose", "device"), "models that fit on the device", got, hint) from error
            plan = plan._replace(batch=plan.batch // 2)
            text = f"the device is out of memory: the posterior's probes go on with batches of {plan.batch} rows"
            warnings.warn(text, PidkdWarning, stacklevel=2)


MODELS = (1, 0, 1, 0, 0, 0)
"""The axis of the models in each array of weights: of the linear probe two, of the network four."""


def _train(
    torch: Any, x: list[Any], y: IntArray, fold: IntArray, plan: Plan, seed: int, device: str, on_disk: bool
) -> Logs:
    probes = _Probes(torch, x, y, fold, seed, device)
    return probes.scores(probes.fitted(plan), on_disk)


class _Probes:
    """Linear and hidden-layer classifiers of every fold, trained together.

    Model f scores fold f, and fold f + 1 calibrates it and chooses its step.
    """

    def __init__(self, torch: Any, x: list[Any], y: IntArray, fold: IntArray, seed: int, device: str) -> None:
        self.torch, self.x, self.device = torch, x, device
        self.generator = torch.Generator().manual_seed(seed)
        self.n, self.d = len(y), sum(columns.shape[1] for columns in x)
        self.n_models, self.n_classes = int(fold.max()) + 1, int(y.max()) + 1
        self.labels, self.folds = torch.tensor(y, device=device), torch.tensor(fold, device=device)
        m = self.n_models
        self.roles = [[torch.as_tensor(np.flatnonzero(fold == (f + role) % m)) for f in range(m)] for role in (1, 0)]
        self.checked = [
            rows[torch.randperm(len(rows), generator=self.generator)[:PIECE].sort().values] for rows in self.roles[0]
        ]

    def fitted(self, plan: Plan) -> list[Any]:
        """Weights of every model at its best step, of the running average over the steps."""
        torch = self.torch
        weights = self._initial_weights()
        average, best = ([w.detach().clone() for w in weights] for _ in range(2))
        paced = zip((weights[:2], weights[2:3], weights[3:]), rates(self.d), strict=True)
        groups = [{"params": group, "lr": rate} for group, rate in paced]
        optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.steps)
        highest = torch.full((2, self.n_models), -math.inf, device=self.device)
        since, at = 0, self.n
        for step in range(plan.steps + 1):
            if step % plan.every == 0 or step == plan.steps:
                highest, is_better = self._keep_better(average, best, highest)
                since = 0 if is_better else since + 1
                if step == plan.steps or since >= PATIENCE:
                    break
            if at + plan.batch > self.n:
                order, at = torch.randperm(self.n, generator=self.generator), 0
            optimiser.zero_grad()
            self._loss(order[at : at + plan.batch], weights).backward()
            at += plan.batch
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                past = min(AVERAGING, step / (step + 10))
                torch._foreach_lerp_(average, [w.detach() for w in weights], 1 - past)
        return best

    def scores(self, weights: list[Any], on_disk: bool = False) -> Logs:
        """Log posteriors of every row by the models that calibrate it and score it."""
        logs = empty((2, 2, self.n, self.n_classes), np.float32, on_disk)  # role, kind, row, class
        with self.torch.no_grad():
            for role, by_model in enumerate(self.roles):
                for f, rows in enumerate(by_model):
                    for part in rows.split(PIECE):
                        logs[role][:, part] = self._alone(weights, f, part)[:, 0].cpu().numpy()
        return Logs(logs[0], logs[1])

    def _initial_weights(self) -> list[Any]:
        """Zero but for the hidden layer, which is random, and the output biases, which are the class frequencies."""
        torch, d, m, k = self.torch, self.d, self.n_models, self.n_classes

        def zeros(*shape: int) -> Any:
            return torch.zeros(*shape, device=self.device, requires_grad=True)

        def prior() -> Any:
            return (self.labels.bincount() / self.n).log().repeat(m, 1, 1).requires_grad_()

        normal = (torch.randn(d, m, HIDDEN, generator=self.generator) / math.sqrt(d)).to(self.device).requires_grad_()
        return [zeros(d, m, k), prior(), normal, zeros(m, 1, HIDDEN), zeros(m, HIDDEN, k), prior()]

    def _keep_better(self, average: list[Any], best: list[Any], highest: Any) -> tuple[Any, bool]:
        """Replace the best weights of models whose calibration score rose; the highest scores, and whether any did."""
        torch = self.torch
        with torch.no_grad():
            scores = [
                self._of_label(self._alone(average, f, rows), rows)[:, 0].mean(-1)
                for f, rows in enumerate(self.checked)
            ]
            score = torch.stack(scores, dim=1)
            better = score > highest
            for kept, new, axis, kind in zip(best, average, MODELS, (0, 0, 1, 1, 1, 1), strict=True):
                kept.transpose(0, axis)[better[kind]] = new.transpose(0, axis)[better[kind]]
            return torch.where(better, score, highest), bool(better.any())

    def _loss(self, rows: Any, weights: list[Any]) -> Any:
        """Sum over models of the mean negative log likelihood of the rows that train them."""
        models = self.torch.arange(self.n_models, device=self.device)[:, None]
        share = ((self.folds[rows.to(self.device)] - models) % self.n_models > 1).float()
        logs = self._of_label(self._forward(self._read(rows), weights, True), rows)
        return -(logs * share / share.sum(1, keepdim=True).clamp(min=1)).sum()

    def _read(self, rows: Any) -> Any:
        blocks = [
            columns[rows.to(self.device)]
            if self.torch.is_tensor(columns)
            else self.torch.as_tensor(columns[rows.numpy()]).to(self.device)
            for columns in self.x
        ]
        return blocks[0] if len(blocks) == 1 else self.torch.cat(blocks, dim=1)

    def _forward(self, part: Any, w: list[Any], drop: bool) -> Any:
        """Log posteriors by both kinds of classifier, shape (2, n_models, n_rows, n_classes)."""
        torch, k = self.torch, self.n_classes
        first = part @ torch.cat([w[0], w[2]], dim=2).view(self.d, -1)
        first = first.view(len(part), len(w[1]), k + HIDDEN).transpose(0, 1)
        hidden = torch.nn.functional.silu(first[..., k:] + w[3])
        if drop:  # drawn on the CPU, so that it does not depend on the device, and once for all models
            kept = (torch.rand(len(part), HIDDEN, generator=self.generator) >= DROPOUT).float().to(self.device)
            hidden = hidden * kept / (1 - DROPOUT)
        logits = torch.stack([first[..., :k] + w[1], torch.baddbmm(w[5], hidden, w[4])])
        return torch.log_softmax(logits, dim=-1)

    def _of_label(self, logs: Any, rows: Any) -> Any:
        return logs.gather(-1, self.labels[rows.to(self.device)].expand(logs.shape[:-1])[..., None])[..., 0]

    def _alone(self, w: list[Any], model: int, rows: Any) -> Any:
        parts = [v.narrow(axis, model, 1) for v, axis in zip(w, MODELS, strict=True)]
        return self._forward(self._read(rows), parts, False)


def classifier_logs(classifiers: list[Any], x: Array, y: IntArray, fold: IntArray) -> Logs:
    """The same by scikit-learn's classifiers, of which each fold gets clones."""
    from sklearn.base import clone

    folds = int(fold.max()) + 1
    log_probabilities = np.empty((2, len(classifiers), len(y), int(y.max()) + 1))
    for f in range(folds):
        behind = (fold - f) % folds
        for kind, classifier in enumerate(classifiers):
            model = _fitted(clone(classifier), x[behind > 1], y[behind > 1])
            for role, which in ((0, behind == 1), (1, behind == 0)):
                log_probabilities[role, kind, which] = model.predict_proba(x[which])
    prior = np.bincount(y) / len(y)
    n = int((fold > 1).sum())
    q = n * log_probabilities + prior  # the rule of succession, as in the pool
    return Logs(*np.log(q / q.sum(axis=-1, keepdims=True)))


def _fitted(classifier: Any, x: Array, y: IntArray) -> Any:
    """The classifier, fitted, or its error in one line that names it."""
    try:
        return classifier.fit(x, y)
    except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
        got = f"{type(error).__name__}: {textwrap.shorten(str(error), 160, placeholder='...')}"
        raise InputError(
            "Posterior(classifier)", f"a classifier that learns from {x.shape[0]} rows of {x.shape[1]} columns", got
        ) from error


def standard_classifiers(seed: int) -> list[Any]:
    """Classifiers where torch is not installed: a linear model and a network, as there."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier((HIDDEN,), early_stopping=True, alpha=1e-3, random_state=seed)
    return [LogisticRegression(C=0.1, max_iter=200), network]
