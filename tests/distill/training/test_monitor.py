import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import TAPS, data, signalling  # noqa: E402
from torch import nn  # noqa: E402

import pidkd  # noqa: E402
from pidkd.distill import Recipe, get_method, train  # noqa: E402
from pidkd.distill.training.capturing import capture  # noqa: E402
from pidkd.distill.training.monitor import Monitor, filtered, gate_of, prospect  # noqa: E402
from pidkd.errors import AlignmentWarning, InputError  # noqa: E402
from pidkd.quantize import Quantizer  # noqa: E402

HELD = data(150, seed=5)
RECIPE = Recipe(epochs=5, batch_size=16, lr=0.02, clip=5.0)
METHOD = get_method("rid")(q=3, r=1 / 3)
OPTIONS = {"quantize": Quantizer(n_components=2, n_clusters=4, seed=0), "shuffles": 1, "uncertainty": None}

pytestmark = pytest.mark.filterwarnings(f"ignore::{AlignmentWarning.__module__}.{AlignmentWarning.__qualname__}")


def monitored(method=METHOD, hook=None, **options):
    teacher = small.teacher()
    monitor = Monitor(teacher, HELD, TAPS, every=2, **OPTIONS | options)

    def after(run):
        found = monitor(run)
        if hook is not None:
            hook(run)
        return found

    result = train(teacher, small.student(), data(), method=method, taps=TAPS, recipe=RECIPE, after_epoch=after)
    return result, monitor


def test_it_audits_when_it_is_time_what_an_audit_afterwards_would_find():
    result, monitor = monitored()
    assert [bool(row["monitor"]) for row in result.history] == [False, True, False, True, True]
    report = monitor.report
    held_t, held_s = (capture(net, HELD, ["0", "1"]) for net in (result.teacher, result.student))
    afterwards = pidkd.audit(held_t, held_s, HELD[1].numpy(), TAPS, **OPTIONS)
    for pair in report.pairs:
        expected = afterwards.results[pair.teacher, pair.student]
        assert pair.result.atoms == expected.atoms
        logged = result.history[-1]["monitor"][f"{pair.teacher}:{pair.student}"]
        assert logged == {atom: getattr(expected, atom) for atom in logged}
        assert [stage.checkpoint for stage in pair.history] == ["epoch 2", "epoch 4"]
        # The cells of the teacher are the same each time; the solver's iterates are not.
        assert [stage.result.mi_t for stage in pair.stages] == pytest.approx([expected.mi_t] * 3, abs=1e-6)


def test_what_rid_takes_for_granted_is_measured_as_an_audit_would():
    seen = []

    def look(run):
        if run.epoch == 4:
            residuals, labels = filtered(run, HELD)
            for eps, f_s in residuals:
                report = pidkd.audit({"eps": eps}, {"f_s": f_s}, labels, [("eps", "f_s")], **OPTIONS)
                result = report.results["eps", "f_s"]
                seen.append(result.unique_t + result.synergistic)

    result, _ = monitored(hook=look)
    found = result.history[-1]["monitor"]["assumption"]
    assert [found[f"{t}:{s}"]["information"] for t, s in TAPS] == pytest.approx(seen, abs=1e-9)
    assert all(value["information"] >= -1e-9 and np.isfinite(value["chance"]) for value in found.values())


def test_residuals_are_those_of_the_filters():
    residual = []

    def look(run):
        [(eps, f_s), _], labels = filtered(run, HELD)
        run.step.eval()
        with torch.no_grad():
            s = run.step.student(HELD[0])[1]["0"]
            t = nn.functional.adaptive_avg_pool2d(run.teacher(HELD[0])[1]["0"], s.shape[2:])
            expected = run.step.loss.f_t[0](t) - run.step.loss.f_s[0](s)
        residual.append(np.abs(eps - expected.numpy()).max())
        assert f_s.shape == eps.shape
        assert labels.tolist() == HELD[1].tolist()

    monitored(hook=look)
    assert max(residual) < 1e-5


@pytest.mark.parametrize("gate", ["unique", "information"])
def test_the_gate_weighs_what_is_not_the_task(gate):
    gates = []

    def look(run):
        value = run.step.loss.gate.item()
        gates.append(value)
        x, y = HELD
        run.step.eval()
        result = run.step(x, run.step.paired(run.teacher(x), 0), y)
        total, terms = result.total, result.values
        expected = 0.1 * terms["task"] + 0.9 * value * terms["kd"]
        torch.testing.assert_close(total.detach(), expected)

    result, monitor = monitored(get_method("kd")(), look, gate=gate)
    assert gates[0] == 1
    assert gates[-1] == pytest.approx(gate_of(monitor.reports[5], gate))
    assert gates[-1] == pytest.approx(result.history[-1]["monitor"]["gate"])


def codes(*columns):
    return {str(k): column for k, column in enumerate(columns)}


def test_gates_of_known_atoms():
    y = np.arange(400) % 4
    odd, high = y % 2, y // 2
    more = pidkd.audit(codes(y), codes(odd), y)
    assert gate_of(more, "unique") == pytest.approx(1)
    assert gate_of(more, "information") == 1
    apart = pidkd.audit(codes(odd), codes(high), y)
    assert gate_of(apart, "unique") == pytest.approx(0.5)
    assert gate_of(apart, "information") == 0
    three_to_one = pidkd.audit(codes(y, odd), codes(odd, high), y)
    assert gate_of(three_to_one, "unique") == pytest.approx((1 + 1) / (1 + 1 + 0 + 1))


def test_a_gate_of_one_changes_no_bit_and_none_is_put_before_filters():
    teacher, student = small.teacher(), small.student()
    loss = train(teacher, student, data(), method=METHOD, taps=TAPS, recipe=RECIPE, dry_run=True).loss
    features = [(torch.randn(4, 3), [torch.randn(4, c, 4, 4), torch.randn(4, 2 * c, 2, 2)]) for c in (6, 3)]
    y = torch.arange(4) % 3
    for phase in METHOD.phases:
        loss.start(phase)
        loss.eval()
        loss.gate.fill_(1.0)
        whole, terms = loss(*features, y)
        loss.gate.fill_(0.0)
        shut, _ = loss(*features, y)
        assert torch.equal(shut, terms["task"] if phase == "student" else whole)


def test_a_run_that_goes_on_has_the_reports_from_before(tmp_path):
    def run(name, **options):
        teacher = small.teacher()
        monitor = Monitor(teacher, HELD, TAPS, every=2, folder=tmp_path / f"{name}-audits", gate="unique", **OPTIONS)
        settings = {"method": METHOD, "taps": TAPS, "recipe": RECIPE, "strict": True, "resume": True}
        train(
            teacher,
            small.student(),
            data(),
            out=tmp_path / name,
            after_epoch=monitor,
            **settings,
            **options,
        )
        return monitor

    whole = run("whole")
    with pytest.raises(SystemExit):
        run("parts", progress=signalling(15, 20))
    parts = run("parts")
    assert [stage.checkpoint for stage in parts.report.pairs[0].history] == ["epoch 2", "epoch 4"]
    assert {n: r.results for n, r in parts.reports.items()}.keys() == whole.reports.keys()
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("parts", "whole")]
    assert logs[0] == logs[1]


def test_a_prospect_tells_a_teacher_that_has_something_from_one_that_has_not():
    x = torch.randn(1500, 2, generator=torch.Generator().manual_seed(0))
    y = 2 * (x[:, 0] > 0).long() + (x[:, 1] > 0).long()

    def seeing(*weights):
        layer = nn.Linear(2, 2, bias=False)
        layer.weight.data.copy_(torch.diag(torch.tensor(weights)))
        return nn.Sequential(layer)

    both, first = seeing(1.0, 1.0), seeing(1.0, 0.0)
    quantize = Quantizer(n_components=2, n_clusters=16, normalise=False, seed=0)
    given = prospect(both, first, (x, y), [("0", "0")], quantize=quantize)
    assert given.gains["0", "0"] > 0.3
    assert "something to give" in str(given)
    nothing = prospect(first, both, (x, y), [("0", "0")], quantize=quantize)
    # Not quite nothing: the teacher spends all of its cells on what it knows, the student half of them.
    assert nothing.gains["0", "0"] < given.gains["0", "0"] / 3
    assert "something to give" not in str(nothing)


def test_numbers_that_cannot_be_used_are_refused():
    with pytest.raises(InputError, match=r"Monitor\(every=...\): expected a whole number >= 1, got 0"):
        Monitor(small.teacher(), HELD, TAPS, every=0)
    with pytest.raises(InputError, match=r"Monitor\(gate=...\): expected one of 'unique', 'information', or None"):
        Monitor(small.teacher(), HELD, TAPS, gate="atoms")
    with pytest.raises(InputError, match=r"Monitor\.report: expected an audit to report, got none yet"):
        _ = Monitor(small.teacher(), HELD, TAPS).report
