"""The definitions, the laws that tie them together, and errors that are those of repeated samples."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pidkd.estimators.solvers.critic.bounds import (  # noqa: E402
    donsker_varadhan_terms,
    infonce_terms,
    jensen_shannon_objective,
    largest_share,
    nwj_terms,
)

SCORES = torch.randn(30, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OTHERS = SCORES[~torch.eye(30, dtype=torch.bool)]
TERMS = [nwj_terms, donsker_varadhan_terms, infonce_terms]
RHO = 0.75
TRUTH = -math.log(1 - RHO**2) / 2


def mean(terms):
    return float(terms.mean())


def log_ratio(x, y):
    """Of two normal variables with correlation RHO, of all pairs."""
    x, y = torch.as_tensor(x)[:, None], torch.as_tensor(y)
    return TRUTH - (RHO**2 * (x**2 + y**2) - 2 * RHO * x * y) / (2 * (1 - RHO**2))


def replicates(terms, critic, n=200, times=200):
    """Values and standard errors of repeated samples."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(times):
        x, noise = rng.normal(size=(2, n))
        each = terms(critic(x, RHO * x + math.sqrt(1 - RHO**2) * noise))
        found.append((mean(each), float(each.std()) / math.sqrt(n)))
    return np.array(found).T


def test_definitions():
    own = mean(SCORES.diagonal())
    assert mean(nwj_terms(SCORES)) == pytest.approx(own - mean(OTHERS.exp()) + 1)
    assert mean(donsker_varadhan_terms(SCORES)) == pytest.approx(own - math.log(mean(OTHERS.exp())))
    clipped = own - math.log(mean(OTHERS.clamp(-0.5, 0.5).exp()))
    assert mean(donsker_varadhan_terms(SCORES, clip=0.5)) == pytest.approx(clipped)
    contrast = [SCORES[i, i] - SCORES[i].exp().mean().log() for i in range(30)]
    assert mean(infonce_terms(SCORES)) == pytest.approx(float(sum(contrast)) / 30)


def test_nwj_is_at_most_donsker_varadhan_and_equal_at_the_best_constant():
    dv = mean(donsker_varadhan_terms(SCORES))
    best = SCORES - math.log(mean(OTHERS.exp()))
    assert mean(nwj_terms(SCORES)) < dv
    assert mean(nwj_terms(best)) == pytest.approx(dv)


def test_a_constant_changes_neither_donsker_varadhan_nor_infonce():
    for terms in (donsker_varadhan_terms, infonce_terms):
        assert mean(terms(SCORES + 3.0)) == pytest.approx(mean(terms(SCORES)))


def test_infonce_is_never_above_the_logarithm_of_the_pairs():
    assert mean(infonce_terms(1e3 * torch.eye(30, dtype=torch.float64))) == pytest.approx(math.log(30))


@pytest.mark.parametrize("terms", TERMS)
def test_a_critic_that_sees_nothing_is_worth_nothing(terms):
    assert terms(torch.zeros(9, 9)).numpy() == pytest.approx(np.zeros(9), abs=1e-6)


@pytest.mark.parametrize("terms", TERMS)
def test_the_log_density_ratio_gives_the_truth_with_the_error_of_repeated_samples(terms):
    values, errors = replicates(terms, log_ratio)
    # A finite block costs infonce a little, and the logarithm of a mean adds a little to the other.
    assert values.mean() == pytest.approx(TRUTH, abs=0.02)
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)


@pytest.mark.parametrize("terms", TERMS)
def test_a_poor_critic_only_lowers_the_bound(terms):
    values, _ = replicates(terms, lambda x, y: 0.4 * log_ratio(x, y) + 0.1)
    assert values.mean() < TRUTH - 0.05


def test_jensen_shannon_is_best_at_the_log_ratio():
    x, noise = np.random.default_rng(1).normal(size=(2, 1000))
    right = log_ratio(x, RHO * x + math.sqrt(1 - RHO**2) * noise)
    others = [0.7 * right, 1.3 * right, right + 0.3, right - 0.3]
    assert all(float(jensen_shannon_objective(right)) > float(jensen_shannon_objective(other)) for other in others)
    assert float(jensen_shannon_objective(torch.zeros(5, 5))) == pytest.approx(-2 * math.log(2))


def test_largest_share():
    assert largest_share(torch.zeros(4, 4)) == pytest.approx(1 / 12)
    outlier = torch.zeros(4, 4)
    outlier[0, 1], outlier[2, 2] = 50.0, 100.0
    assert largest_share(outlier) == pytest.approx(1.0)
