import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from pidkd.distill.loss import softened_kl  # noqa: E402
from pidkd.distill.methods.kd import KD  # noqa: E402

rng = np.random.default_rng(0)
z_t, z_s, y = 3 * rng.normal(size=(7, 5)), rng.normal(size=(7, 5)), rng.integers(5, size=7)


def divergence(z_t, z_s, temperature):
    value = softened_kl(torch.from_numpy(z_t), torch.from_numpy(z_s), temperature)
    return float(value)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_the_loss_is_its_formula(temperature):
    p_t = softmax(z_t / temperature, axis=1)
    kl = np.mean(np.sum(p_t * (np.log(p_t) - log_softmax(z_s / temperature, axis=1)), axis=1))
    task = -np.mean(log_softmax(z_s, axis=1)[np.arange(7), y])
    teacher, student = (torch.from_numpy(z_t), []), (torch.from_numpy(z_s), [])
    total, terms = KD(temperature=temperature).loss(teacher, student)(teacher, student, torch.from_numpy(y))
    assert float(terms["kd"]) == pytest.approx(temperature**2 * kl, rel=1e-12)
    assert total.item() == pytest.approx(0.1 * task + 0.9 * temperature**2 * kl, rel=1e-12)


def test_equal_logits_up_to_a_constant_per_sample_cost_nothing():
    assert divergence(z_t, z_t + rng.normal(size=(7, 1)), 4.0) == pytest.approx(0.0, abs=1e-14)


def test_the_gradient_is_the_difference_of_softened_classes():
    student = torch.from_numpy(z_s).requires_grad_()
    softened_kl(torch.from_numpy(z_t), student, 4.0).backward()
    expected = 4 * (softmax(z_s / 4, axis=1) - softmax(z_t / 4, axis=1)) / 7
    np.testing.assert_allclose(student.grad, expected, rtol=1e-10, atol=1e-15)


def test_at_a_high_temperature_it_is_the_squared_error_of_centred_logits():
    difference = (z_t - z_t.mean(1, keepdims=True)) - (z_s - z_s.mean(1, keepdims=True))
    expected = np.mean(np.sum(difference**2, axis=1)) / (2 * 5)
    assert divergence(z_t, z_s, 1e4) == pytest.approx(expected, rel=1e-3)


def test_other_classes_of_the_teacher_are_refused():
    teacher, student = (torch.zeros(2, 4), []), (torch.zeros(2, 3), [])
    with pytest.raises(InputError, match="teacher and student must share their classes"):
        KD().loss(teacher, student)(teacher, student, torch.tensor([0, 1]))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(InputError, match=r"KD\(temperature=...\): expected a number > 0, got 0.0"):
        KD(temperature=0.0)
