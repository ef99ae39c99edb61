import pytest

torch = pytest.importorskip("torch")

from pidkd.distill.loss import softened_kl  # noqa: E402
from pidkd.distill.methods.ted import TED  # noqa: E402

torch.manual_seed(0)
t, s = torch.randn(6, 3, 5, 5), torch.randn(6, 3, 5, 5)
teacher, student = (torch.randn(6, 4), [t]), (torch.randn(6, 4), [s])
y = torch.tensor([0, 1, 2, 3, 0, 1])


def test_copies_of_one_layer_cost_in_the_first_stage_what_one_costs():
    one = TED().loss(teacher, student)
    three = TED().loss((teacher[0], [t] * 3), (student[0], [s] * 3))
    for part in ("f_t", "g_t", "f_s", "g_s"):
        for k in range(3):
            getattr(three, part)[k].load_state_dict(getattr(one, part)[0].state_dict())
    for phase in ("filters", "student"):
        one.start(phase)
        three.start(phase)
        total = one(teacher, student, y)[0]
        torch.testing.assert_close(three((teacher[0], [t] * 3), (student[0], [s] * 3), y)[0], total)


def test_the_first_stage_trains_both_sides_apart():
    loss = TED().loss(teacher, student)
    before = float(loss(teacher, student, y)[1]["student_task"])
    other = torch.randn(6, 4), [torch.randn(6, 3, 5, 5)]
    assert float(loss(other, student, y)[1]["student_task"]) == pytest.approx(before)
    assert set(loss(teacher, student, y)[1]) == {"teacher_task", "student_task"}


def test_equal_filters_of_equal_features_match():
    loss = TED().loss(teacher, student)
    loss.f_t, loss.f_s = torch.nn.ModuleList([torch.nn.Identity()]), torch.nn.ModuleList([torch.nn.Identity()])
    loss.start("student")
    assert float(loss((teacher[0], [t]), (student[0], [t]), y)[1]["matching"]) == 0.0
    _, terms = loss(teacher, student, y)
    torch.testing.assert_close(terms["matching"], torch.nn.functional.mse_loss(s, t))


def test_logits_are_distilled_when_asked_for():
    loss = TED(kd_weight=5.0).loss(teacher, student)
    loss.start("student")
    total, terms = loss(teacher, student, y)
    torch.testing.assert_close(terms["kd"], softened_kl(teacher[0], student[0], 2.0))
    torch.testing.assert_close(total.detach(), terms["task"] + 10 * terms["matching"] + 5 * terms["kd"])
