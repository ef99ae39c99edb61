import pytest

torch = pytest.importorskip("torch")

from pidkd.distill.loss import softened_kl  # noqa: E402
from pidkd.distill.methods.fitnet import FitNet  # noqa: E402

torch.manual_seed(0)
teacher = torch.randn(6, 4), [torch.randn(6, 3, 5, 5)]
student = torch.randn(6, 4), [torch.randn(6, 3, 5, 5)]
y = torch.tensor([0, 1, 2, 3, 0, 1])


def with_identity(**params):
    loss = FitNet(**params).loss(teacher, student)
    with torch.no_grad():
        loss.regressor[0][0].weight.copy_(torch.eye(3)[:, :, None, None])
    return loss


def test_the_hint_of_an_identity_regressor_is_the_mean_squared_error():
    total, terms = with_identity()(teacher, student, y)
    torch.testing.assert_close(terms["hint"], torch.nn.functional.mse_loss(student[1][0], teacher[1][0]))
    torch.testing.assert_close(total.detach(), 100 * terms["hint"])


def test_the_second_stage_is_knowledge_distillation_alone():
    loss = with_identity()
    loss.start("student")
    total, terms = loss(teacher, student, y)
    assert set(terms) == {"task", "kd"}
    expected = torch.nn.functional.cross_entropy(student[0], y) + softened_kl(teacher[0], student[0], 4.0)
    torch.testing.assert_close(total, expected)


def test_one_stage_has_all_three_terms():
    one = FitNet(hint=0.0)
    assert one.schedule(3) == ("student",) * 3
    assert set(with_identity(hint=0.0)(teacher, student, y)[1]) == {"task", "kd", "hint"}


def test_the_regressor_spans_widths():
    narrow = student[0], [torch.randn(6, 2, 5, 5)]
    loss = FitNet().loss(teacher, narrow)
    assert tuple(loss.regressor[0][0].weight.shape) == (3, 2, 1, 1)
