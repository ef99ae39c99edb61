import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pidkd.distill.methods.vid import VID  # noqa: E402

N, CLASSES = 12, 3


def setting(**params):
    torch.manual_seed(0)
    teacher = torch.randn(N, CLASSES).double(), [2 * torch.randn(N, 5, 6, 4).double()]
    student = torch.randn(N, CLASSES).double(), [torch.randn(N, 3, 6, 4).double()]
    loss = VID(**params).loss(teacher, student).double().eval()
    with torch.no_grad():
        error = ((teacher[1][0] - loss.mu[0](student[1][0])) ** 2).numpy()
    return loss, teacher, student, torch.arange(N) % CLASSES, error


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_variance_is_stationary_at_the_mean_squared_error(reduction):
    loss, teacher, student, y, error = setting(reduction=reduction)
    loss.variance[0].set(torch.from_numpy(error.mean(axis=(0, 2, 3))))
    loss(teacher, student, y)[0].backward()
    assert loss.variance[0].a.grad.abs().max() < 1e-11


def test_the_variance_is_learned():
    loss, teacher, student, y, error = setting()
    optimiser = torch.optim.LBFGS(loss.variance.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        total = loss(teacher, student, y)[0]
        total.backward()
        return total

    optimiser.step(closure)
    np.testing.assert_allclose(loss.variance[0]().detach(), error.mean(axis=(0, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_term_is_the_gaussian_s_negative_log_likelihood_but_for_its_constant(reduction):
    loss, teacher, student, y, _ = setting(reduction=reduction, initial_variance=0.7)
    target, mean = teacher[1][0], loss.mu[0](student[1][0])
    density = torch.distributions.Normal(mean, loss.variance[0]()[:, None, None].sqrt()).log_prob(target)
    surprise = -density - np.log(2 * np.pi) / 2
    expected = surprise.mean() if reduction == "mean" else surprise.sum() / N
    assert float(loss(teacher, student, y)[1]["likelihood"]) == pytest.approx(expected.item(), rel=1e-6)


def test_the_mean_s_network_has_the_depth_and_width_asked_for():
    loss, *_ = setting(depth=3, width=2)
    assert [tuple(p.shape[:2]) for p in loss.mu.parameters() if p.dim() == 4] == [(10, 3), (10, 10), (5, 10)]
    plain, *_ = setting(depth=3, width=1, norm=False)
    assert [type(layer).__name__ for layer in plain.mu[0]] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "Conv2d"]


def test_the_first_variance_is_the_squared_error_on_what_the_loss_is_made_for():
    loss, _, _, _, error = setting()
    np.testing.assert_allclose(loss.variance[0]().detach(), error.mean(axis=(0, 2, 3)), rtol=1e-3)
    tokens = torch.randn(N, 7, 4), torch.randn(N, 7, 3)
    of_tokens = VID().loss((torch.zeros(N, CLASSES), [tokens[0]]), (torch.zeros(N, CLASSES), [tokens[1]]))
    expected = (tokens[0] - of_tokens.mu[0](tokens[1])).square().mean((0, 1))
    torch.testing.assert_close(of_tokens.variance[0](), expected, rtol=1e-4, atol=0)


def test_a_silent_channel_begins_above_the_floor():
    zero = torch.zeros(N, CLASSES), [torch.zeros(N, 5, 2, 2)]
    loss = VID(floor=1e-3).loss(zero, (zero[0], [torch.zeros(N, 3, 2, 2)]))
    torch.testing.assert_close(loss.variance[0](), torch.full((5,), 0.01), rtol=1e-3, atol=0)
