import numpy as np
import pytest

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from pidkd.distill.methods.rid import RID  # noqa: E402

N, CLASSES = 12, 3
SHAPES = {"map": ((5, 6, 4), (3, 6, 4)), "tokens": ((4, 5), (4, 3)), "vector": ((5,), (3,))}


def setting(of="map", **params):
    torch.manual_seed(0)
    t_shape, s_shape = SHAPES[of]
    teacher = torch.randn(N, CLASSES).double(), [2 * torch.randn(N, *t_shape).double()]
    student = torch.randn(N, CLASSES).double(), [torch.randn(N, *s_shape).double()]
    loss = RID(**params).loss(teacher, student).double()
    loss.start("student")
    loss.eval()
    y = torch.arange(N) % CLASSES
    with torch.no_grad():
        residual = (loss.f_t[0](teacher[1][0]) - loss.f_s[0](student[1][0])).numpy()
    return loss, teacher, student, y, residual


def moments(residual, of, reduction):
    """Per channel: the mean of V^2 over samples and positions, or the mean over samples of its sum over positions."""
    squares = np.moveaxis(residual**2, 1 if of == "map" else -1, 0)
    squares = squares.reshape(squares.shape[0], N, -1)
    return squares.mean(axis=(1, 2)) if reduction == "mean" else squares.sum(axis=2).mean(axis=1)


@pytest.mark.parametrize("of", SHAPES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_sigma_is_stationary_at_the_cube_root(of, reduction):
    loss, teacher, student, y, residual = setting(of, reduction=reduction)
    optimal = np.cbrt(moments(residual, of, reduction) / 2)
    loss.sigma[0].set(torch.from_numpy(optimal))
    loss(teacher, student, y)[0].backward()
    at_optimum = loss.sigma[0].a.grad.abs().max()
    loss.zero_grad()
    loss.sigma[0].set(torch.from_numpy(1.1 * optimal))
    loss(teacher, student, y)[0].backward()
    assert at_optimum < 1e-12 * loss.sigma[0].a.grad.abs().max() + 1e-12
    assert (loss.sigma[0].a.grad > 0).all()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_sigma_is_learned_up_to_its_optimum(reduction):
    loss, teacher, student, y, residual = setting(reduction=reduction)
    optimiser = torch.optim.LBFGS(
        loss.sigma.parameters(), max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        total = loss(teacher, student, y)[0]
        total.backward()
        return total

    optimiser.step(closure)
    optimal = np.cbrt(moments(residual, "map", reduction) / 2)
    np.testing.assert_allclose(loss.sigma[0]().detach(), optimal, rtol=1e-5)


@pytest.mark.parametrize(("reduction", "over"), [("mean", np.mean), ("sum", np.sum)])
def test_the_least_value_of_the_distillation_term(reduction, over):
    loss, teacher, student, y, residual = setting(reduction=reduction)
    half = moments(residual, "map", reduction) / 2
    loss.sigma[0].set(torch.from_numpy(np.cbrt(half)))
    _, terms = loss(teacher, student, y)
    assert float(terms["matching"] + terms["sigma"]) == pytest.approx(over(3 * half ** (2 / 3)), rel=1e-12)


def test_the_student_s_loss_is_the_printed_sum():
    loss, teacher, student, y, residual = setting(reduction="sum", task_weight=0.5, weight=3.0)
    sigma = loss.sigma[0]().detach().numpy()
    logits = student[0].numpy()
    task = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(N), y])
    matching = np.mean(np.sum(residual**2 / sigma[:, None, None], axis=(1, 2, 3)))
    total, _ = loss(teacher, student, y)
    assert total.item() == pytest.approx(0.5 * task + 3 * (np.sum(sigma**2) + matching), rel=1e-12)


@pytest.mark.parametrize("phase", ["warm_up", "filters"])
def test_the_filters_loss_is_the_printed_sum(phase):
    loss, teacher, student, y, residual = setting(reduction="sum")
    loss.start(phase)
    loss.eval()
    features = loss.f_t[0](teacher[1][0]).relu().flatten(1)
    task = functional.cross_entropy(loss.g_t[0].linear(features), y)
    matching = np.mean(np.sum(residual**2 / loss.sigma[0]().detach().numpy()[:, None, None], axis=(1, 2, 3)))
    total, _ = loss(teacher, student, y)
    expected = task.item() + (matching if phase == "filters" else 0.0)
    assert total.item() == pytest.approx(expected, rel=1e-12)


def test_sigma_starts_where_it_is_told():
    loss, *_ = setting(initial_sigma=2.5)
    np.testing.assert_allclose(loss.sigma[0]().detach(), 2.5, rtol=1e-6)


def test_filters_have_the_published_widths():
    loss, *_ = setting()
    assert [tuple(p.shape) for p in loss.f_t.parameters() if p.dim() == 4] == [(5, 5, 1, 1), (3, 5, 1, 1)]
    assert [tuple(p.shape) for p in loss.f_s.parameters() if p.dim() == 4] == [(6, 3, 1, 1), (3, 6, 1, 1)]
    assert loss.g_t[0].linear.in_features == 3 * 6 * 4


def test_a_head_may_pool():
    loss, *_ = setting(head="pool")
    assert loss.g_t[0].linear.in_features == 3


@pytest.mark.parametrize(
    "wrong", [{"reduction": "max"}, {"q": 0}, {"r": 2.0}, {"warm_up": -1}, {"head": "max"}, {"floor": 0.0}]
)
def test_parameters_that_cannot_be_used_are_refused(wrong):
    [name] = wrong
    with pytest.raises(InputError, match=rf"RID\({name}=\.\.\.\): expected"):
        RID(**wrong)
