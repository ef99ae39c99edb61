"""One training loop for all critics, and the scoring of rows that took no part in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pidkd.arrays import FloatArray, IntArray
from pidkd.errors import InputError, Keyword
from pidkd.estimators.solvers.critic.networks import Critic

WAIT = 5
"""Least number of steps between two looks at the validation rows."""
SHARE_VALIDATED = 0.2
"""Of the rows that are not scored, those that say when to stop."""
TEST_FOLDS_OF_ONE_SPLIT = 4
"""One split scores a quarter of the rows."""
FEWEST_ROWS = 5
"""In each part of a split."""
ROWS_SCORED = 512
"""At a time."""


@dataclass(frozen=True)
class Split:
    """Rows to train on, to stop by, and to score."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


@dataclass
class Record:
    """History of a training run.

    ``history`` holds the objective on the validation rows, at step 0 and then every ``wait`` steps; the critic of
    ``best_step`` was kept.
    """

    wait: int
    batch_size: int
    history: list[float] = field(default_factory=list)
    best_step: int = 0


def splits(
    n: int, n_folds: int, rng: np.random.Generator, where: str, groups: IntArray | None = None
) -> Iterator[Split]:
    """Each fold is scored once, by what was trained on the others; with one fold, a quarter is scored.

    Raises
    ------
    InputError
        When there are too few rows, or groups of them, which stay together.
    """
    n_units = n if groups is None else int(groups.max()) + 1
    parts = np.array_split(rng.permutation(n_units), TEST_FOLDS_OF_ONE_SPLIT if n_folds == 1 else n_folds)
    n_valid = int(SHARE_VALIDATED * (n_units - len(parts[0])))
    if min(n_valid, len(parts[-1])) < FEWEST_ROWS:
        counts = f"{n_units - len(parts[0]) - n_valid} to train on, {n_valid} to stop by and {len(parts[-1])} to score"
        what = "samples" if groups is None else "groups"
        raise InputError(where, f"enough {what} for {FEWEST_ROWS} in each part of a split", f"{n_units}: {counts}")
    for part in parts[:n_folds]:
        others = np.concatenate([each for each in parts if each is not part])
        yield Split(*(_rows(units, groups, rng) for units in (others[n_valid:], others[:n_valid], part)))


def _rows(units: np.ndarray, groups: IntArray | None, rng: np.random.Generator) -> np.ndarray:
    """These rows, or the rows of these groups in random order."""
    return units if groups is None else rng.permutation(np.flatnonzero(np.isin(groups, units)))


def train(
    critic: Critic,
    objective: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    x_valid: Tensor,
    y_valid: Tensor,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    patience: int,
    rng: np.random.Generator,
) -> Record:
    """Maximise the objective of the scores of all pairs of a batch; keep the weights that were best on other rows.

    The validation rows are looked at once an epoch. The untrained critic takes part in the comparison, and training
    stops after ``patience`` looks without a better one. Where the device has too little memory, the batch is halved.
    """
    batch_size = min(batch_size, len(x))
    record = Record(max(WAIT, len(x) // batch_size), batch_size)
    optimiser = torch.optim.Adam(critic.parameters(), lr=learning_rate)
    best, kept, since = -math.inf, _weights(critic), 0
    for step in range(steps + 1):
        if step % record.wait == 0 or step == steps:
            value = float(objective(score(critic, x_valid, y_valid)))
            record.history.append(value)
            since += 1
            if value > best:
                best, kept, since, record.best_step = value, _weights(critic), 0, step
            if since > patience or step == steps:
                break
        rows = torch.as_tensor(rng.permutation(len(x))[: record.batch_size], device=x.device)
        while not _stepped(critic, objective, optimiser, x[rows], y[rows]):
            record.batch_size //= 2
            rows = rows[: record.batch_size]
            if record.batch_size < 2:
                raise InputError(Keyword("mutual_information", "device"), "memory for a batch of 2 rows", "less")
    critic.load_state_dict(kept)
    return record


def _stepped(
    critic: Critic, objective: Callable[[Tensor], Tensor], optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor
) -> bool:
    """One step; False where memory was too little for it."""
    optimiser.zero_grad()
    try:
        (-objective(critic(x, y))).backward()  # type: ignore[no-untyped-call]
    except torch.OutOfMemoryError:
        return False
    optimiser.step()
    return True


def _weights(critic: Critic) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in critic.state_dict().items()}


def score(critic: Critic, x: Tensor, y: Tensor, rows: int = ROWS_SCORED) -> Tensor:
    """Scores of all pairs, some rows of x a time; fewer where the device has too little memory."""
    try:
        with torch.no_grad():
            return torch.cat([critic(x[start : start + rows], y) for start in range(0, len(x), rows)])
    except torch.OutOfMemoryError as error:
        if rows == 1:
            where, expected = Keyword("mutual_information", "device"), f"memory for {len(y)} pairs"
            raise InputError(where, expected, "less", "lower block") from error
    return score(critic, x, y, rows // 2)


def as_tensor(columns: FloatArray, device: str) -> Tensor:
    """Single precision, on the device."""
    return torch.as_tensor(columns, dtype=torch.float32, device=device)
