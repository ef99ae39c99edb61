"""What holds for every estimator with a trained critic."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError, PidkdWarning, SmallSampleWarning
from pidkd.synthetic import sparse_normal, spiral, student, swissroll, task

torch = pytest.importorskip("torch")

TRAINED = ["nwj", "infonce", "mine", "js", "smile"]
SHORT = {"steps": 20, "n_folds": 2}


def run(x, y, estimator="nwj", **options):
    return pidkd.mutual_information(x, y, estimator=estimator, units="nats", **options)


@pytest.mark.parametrize("name", TRAINED)
def test_normal_variables(name):
    known = sparse_normal(3, 2, rho=0.7)
    found = run(*known.sample(1500), name, **SHORT)
    assert found.value == pytest.approx(known.mi, abs=3 * found.se + 0.02)
    assert found.interval == pytest.approx((found.value - 1.96 * found.se, found.value + 1.96 * found.se), abs=1e-4)
    assert found.bound == ("lower" if name in ("nwj", "infonce", "mine") else "none")


@pytest.mark.parametrize("name", TRAINED)
def test_independent_noise_is_worth_nothing(name):
    x, y = np.random.default_rng(3).normal(size=(2, 600, 4))
    found = run(x, y, name, **SHORT)
    assert found.interval[0] <= 0
    assert found.value < 0.03


@pytest.mark.parametrize("critic", ["separable", "joint", "bilinear"])
def test_what_is_not_linear_in_normal_scores_is_learned(critic):
    x = np.random.default_rng(0).normal(size=(400, 1))
    y = x**2 + 0.1 * np.random.default_rng(1).normal(size=(400, 1))
    found = run(x, y, critic=critic, learning_rate=5e-3, steps=200, n_folds=1)
    assert found.value > (0.6 if critic != "bilinear" else 0.3)  # of the norm, a bilinear form sees the rank


def test_provenance_says_how_it_was_trained():
    found = run(*task("1v1-normal-0.75").sample(400), n_folds=2, steps=100)
    folds = found.provenance["folds"]
    assert [fold["n_train"] + fold["n_valid"] + fold["n_test"] for fold in folds] == [400, 400]
    for fold in folds:
        assert fold["best_step"] == fold["looked_every"] * int(np.argmax(fold["history"]))
        assert len(fold["canonical_correlations"]) == 1


def test_nothing_is_fitted_to_the_rows_that_are_scored():
    """The rows that one split scores are other ones, far off: what was trained is the same."""
    x, y = task("multinormal-sparse-5-5").sample(400)
    before = run(x, y, n_folds=1, steps=50).provenance["folds"][0]
    scored = np.array_split(np.random.default_rng(0).permutation(400), 4)[0]
    x[scored], y[scored] = 1e3 + 5 * x[scored], -(y[scored] ** 3)
    after = run(x, y, n_folds=1, steps=50).provenance["folds"][0]
    assert after["history"] == before["history"]
    assert after["canonical_correlations"] == before["canonical_correlations"]


def test_constant_columns_and_copies_give_finite_values():
    x = np.random.default_rng(0).normal(size=(300, 2))
    constant = np.hstack([x, np.full((300, 1), 0.5)])
    assert run(constant, x[:, :1] + 1.0, **SHORT).value > 2.0
    assert run(np.full((300, 1), 0.5), x, **SHORT).value == pytest.approx(0.0, abs=0.02)


def test_a_batch_larger_than_the_training_rows_is_all_of_them():
    x, y = task("1v1-normal-0.75").sample(300)
    assert run(x, y, batch_size=10**6, **SHORT).provenance["folds"][0]["batch_size"] == 120


def test_blocks_cover_every_row():
    x, y = task("1v1-normal-0.75").sample(300)
    whole, parts = run(x, y, **SHORT), run(x, y, block=40, **SHORT)
    assert parts.provenance["folds"][0]["paired"] >= 37
    assert parts.value == pytest.approx(whole.value, abs=0.05)


def test_prints_nothing(capsys):
    run(*task("1v1-normal-0.75").sample(100), **SHORT)
    assert capsys.readouterr() == ("", "")


def test_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(*task("1v1-normal-0.75").sample(100), **SHORT)
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"critic": "separabel"}, InputError, r"nwj\(critic=...\): expected one of 'separable', .* got 'separabel'"),
        ({"base": "gaussian"}, InputError, r"nwj\(base=...\): expected one of 'copula', 'none', got 'gaussian'"),
        ({"n_folds": 0}, InputError, r"nwj\(n_folds=...\): expected a whole number from 1 to 10,000, got 0"),
        ({"batch_size": 1}, InputError, r"nwj\(batch_size=...\): expected a whole number >= 2, got 1"),
        ({"block": 2.5}, InputError, r"nwj\(block=...\): expected a whole number >= 4, got 2.5"),
        ({"learning_rate": 0.0}, InputError, r"nwj\(learning_rate=...\): expected a number in \(0, 1e\+06\), got 0"),
        ({"level": 95}, InputError, r"nwj\(level=...\): expected a probability between 0 and 1, got 95"),
    ],
)
def test_bad_parameters_are_refused(params, error, message):
    with pytest.raises(error, match=message):
        run(*task("1v1-normal-0.75").sample(100), **params)


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match=r"mutual_information\(x, y\): expected enough samples for 5 .* got 12: "):
        run(*task("1v1-normal-0.75").sample(12))


def test_cuda_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    x, y = task("1v1-normal-0.75").sample(100)
    with pytest.raises(
        InputError,
        match=r"mutual_information\(..., device\): .* or a machine with CUDA, got 'cuda', and torch finds none",
    ):
        run(x, y, device="cuda")
    assert run(x, y, device="auto", **SHORT).value == run(x, y, **SHORT).value


def test_too_little_memory_is_said(monkeypatch):
    from pidkd.estimators.solvers.critic.networks import Critic

    whole = Critic.forward

    def narrow(self, x, y):
        if torch.is_grad_enabled() and len(x) > 32:
            raise torch.OutOfMemoryError("too much")
        return whole(self, x, y)

    monkeypatch.setattr(Critic, "forward", narrow)
    with pytest.warns(PidkdWarning, match="nwj: too little memory for batch_size=128, trained with 30"):
        found = run(*task("1v1-normal-0.75").sample(300), **SHORT)
    assert found.warnings == ("nwj: too little memory for batch_size=128, trained with 30",)


def test_more_than_the_samples_can_prove_is_said():
    x = np.random.default_rng(0).normal(size=(60, 8))
    with pytest.warns(SmallSampleWarning, match=r"js: 60 samples prove no more than about ln n = 4.09 nats"):
        run(x, x + 1e-3 * x[::-1], "js", steps=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nwj", "infonce", "mine"])
@pytest.mark.parametrize(
    "known", [task("1v1-normal-0.75"), sparse_normal(5, 5), swissroll(sparse_normal(1, 1, 0.75, 1)), student(2, 2, 2)]
)
def test_intervals_of_bounds_are_above_the_truth_no_more_often_than_their_level_allows(name, known):
    lows = [run(*known.sample(300, seed), name, seed=seed, steps=200, n_folds=2).interval[0] for seed in range(40)]
    assert np.mean(np.array(lows) > known.mi) <= 0.025 + 3 * np.sqrt(0.025 / 40)


@pytest.mark.slow
def test_norms_help_where_variables_share_their_radius():
    x, y = student(5, 5, df=2).sample(3000)
    with_norms, without = (run(x, y, norms=norms, n_folds=1) for norms in (True, False))
    assert with_norms.value > without.value + 0.01  # of the same rows


@pytest.mark.slow
def test_a_spiral_is_unrolled_beyond_what_is_linear():
    x, y = spiral(sparse_normal(5, 5)).sample(5000)
    assert run(x, y, n_folds=1).value > run(x, y, n_folds=1, steps=0).value + 0.2


@pytest.mark.gpu
@pytest.mark.parametrize("name", TRAINED)
def test_an_accelerator_finds_the_same(name):
    x, y = task("multinormal-sparse-5-5").sample(2000)
    here, there = (run(x, y, name, device=device, n_folds=2) for device in ("cpu", "cuda"))
    assert there.value == pytest.approx(here.value, abs=0.02)
