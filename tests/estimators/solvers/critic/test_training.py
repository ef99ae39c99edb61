"""Splits, early stopping that starts from nothing, the best weights, and too little memory."""

import numpy as np
import pytest

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from pidkd.estimators.solvers.critic.bounds import nwj_terms  # noqa: E402
from pidkd.estimators.solvers.critic.networks import Critic  # noqa: E402
from pidkd.estimators.solvers.critic.training import score, splits, train  # noqa: E402


class Narrow(Critic):
    """As on a device whose memory holds the pairs of so many rows."""

    holds = 16

    def forward(self, x, y):
        if torch.is_grad_enabled() and len(x) > self.holds:
            raise torch.OutOfMemoryError("too much")
        return super().forward(x, y)


def pairs(n, seed=0):
    x, noise = torch.randn(2, n, 1, generator=torch.Generator().manual_seed(seed))
    return x, x + noise


def value(scores):
    return nwj_terms(scores).mean()


def trained(critic, objective=value, **options):
    settings = {"steps": 60, "batch_size": 64, "learning_rate": 1e-2, "patience": 3} | options
    return train(critic, objective, *pairs(128), *pairs(64, 1), rng=np.random.default_rng(0), **settings)


def critic(cls=Critic):
    torch.manual_seed(0)
    return cls("separable", np.zeros(0), 1, 1, hidden=16)


@pytest.mark.parametrize(("n", "n_folds"), [(103, 5), (103, 2), (60, 1)])
def test_a_split_has_every_row_once_and_folds_are_scored_once(n, n_folds):
    parts = list(splits(n, n_folds, np.random.default_rng(0), "here"))
    assert len(parts) == n_folds
    for part in parts:
        assert sorted(np.concatenate([part.train, part.valid, part.test])) == list(range(n))
    scored = np.concatenate([part.test for part in parts])
    assert len(np.unique(scored)) == len(scored) == (n if n_folds > 1 else n // 4)


@pytest.mark.parametrize(("n", "n_folds"), [(24, 5), (31, 5), (33, 1), (20, 2)])
def test_too_few_samples_for_a_split_are_refused(n, n_folds):
    with pytest.raises(InputError, match=rf"here: expected enough samples for 5 in each part of a split, got {n}: "):
        list(splits(n, n_folds, np.random.default_rng(0), "here"))


def test_an_objective_that_starts_below_zero_does_not_stop_training():
    record = trained(critic(), lambda scores: value(scores) - 100.0)
    assert record.best_step > 0
    assert max(record.history) > record.history[0] + 0.1


def test_the_weights_that_were_best_on_validation_rows_are_kept():
    learned = critic()
    record = trained(learned, learning_rate=0.3, steps=100, patience=5)
    assert float(value(score(learned, *pairs(64, 1)))) == pytest.approx(max(record.history), abs=1e-5)
    assert record.best_step == record.wait * int(np.argmax(record.history))
    assert record.history[-1] < max(record.history)


def test_training_stops_when_nothing_improves():
    record = trained(critic(), lambda scores: 0.0 * scores.sum(), patience=3)
    assert record.history == [0.0] * 5
    assert record.best_step == 0


def test_too_little_memory_halves_the_batch():
    record = trained(critic(Narrow))
    assert record.batch_size == 16
    assert max(record.history) > 0.05


def test_no_memory_at_all_is_said(monkeypatch):
    monkeypatch.setattr(Narrow, "holds", 1)
    with pytest.raises(InputError, match=r"device\): expected memory for a batch of 2 rows, got less"):
        trained(critic(Narrow))


def test_scores_of_many_rows_are_those_of_few():
    x, y = pairs(300)
    learned = critic()
    assert (score(learned, x, y)[200:210] == score(learned, x[200:210], y)).all()


def test_scoring_takes_fewer_rows_where_memory_is_little(monkeypatch):
    monkeypatch.setattr(torch, "is_grad_enabled", lambda: True)  # so that Narrow minds
    x, y = pairs(100)
    with torch.no_grad():
        assert (score(critic(Narrow), x, y) == critic()(x, y)).all()


def test_no_memory_to_score_is_said(monkeypatch):
    monkeypatch.setattr(torch, "is_grad_enabled", lambda: True)
    monkeypatch.setattr(Narrow, "holds", 0)
    with pytest.raises(InputError, match=r"device\): expected memory for 100 pairs, got less; lower block"):
        score(critic(Narrow), *pairs(100))
