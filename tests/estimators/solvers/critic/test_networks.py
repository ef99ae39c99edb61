"""Every critic starts as its base, which is the log density ratio of normal variables, and can learn."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

torch = pytest.importorskip("torch")

from pidkd.estimators.solvers.critic.bounds import nwj_terms  # noqa: E402
from pidkd.estimators.solvers.critic.networks import Critic  # noqa: E402

KINDS = ["separable", "joint", "bilinear"]
RHO = np.array([0.9, 0.3])


@pytest.mark.parametrize("network", KINDS)
def test_starts_as_the_log_density_ratio_of_normal_variables(network):
    x, y = np.random.default_rng(0).normal(size=(2, 6, 2))
    known = np.zeros((6, 6))
    for k, rho in enumerate(RHO):
        joint = multivariate_normal(cov=[[1, rho], [rho, 1]])
        for i in range(6):
            for j in range(6):
                known[i, j] += joint.logpdf([x[i, k], y[j, k]]) - norm.logpdf(x[i, k]) - norm.logpdf(y[j, k])
    seen = [torch.as_tensor(np.hstack([values, values]), dtype=torch.float32) for values in (x, y)]
    found = Critic(network, RHO, 2, 2, hidden=8)(*seen)
    assert found.detach().numpy() == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("network", KINDS)
def test_starts_at_zero_without_a_base_and_learns(network):
    torch.manual_seed(0)
    critic = Critic(network, np.zeros(0), 3, 3, hidden=16)
    x = torch.randn(64, 3)
    y = x + 0.1 * torch.randn(64, 3)
    assert critic(x, y).abs().max() == 0
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        (-nwj_terms(critic(x, y)).mean()).backward()
        optimiser.step()
    assert nwj_terms(critic(x, y)).mean() > 1.0
