"""What holds for every distillation method."""

import copy
import pickle

import numpy as np
import pytest

from pidkd.distill import get_method, list_methods
from pidkd.errors import InputError, UnknownNameError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pidkd.distill import FeatureTap  # noqa: E402
from pidkd.distill.features import Positive, align, kind, pointwise, pool  # noqa: E402
from pidkd.distill.method import Method  # noqa: E402
from pidkd.distill.taps import guided_parameters  # noqa: E402

N, CLASSES = 16, 3
KINDS = {"map": (3, 8, 8), "tokens": (6, 5), "vector": (7,)}
METHODS_AND_KINDS = [(m, k) for m in list_methods() for k in KINDS if (m, k) != ("at", "vector")]


class Pool(nn.Module):
    def forward(self, x):
        return x.flatten(2).mean(2) if x.dim() == 4 else x.mean(1) if x.dim() == 3 else x


def network(of: str, width: int, stride: int = 1) -> nn.Sequential:
    def layer(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
        if of == "map":
            return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, padding=1), nn.BatchNorm2d(n_out), nn.ReLU())
        norm = nn.BatchNorm1d(n_out) if of == "vector" else nn.LayerNorm(n_out)
        return nn.Sequential(nn.Linear(n_in, n_out), norm, nn.ReLU())

    n_in = KINDS[of][0 if of != "tokens" else 1]
    return nn.Sequential(
        layer(n_in, width, stride), layer(width, 2 * width), Pool(), nn.Linear(2 * width, 4), nn.Linear(4, CLASSES)
    )


class Setting:
    """A teacher and a student with two layer pairs, a batch, and the loss of a method."""

    def __init__(self, method: Method, of: str = "map") -> None:
        torch.manual_seed(0)
        self.method = method
        self.teacher = FeatureTap(network(of, 6), ["0", "1"], frozen=True)
        self.student = FeatureTap(network(of, 4, stride=2), ["0", "1"])
        self.x, self.y = torch.randn(N, *KINDS[of]), torch.arange(N) % CLASSES
        self.loss = method.loss(self.teacher(self.x), self.student(self.x))

    def start(self, phase: str) -> None:
        self.loss.start(phase)
        self.student.freeze(self.method.phases[phase].student == "frozen")

    def total(self) -> torch.Tensor:
        return self.loss(self.teacher(self.x), self.student(self.x), self.y)[0]

    def parameters(self) -> dict[str, nn.Parameter]:
        of_student = {f"student.{name}": p for name, p in self.student.model.named_parameters()}
        of_teacher = {f"teacher.{name}": p for name, p in self.teacher.model.named_parameters()}
        return of_student | of_teacher | {f"loss.{name}": p for name, p in self.loss.named_parameters()}

    def trained(self, phase: str) -> set[str]:
        reach = self.method.phases[phase].student
        of_student = {
            "frozen": [],
            "guided": [name for name, _ in self.student.model.named_parameters() if name[0] in "01"],
            "whole": [name for name, _ in self.student.model.named_parameters()],
        }[reach]
        return {f"student.{name}" for name in of_student} | {f"loss.{name}" for name in self.loss.trained(phase)}

    def step(self, phase: str) -> None:
        self.start(phase)
        optimiser = torch.optim.SGD(
            [p for name, p in self.parameters().items() if name in self.trained(phase)],
            lr=0.01,
            momentum=0.9,
            weight_decay=5e-4,
        )
        for _ in range(2):
            nn.ModuleList([self.loss, self.teacher, self.student]).train()  # what a careless loop calls
            optimiser.zero_grad()
            self.total().backward()
            optimiser.step()


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def phases() -> list[tuple[str, str]]:
    return [(name, phase) for name in list_methods() for phase in get_method(name)().phases]


@pytest.mark.parametrize("of", ["map", "vector"])
@pytest.mark.parametrize(("name", "phase"), phases())
def test_gradients_reach_exactly_the_parameters_of_the_phase(name, phase, of):
    if (name, of) == ("at", "vector"):
        pytest.skip("attention needs positions")
    setting = Setting(get_method(name)(), of)
    setting.start(phase)
    setting.total().backward()
    reached = {name for name, p in setting.parameters().items() if p.grad is not None}
    assert reached == setting.trained(phase)


@pytest.mark.parametrize(("name", "phase"), phases())
def test_gradients_stop_at_frozen_networks_whose_taps_are_not_frozen(name, phase):
    setting = Setting(get_method(name)())
    setting.loss.start(phase)
    setting.teacher.freeze(False)
    setting.total().backward()
    assert {name for name, p in setting.parameters().items() if p.grad is not None} == setting.trained(phase)


@pytest.mark.parametrize("name", list_methods())
def test_a_phase_changes_what_it_trains_and_nothing_else_bit_for_bit(name):
    setting = Setting(get_method(name)())
    for phase, rule in [*setting.method.phases.items()] * 2:
        before = [snapshot(module) for module in (setting.teacher, setting.student, setting.loss)]
        setting.step(phase)
        teacher, student, loss = (
            changed(b, snapshot(module))
            for b, module in zip(before, (setting.teacher, setting.student, setting.loss), strict=True)
        )
        assert teacher == set()
        assert {name.partition(".")[0] for name in loss} == set(rule.parts)
        assert loss >= set(setting.loss.trained(phase))
        if rule.student == "frozen":
            assert student == set()
        else:
            assert student


@pytest.mark.parametrize("name", list_methods())
def test_every_parameter_of_the_loss_is_trained_in_some_phase_and_saved(name):
    setting = Setting(get_method(name)())
    every = {name for name, _ in setting.loss.named_parameters()}
    assert set().union(*(setting.loss.trained(phase) for phase in setting.method.phases)) == every
    assert every <= set(setting.loss.state_dict())


@pytest.mark.parametrize("name", list_methods())
def test_the_schedule_uses_the_phases_of_the_method(name):
    method = get_method(name)()
    assert len(method.schedule(60)) == 60
    assert set(method.schedule(60)) <= set(method.phases)


@pytest.mark.parametrize(("name", "of"), METHODS_AND_KINDS)
def test_every_kind_of_feature_at_different_sizes(name, of):
    setting = Setting(get_method(name)(), of)
    for phase in setting.method.phases:
        setting.start(phase)
        assert torch.isfinite(setting.total())


@pytest.mark.parametrize("name", list_methods())
def test_the_loss_is_the_weighted_sum_of_its_terms_in_float32_under_autocast(name):
    setting = Setting(get_method(name)())
    for phase in setting.method.phases:
        setting.start(phase)
        with torch.autocast("cpu", torch.bfloat16):
            total, terms = setting.loss(setting.teacher(setting.x), setting.student(setting.x), setting.y)
        assert total.dtype == torch.float32
        assert {value.dtype for value in terms.values()} == {torch.float32}
        assert not any(value.requires_grad for value in terms.values())
        assert torch.isfinite(total)


@pytest.mark.parametrize("name", list_methods())
def test_everything_is_made_on_the_device_of_the_features(name):
    logits, feature = torch.zeros(4, CLASSES, device="meta"), torch.zeros(4, 5, 6, 6, device="meta")
    loss = get_method(name)().loss((logits, [feature]), (logits, [feature[:, :2]]))
    assert {value.device.type for value in loss.state_dict().values()} <= {"meta"}


class Step(nn.Module):
    """What an engine compiles, or wraps for several processes."""

    def __init__(self, student: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.student, self.loss = student, loss

    def forward(self, x, teacher, y):
        return self.loss(teacher, self.student(x), y)[0]


def test_a_step_compiles_whole_once_for_each_phase():
    torch._dynamo.reset()
    setting = Setting(get_method("rid")(), "vector")
    step = Step(setting.student, setting.loss).eval()
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(step, backend=count, fullgraph=True)
    teacher = setting.teacher(setting.x)
    for phase in [*setting.method.phases] * 2:
        setting.start(phase)
        step.eval()
        torch.testing.assert_close(compiled(setting.x, teacher, setting.y), step(setting.x, teacher, setting.y))
    assert len(graphs) == 3


@pytest.mark.parametrize("name", list_methods())
def test_a_saved_loss_continues_as_it_was(name):
    setting = Setting(get_method(name)())
    for phase in setting.method.phases:
        setting.step(phase)
    twin = setting.method.loss(setting.teacher(setting.x), setting.student(setting.x))
    twin.load_state_dict(setting.loss.state_dict())
    for phase in setting.method.phases:
        setting.start(phase)
        twin.start(phase)
        copied = copy.deepcopy(setting.loss)
        outputs = setting.teacher(setting.x), setting.student(setting.x)
        total = setting.loss(*outputs, setting.y)[0]
        assert torch.equal(total, twin(*outputs, setting.y)[0])
        assert torch.equal(total, copied(*outputs, setting.y)[0])


@pytest.mark.parametrize("name", list_methods())
def test_parameters_are_a_frozen_record(name):
    method = get_method(name)()
    assert method == type(method)(**method.get_params()) == pickle.loads(pickle.dumps(method))
    assert method.name == name
    with pytest.raises(UnknownNameError, match=r"\(wieght=...\): expected a parameter"):
        method.with_params(wieght=3)


@pytest.mark.parametrize("name", [name for name in list_methods() if get_method(name).needs_taps])
def test_layer_weights_weigh_layers(name):
    plain = Setting(get_method(name)())
    weighted = Setting(get_method(name)(layer_weights=(1.0, 0.0)))
    one = plain.teacher(plain.x), plain.student(plain.x)
    first = [(logits, list(features.values())[:1]) for logits, features in one]
    torch.manual_seed(1)
    alone = get_method(name)().loss(*first)
    shared = {key: value for key, value in weighted.loss.state_dict().items() if key in alone.state_dict()}
    alone.load_state_dict(shared)
    phase = list(plain.method.phases)[-1]
    alone.start(phase)
    weighted.start(phase)
    torch.testing.assert_close(weighted.loss(*one, plain.y)[0], alone(*first, plain.y)[0])
    with pytest.raises(InputError, match=r"\(layer_weights\): expected one weight for each layer pair, 2, got 1"):
        Setting(get_method(name)(layer_weights=(1.0,)))


@pytest.mark.parametrize("name", list_methods())
def test_weights_that_cannot_be_used_are_refused(name):
    wrong = [("task_weight", -1.0), ("weight", float("nan")), ("kd_weight", "much")]
    wrong += [("layer_weights", value) for value in ((-1.0, 2.0), (0.0, 0.0), ())]
    method = get_method(name)
    for parameter, value in wrong:
        if parameter in method().get_params():
            with pytest.raises(InputError, match=rf"{method.__name__}\({parameter}=...\): expected"):
                method(**{parameter: value})


@pytest.mark.parametrize("name", [name for name in list_methods() if get_method(name).needs_taps])
def test_layer_pairs_that_do_not_fit_are_refused(name):
    logits = torch.zeros(4, CLASSES)
    a_map, vector = torch.ones(4, 2, 3, 3), torch.ones(4, 2)
    for teacher, student, message in [
        ([], [], "at least one layer pair, got none"),
        ([a_map], [a_map, a_map], "as many layers of the teacher as of the student, got 1 and 2"),
        ([a_map], [vector], r"got map \(4, 2, 3, 3\) of the teacher, vector \(4, 2\) of the student"),
    ]:
        with pytest.raises(InputError, match=message):
            get_method(name)().loss((logits, teacher), (logits, student))
    loss = get_method(name)().loss((logits, [a_map]), (logits, [a_map]))
    with pytest.raises(InputError, match="expected 1 layer pairs, got 2"):
        loss((logits, [a_map] * 2), (logits, [a_map] * 2), torch.zeros(4, dtype=torch.long))


def test_a_phase_that_the_method_does_not_have_is_refused():
    setting = Setting(get_method("rid")())
    with pytest.raises(UnknownNameError, match="did you mean 'filters'"):
        setting.loss.start("filter")


def test_the_guided_part_of_a_student_ends_at_its_last_tap():
    setting = Setting(get_method("fitnet")())
    setting.start("hint")
    guided = guided_parameters(setting.student.model, setting.student(setting.x)[1])
    assert {f"student.{name}" for name in guided} < setting.trained("hint")
    assert not [name for name in guided if name[0] not in "01"]


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"method=: expected a distillation method, one of at, .* 'rid'"):
        get_method("ridd")


def test_pooling_aligns_axis_by_axis():
    t, s = torch.randn(2, 3, 8, 2), torch.randn(2, 5, 4, 4)
    a, b = align(t, s)
    assert a.shape == (2, 3, 4, 2)
    assert b.shape == (2, 5, 4, 2)
    torch.testing.assert_close(a, t.reshape(2, 3, 4, 2, 2).mean(3))
    tokens, fewer = align(torch.randn(2, 6, 3), torch.zeros(2, 3, 4))
    assert tokens.shape == (2, 3, 3)
    assert kind(fewer) == "tokens"


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_pooling_is_torch_s_adaptive_one_value_and_gradient(length):
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    ours, theirs = pool(pool(x, 2, length), 3, length), nn.functional.adaptive_avg_pool2d(x, length)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(theirs)
    torch.testing.assert_close(*(torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, theirs)))


def test_a_pointwise_network_sees_each_position_alone():
    torch.manual_seed(0)
    feature = torch.randn(2, 3, 4, 4)
    net = pointwise(feature, [5, 2]).eval()
    assert [type(layer).__name__ for layer in net] == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
    moved = feature.clone()
    moved[:, :, 1, 2] += 1
    difference = (net(moved) - net(feature)).abs().sum(dim=(0, 1))
    assert difference.nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("a", [-1e3, 0.0, 1e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_positive_numbers_stay_finite_and_above_their_floor(a, dtype):
    positive = Positive(2, initial=5.0, floor=1e-3)
    with torch.no_grad():
        positive.a.fill_(a)
    value = positive.to(dtype)()
    assert value.dtype == torch.float32
    np.testing.assert_allclose(value.detach(), np.logaddexp(0, a) + 1e-3, rtol=1e-6)


def test_positive_numbers_are_what_they_are_set_to():
    positive = Positive(4, initial=1.0, floor=1e-3)
    values = torch.tensor([2e-3, 0.1, 5.0, 200.0])
    positive.set(values)
    torch.testing.assert_close(positive().detach(), values, rtol=1e-5, atol=0)
    with pytest.raises(InputError, match=r"values above 0.001, got 0.0"):
        positive.set(torch.zeros(4))
