r"""A linear probe and a network of one hidden layer, for all folds in one batched model.

A batch has equally many rows of each fold, those of a fold side by side, so that the rows that a model may see lie in
one piece and all models go through one batched product without copies of their own. Both kinds are trained side by
side, because which of them is better is known only afterwards: the pool that calibrates them decides (``pool``). A
network that does far worse than it did on the calibrating rows leaves the linear probe, a ninth of the work, alone.

Against overfitting stand, for the network, dropout and weight decay, and for both that the step which does best on the
calibrating rows is kept, of an exponential average of the weights. Where features outnumber rows this is what carries
the estimate. Every model starts from the class frequencies, so that training soon ends where there is nothing to learn,
as with shuffled labels; each labelling is trained by itself, whatever others there are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pidkd.arrays import Array, IntArray
from pidkd.errors import InputError, Keyword, PidkdWarning
from pidkd.estimators.solvers.posterior.columns import empty
from pidkd.estimators.solvers.posterior.held_out import Logs
from pidkd.mapping import release

HIDDEN = 64
DROPOUT = 0.3
WEIGHT_DECAY = 1e-2
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Of Adam."""
AVERAGING = 0.98
EPOCHS = 60
MAX_STEPS = 1500
STEPS_PER_ROW = 5
"""Steps for each row that there is of a feature: with few of them, models soon know the rows by heart."""
FEW_STEPS = 400
CHECKS = 40
"""How often the calibrating rows are looked at."""
PATIENCE, GAIN = 12, 5e-4
"""Checks after which training ends, where neither kind of model gained so many nats on average over the folds. Parities
show after ten checks without a gain."""
LOSS = 0.1
"""Nats below its best, on average over the folds, at which a kind of model ends sooner: it knows the rows by heart."""
BATCH, SMALL_BATCH, LEAST_BATCH = 512, 256, 16
"""Rows in a step; the small batch is for the few steps of wide layers, which learn as much from it."""
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
    """Plan of training: rows of a batch, steps, and those between two checks."""

    batch: int
    steps: int
    every: int

    @property
    def checked(self) -> int:
        """Most rows that a check reads, of all models: as many as the steps before it, so that it costs a sixth."""
        return self.batch * self.every

    @classmethod
    def of(cls, n: int, d: int) -> Plan:
        """For so many rows and features."""
        of_rows = STEPS_PER_ROW * n // d
        batch = min(n, max(64, min(BATCH if of_rows > FEW_STEPS else SMALL_BATCH, n // 8)))
        steps = min(MAX_STEPS, math.ceil(EPOCHS * n / batch), max(FEW_STEPS, of_rows))
        return cls(batch, steps, max(1, steps // CHECKS))


def probe_logs(
    x: Sequence[Array], labels: IntArray, fold: IntArray, seed: int, device: str = "cpu", on_disk: bool = False
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
            tensors = [one if isinstance(one, np.memmap) else torch.as_tensor(one, device=device) for one in x]
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


def _train(
    torch: Any, x: list[Any], y: IntArray, fold: IntArray, plan: Plan, seed: int, device: str, on_disk: bool
) -> Logs:
    probes = _Probes(torch, x, y, fold, seed, device)
    return probes.scores(*probes.fitted(plan), on_disk)


class _Weights:
    """Weights of every model in one array, a row for each, or numbers that belong to them.

    Attributes
    ----------
    flat : tensor, shape (n_models, n_weights)
    first, shift : tensor, shape (n_models, n_classes + n_hidden, d) and (n_models, n_classes + n_hidden, 1)
        Of the linear probe, and below it of the network's first layer.
    second, prior : tensor, shape (n_models, n_classes, n_hidden) and (n_models, n_classes, 1)
        Of the network's second layer.
    n_hidden : int
        0 for the linear probe alone.
    """

    def __init__(self, flat: Any, d: int, n_classes: int, n_hidden: int = HIDDEN) -> None:
        m, rows = len(flat), n_classes + n_hidden
        self.flat, self.n_hidden = flat, n_hidden
        self.parts = flat.split([rows * d, rows, n_classes * n_hidden, n_classes], dim=1)
        shapes = (rows, d), (rows, 1), (n_classes, n_hidden), (n_classes, 1)
        self.first, self.shift, self.second, self.prior = (
            part.view(m, *shape) for part, shape in zip(self.parts, shapes, strict=True)
        )
        self.of_kind = [[self.first[:, :n_classes], self.shift[:, :n_classes]]]
        self.of_kind += [[self.first[:, n_classes:], self.shift[:, n_classes:], self.second, self.prior]]

    @staticmethod
    def number(d: int, n_classes: int) -> int:
        """Weights of a model."""
        return (n_classes + HIDDEN) * (d + 1) + n_classes * (HIDDEN + 1)

    def of(self, flat: Any) -> _Weights:
        """Other numbers that belong to these weights."""
        return _Weights(flat, self.first.shape[2], self.prior.shape[1], self.n_hidden)

    def linear(self, torch: Any) -> _Weights:
        """A copy of those of the linear probe."""
        parts = [part.flatten(1) for part in (*self.of_kind[0], self.prior)]
        return _Weights(torch.cat(parts, dim=1), self.first.shape[2], self.prior.shape[1], 0)


class _AdamW:
    """Descent by Adam with decoupled weight decay, in place, with a rate for each weight."""

    def __init__(self, torch: Any, weights: _Weights, rate: _Weights) -> None:
        self.torch, self.weights, self.rate, self.steps = torch, weights, rate, 0
        self.average = weights.of(weights.flat.clone())
        self.slopes, self.mean, self.square = (weights.of(torch.zeros_like(weights.flat)) for _ in range(3))

    def step(self, pace: float) -> None:
        """Take a step down the slopes, at ``pace`` times the rates."""
        past = min(AVERAGING, self.steps / (self.steps + 10))
        self.steps += 1
        of_mean, of_square = 1 - BETAS[0] ** self.steps, math.sqrt(1 - BETAS[1] ** self.steps)
        rate = self.rate.flat
        weights, slopes, mean, square = (one.flat for one in (self.weights, self.slopes, self.mean, self.square))
        mean.lerp_(slopes, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(slopes, slopes, value=1 - BETAS[1])
        change = square.sqrt().add_(EPSILON * of_square)
        self.torch.div(mean, change, out=change)
        weights.addcmul_(weights, rate, value=-pace * WEIGHT_DECAY)
        weights.addcmul_(change, rate, value=-pace * of_square / of_mean)
        self.average.flat.lerp_(weights, 1 - past)

    def leave_network(self) -> None:
        """Go on with the linear probe alone."""
        for name in ("weights", "rate", "average", "slopes", "mean", "square"):
            setattr(self, name, getattr(self, name).linear(self.torch))


class _Probes:
    """Linear and hidden-layer classifiers of every fold, trained together.

    Model f scores fold f, and fold f + 1 calibrates it and chooses its step.
    """

    def __init__(self, torch: Any, x: list[Any], y: IntArray, fold: IntArray, seed: int, device: str) -> None:
        self.torch, self.x, self.device = torch, x, device
        self.generator = torch.Generator().manual_seed(seed)
        self.n, self.d = len(y), sum(columns.shape[1] for columns in x)
        self.n_models, self.n_classes = int(fold.max()) + 1, int(y.max()) + 1
        self.labels = torch.tensor(y, device=device)
        self.prior = (self.labels.bincount() / self.n).log()
        self.members = [torch.as_tensor(np.flatnonzero(fold == f)) for f in range(self.n_models)]
        self.roles = [self.members[1:] + self.members[:1], self.members]

    def fitted(self, plan: Plan) -> tuple[_Weights, Any]:
        """Weights of every model at its best step, of the running average over the steps.

        Also whether that is not the start, for each kind and model, shape (2, n_models).
        """
        torch = self.torch
        checked = [self._some(rows, min(PIECE, plan.checked // self.n_models)) for rows in self.roles[0]]
        descent = _AdamW(torch, self._initial_weights(), self._rates())
        best = descent.weights.of(descent.weights.flat.clone())
        start = torch.stack([self.prior[self.labels[rows.to(self.device)]].mean() for rows in checked]).expand(2, -1)
        highest, reached, since = start, start.mean(dim=1), 0
        batches = self._batches(plan.batch)
        for step in range(1, plan.steps + 1):
            self._slopes(next(batches), descent.weights, descent.slopes)
            descent.step((1 + math.cos(math.pi * (step - 1) / plan.steps)) / 2)
            if step % plan.every and step < plan.steps:
                continue
            score = self._keep_better(descent.average, best, highest, checked)
            highest, since = torch.maximum(highest, score), since + 1
            if (highest.mean(dim=1) > reached + GAIN).any():
                since, reached = 0, highest.mean(dim=1)
            linear_is_worse, network_is_worse = (score.mean(dim=1) < reached - LOSS).tolist()
            if since >= PATIENCE or (linear_is_worse and network_is_worse):
                break
            if network_is_worse and descent.weights.n_hidden:
                descent.leave_network()
        return best, highest > start

    def scores(self, weights: _Weights, is_trained: Any, on_disk: bool = False) -> Logs:
        """Log posteriors of every row by the models that calibrate it and score it."""
        logs = empty((2, 2, self.n, self.n_classes), np.float32, on_disk)  # role, kind, row, class
        trained = is_trained.any(dim=0).tolist()
        for role, by_model in enumerate(self.roles):
            for f, rows in enumerate(by_model):
                for part in rows.split(PIECE):
                    values = self._alone(weights, f, part).transpose(1, 2) if trained[f] else self.prior
                    logs[role][:, part] = values.cpu().numpy()
                release()
        return Logs(logs[0], logs[1])

    def _some(self, rows: Any, most: int) -> Any:
        """So many of the rows, at the most, in rising order."""
        return rows[self.torch.randperm(len(rows), generator=self.generator)[:most].sort().values]

    def _initial_weights(self) -> _Weights:
        """Zero but for the hidden layer, which is random, and the output shifts, which are the class frequencies."""
        torch, d, k = self.torch, self.d, self.n_classes
        weights = _Weights(torch.zeros(self.n_models, _Weights.number(d, k), device=self.device), d, k)
        normal = torch.randn(self.n_models, HIDDEN, d, generator=self.generator) / math.sqrt(d)
        weights.first[:, k:] = normal.to(self.device)
        weights.shift[:, :k] = weights.prior[:] = self.prior[:, None]
        return weights

    def _keep_better(self, average: _Weights, best: _Weights, highest: Any, checked: list[Any]) -> Any:
        """Replace the best weights of models whose calibration score rose; the scores, shape (2, n_models)."""
        score = self.torch.empty_like(highest)
        for f, rows in enumerate(checked):
            of_label = self.labels[rows.to(self.device)].expand(2, 1, -1)
            score[:, f] = self._alone(average, f, rows).gather(1, of_label).mean(dim=(1, 2))
        if average.n_hidden == 0:
            score[1] = -math.inf
        better = score > highest
        for is_better, kept, new in zip(better, best.of_kind, average.of_kind, strict=True):
            for one, other in zip(kept, new, strict=True):
                if is_better.any():
                    one[is_better] = other[is_better]
        return score

    def _batches(self, size: int) -> Iterator[Any]:
        """Rows of batches of about ``size``, as many of each fold, for ever: of folds 2, 3 and so on, in turn.

        Those of the folds f + 2 and later, which train model f, lie side by side: ``_seen`` makes them out.
        """
        torch, m = self.torch, self.n_models
        least = min(map(len, self.members))
        share = max(1, min(size // m, least))
        turn = [at % m for at in range(2, 2 * m - 1)]
        while True:
            order = torch.stack([self._shuffled(rows)[:least] for rows in self.members])[turn]
            for at in range(0, least - share + 1, share):
                yield order[:, at : at + share].flatten()

    def _shuffled(self, rows: Any) -> Any:
        return rows[self.torch.randperm(len(rows), generator=self.generator)]

    def _seen(self, values: Any) -> Any:
        """Values of the rows that train each model, shape (n_models, n_rows, ...): views of those of a batch."""
        m, strides = self.n_models, values.stride()
        share = len(values) // (2 * m - 3)
        return values.as_strided((m, (m - 2) * share, *values.shape[1:]), (share * strides[0], *strides))

    def _slopes(self, rows: Any, w: _Weights, slopes: _Weights) -> None:
        """Slopes of the mean negative log likelihood of the rows of a batch that train each model, by the chain rule.

        Rows are last in every array, so that each operation runs over contiguous numbers.
        """
        torch, k = self.torch, self.n_classes
        x = self._seen(self._read(rows))
        label = self._seen(self.labels[rows.to(self.device)])[:, None]
        first = torch.baddbmm(w.shift, w.first, x.transpose(1, 2))
        n_rows = x.shape[1]
        # Drawn on the CPU, so that it does not depend on the device, and once for all models.
        kept = (torch.rand(w.n_hidden, n_rows, generator=self.generator) >= DROPOUT).float().to(self.device)
        kept /= 1 - DROPOUT
        gate = torch.sigmoid(first[:, k:])
        hidden = first[:, k:] * gate
        used = hidden * kept
        share = torch.stack([first[:, :k], torch.baddbmm(w.prior, w.second, used)]).softmax(dim=2)
        share.scatter_add_(2, label.expand(2, -1, 1, -1), share.new_full((), -1.0).expand(2, *label.shape))
        share /= n_rows
        torch.bmm(share[1], used.transpose(1, 2), out=slopes.second)
        torch.sum(share[1], dim=2, keepdim=True, out=slopes.prior)
        back = torch.bmm(w.second.transpose(1, 2), share[1]).mul_(kept)
        first[:, :k] = share[0]
        first[:, k:] = back.mul_(gate.addcmul_(hidden, 1 - gate))  # the slope of x sigmoid(x)
        torch.bmm(first, x, out=slopes.first)
        torch.sum(first, dim=2, keepdim=True, out=slopes.shift)

    def _rates(self) -> _Weights:
        """Learning rate of each weight at the start, one for all models."""
        linear, hidden, output = rates(self.d)
        flat = self.torch.full((1, _Weights.number(self.d, self.n_classes)), output, device=self.device)
        of_weight, k = _Weights(flat, self.d, self.n_classes), self.n_classes
        of_weight.first[:, :k] = of_weight.shift[:, :k] = linear
        of_weight.first[:, k:] = hidden
        return of_weight

    def _read(self, rows: Any) -> Any:
        """Features of the rows, shape (n_rows, d)."""
        torch = self.torch
        blocks = []
        for columns in self.x:
            if torch.is_tensor(columns):
                blocks.append(columns.index_select(0, rows.to(self.device)))
            else:  # each row is read once
                which, place = rows.unique(return_inverse=True)
                read = torch.as_tensor(columns[which.numpy()]).to(self.device)
                blocks.append(read.index_select(0, place.to(self.device)))
                release()
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=1)

    def _alone(self, w: _Weights, model: int, rows: Any) -> Any:
        """Log posteriors of rows by both classifiers of one model, shape (2, n_classes, n_rows)."""
        torch, k = self.torch, self.n_classes
        first = torch.addmm(w.shift[model], w.first[model], self._read(rows).T)
        hidden = torch.nn.functional.silu(first[k:])
        return torch.stack([first[:k], torch.addmm(w.prior[model], w.second[model], hidden)]).log_softmax(dim=1)
