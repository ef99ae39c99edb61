"""The cap on the matching gradient: what it scales, what it leaves alone, and what is logged."""

import math

import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import TAPS, data, equal, in_two_processes, state  # noqa: E402
from torch import nn  # noqa: E402

from pidkd.distill import FeatureTap, Recipe, get_method, train  # noqa: E402
from pidkd.distill.training.balance import Balance  # noqa: E402
from pidkd.distill.training.runtime import Runtime  # noqa: E402
from pidkd.distill.training.step import Step  # noqa: E402

HEAVY = get_method("vid")(weight=1000.0)
EACH = {"batch_size": 16, "lr": 0.01, "balance_every": 1}


def close(a, b, tolerance=1e-3):
    """In norm: single entries are sums that nearly cancel."""
    return bool((a - b).norm() <= tolerance * b.norm())


def run(method, student=None, **recipe):
    recipe = Recipe(**{"epochs": 3, **EACH, **recipe})
    return train(small.teacher(), student or small.student(), data(), method=method, taps=TAPS, recipe=recipe)


def step_of(method, gate=1.0):
    """A step of both networks, in the phase that trains the student, and a batch."""
    torch.manual_seed(5)
    taps = [FeatureTap(small.teacher(), ["0", "1"], frozen=True), FeatureTap(small.student(), ["0", "1"])]
    x, y = data(32)
    step = Step(method, *taps, TAPS, x)
    step.start("student")
    step.loss.gate.fill_(gate)
    return step, (x, step.paired(taps[0](x), 0), y)


def gradients(step, batch):
    """Of the task and of the rest on the student, and of all on the parts of the loss, each by a pass of its own."""
    student = list(step.student.model.parameters())
    step.loss.scale.fill_(1.0)
    result = step(*batch)
    task = torch.autograd.grad(result.task, student, retain_graph=True)
    rest = torch.autograd.grad(result.total - result.task, student, retain_graph=True)
    parts = list(step.loss.trained("student").values())
    own = torch.autograd.grad(result.total, parts) if parts else ()
    return [torch.cat([g.flatten() for g in of]) for of in (task, rest)], own


def measured(step, batch, cap, times=1):
    """The balance after measured backward passes, and the gradients as the optimiser would find them."""
    balance = Balance(Recipe(cap=cap, balance_every=1), Runtime())
    student = list(step.student.model.parameters())
    for _ in range(times):
        step.zero_grad()
        step.loss.scale.fill_(1.0)
        result = step(*batch)
        before = balance.before(result, student)
        result.total.backward()
        balance.after(result, before, student, step.loss.gate)
    return balance, torch.cat([p.grad.flatten() for p in student])


@pytest.mark.parametrize("gate", [1.0, 0.25])
@pytest.mark.parametrize("method", [HEAVY, get_method("rid")(weight=500.0), get_method("at")(weight=1e6)])
def test_the_matching_gradient_is_at_most_cap_times_the_task_s_and_the_parts_feel_nothing(method, gate):
    step, batch = step_of(method, gate)
    (task, rest), own = gradients(step, batch)
    assert rest.norm() > 3 * task.norm()
    balance, grad = measured(step, batch, cap=3.0)
    assert balance.factor.item() == pytest.approx(float(3 * task.norm() / rest.norm()), rel=1e-4)
    assert close(grad, task + balance.factor * rest)
    assert (grad - task).norm().item() == pytest.approx(3 * task.norm().item(), rel=1e-3)
    for p, g in zip(step.loss.trained("student").values(), own, strict=True):
        assert close(p.grad, g)
    # A step between two measurements has its factor on the way back, with the same result.
    step.zero_grad()
    step.loss.scale.copy_(balance.factor)
    step(*batch).total.backward()
    on_the_way = torch.cat([p.grad.flatten() for p in step.student.model.parameters()])
    assert close(on_the_way, grad)
    for p, g in zip(step.loss.trained("student").values(), own, strict=True):
        assert close(p.grad, g)


def test_a_cap_never_amplifies():
    step, batch = step_of(get_method("vid")(weight=1e-3))
    (task, rest), _ = gradients(step, batch)
    balance, grad = measured(step, batch, cap=3.0)
    assert balance.factor.item() == 1.0
    assert close(grad, task + rest)


def test_the_scale_leaves_values_as_they_are():
    step, batch = step_of(HEAVY)
    whole = step(*batch)
    step.loss.scale.fill_(0.01)
    assert torch.equal(whole.total, step(*batch).total)


def test_the_gate_is_divided_out_of_what_is_remembered():
    step, batch = step_of(HEAVY)
    open_, _ = measured(step, batch, cap=3.0)
    step.loss.gate.fill_(0.1)
    partly, _ = measured(step, batch, cap=3.0)
    torch.testing.assert_close(partly.norms, open_.norms, rtol=1e-3, atol=1e-6)
    assert partly.factor.item() == pytest.approx(min(1.0, 10 * open_.factor.item()), rel=1e-3)
    step.loss.gate.fill_(0.0)
    shut, grad = measured(step, batch, cap=3.0)
    assert shut.factor.item() == 1.0
    assert bool(grad.isfinite().all())
    assert shut.row()["matching"] == pytest.approx(0.0, abs=1e-5)


def test_norms_are_moving_averages():
    step, batch = step_of(HEAVY)
    once, _ = measured(step, batch, cap=3.0)
    often, _ = measured(step, batch, cap=3.0, times=8)
    torch.testing.assert_close(often.norms, once.norms, rtol=0.05, atol=0)
    assert often.measurements == 8


@pytest.mark.parametrize("hint", [0.0, 0.25])
def test_terms_on_logits_are_logged_but_not_capped(hint):
    method = get_method("fitnet")(hint=hint, kd_weight=1e4)
    step, batch = step_of(method)
    (task, rest), _ = gradients(step, batch)
    result = step(*batch)
    kd = torch.autograd.grad(result.on_logits, list(step.student.model.parameters()))
    kd = torch.cat([g.flatten() for g in kd])
    balance, grad = measured(step, batch, cap=3.0)
    assert balance.row()["matching"] == pytest.approx(rest.norm().item(), rel=1e-3)
    if hint:  # phase "student" has no term on features
        assert balance.factor.item() == 1.0
        assert close(grad, task + rest)
    else:
        assert close(grad, task + kd + balance.factor * (rest - kd))


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_each_epoch_has_norms_ratio_cosine_and_factors():
    result = run(HEAVY, clip=0.5)
    for row in result.history:
        balance = row["balance"]
        assert balance["ratio"] == pytest.approx(balance["matching"] / balance["task"])
        assert -1 <= balance["cosine"] <= 1
        assert 0 < balance["factor"] < 1
        assert set(row["clip"]) == {"student", "mu", "variance"}
        assert all(0 < value <= 1 for value in row["clip"].values())
        assert 0 <= row["train_accuracy"] <= 1
    joint = run(HEAVY, clip=0.5, clip_jointly=True)
    assert set(joint.history[0]["clip"]) == {"all"}
    assert "balance" not in run("none").history[0]
    assert "balance" not in run("kd", cap=None, balance_every=None).history[0]
    assert math.isfinite(run("kd").history[0]["balance"]["ratio"])


def test_training_accuracy_is_the_share_of_right_answers_in_training():
    x, y = data()
    right = []

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = small.student()

        def forward(self, x):
            logits = self.inner(x)
            if self.training:
                seen.append((x, logits.detach()))
            return logits

    seen = []
    result = train(None, Watched(), (x, y), method="none", recipe=Recipe(epochs=1, batch_size=16))
    for batch, logits in seen[1:]:  # the first is the rehearsal
        rows = [int((x == image).flatten(1).all(1).nonzero()) for image in batch]
        right += (logits.argmax(1) == y[rows]).tolist()
    assert result.history[0]["train_accuracy"] == pytest.approx(sum(right) / len(right))


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_to_measure_changes_nothing_without_a_cap():
    students = [small.student(), small.student()]
    for student, every in zip(students, (1, None), strict=True):
        run(HEAVY, student, cap=None, balance_every=every, clip=1.0)
    assert equal(*map(state, students))


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
def test_groups_are_clipped_by_themselves():
    """The large gradient of the means leaves the student's as it is."""
    runs = {joint: run(HEAVY, clip=5.0, cap=1.0, clip_jointly=joint) for joint in (False, True)}
    own, joint = runs[False].history[0]["clip"], runs[True].history[0]["clip"]
    assert own["student"] > 2 * joint["all"]


def test_two_processes_have_the_factor_of_one(tmp_path):
    small.run_capped(tmp_path / "one")
    assert in_two_processes(small.run_capped, tmp_path / "two") == [0, 0]
    last, expected = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("two", "one"))
    assert expected["balance"]["factor"] < 1
    torch.testing.assert_close(last["balance"]["factor"], expected["balance"]["factor"], rtol=1e-4, atol=0)
    for name, value in last["student"].items():
        torch.testing.assert_close(value, expected["student"][name], rtol=1e-4, atol=1e-6)
    for a, b in zip(last["history"], expected["history"], strict=True):
        assert a["balance"] == pytest.approx(b["balance"], rel=1e-3)


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")
@pytest.mark.parametrize(("method", "cap", "every"), [("vid", 3.0, 2), ("vid", None, 4), ("kd", 3.0, 4)])
def test_what_is_measured_for_the_log_alone_is_measured_half_as_often(method, cap, every, monkeypatch):
    counted = []
    after = Balance.after
    monkeypatch.setattr(Balance, "after", lambda self, *given: (counted.append(self.steps), after(self, *given)))
    run(method, cap=cap, balance_every=2, epochs=3)
    assert sorted(set(counted))[:3] == [0, every, 2 * every]
