"""Every network of the zoo: captured, trained, evaluated right, or refused in one line before the first step."""

from __future__ import annotations

import copy
import re
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import pidkd  # noqa: E402
from pidkd.distill import Monitor, Recipe, capture, evaluate, get_method, prospect, train  # noqa: E402
from pidkd.distill.axes import canonical  # noqa: E402
from pidkd.distill.feeding import call_network, logits_of, map_tensors, network_dtype  # noqa: E402
from pidkd.errors import InputError, PidkdWarning  # noqa: E402
from zoo.networks import NETWORKS, REFUSED, Fails, Network, vectors  # noqa: E402

# The runs are too short for a student to overfit; tests of the warning ask for it.
pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")

N = 48
RECIPE = Recipe(epochs=2, batch_size=16, lr=0.01, clip=1.0)
RID = get_method("rid")(q=2, r=0.5)


def made(network: Network, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return network.make().eval()


def data(network: Network) -> tuple[Any, Any]:
    y = torch.arange(N) % 3
    return network.inputs(y, torch.Generator().manual_seed(0)), y


def state(model: Any) -> dict[str, Any]:
    return copy.deepcopy(dict(model.state_dict()))


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Equal bit for bit, and lying alike in memory."""
    return a.keys() == b.keys() and all(
        torch.equal(comparable(v), comparable(b[k])) and v.layout == b[k].layout if isinstance(v, torch.Tensor)
        else v == b[k]
        for k, v in a.items()
    )  # fmt: skip


def comparable(value: Any) -> Any:
    """Values in their order in memory."""
    if value.layout != torch.strided:
        return value.to_dense()
    value = value if value.is_contiguous() else torch.cat([value.flatten(), torch.tensor(value.stride())])
    return value.float() if value.dtype.itemsize == 1 else value


@torch.no_grad()
def direct(network: Network, model: Any, x: Any) -> tuple[Any, Any]:
    """Feature and output as the network gives them by itself."""
    kept: list[Any] = []
    handle = dict(model.named_modules())[network.tap].register_forward_hook(lambda m, i, o: kept.append(o))
    dtype = network_dtype(model)
    x = map_tensors(x, lambda v: v.to(dtype) if v.is_floating_point() else v.long() if v.dtype.itemsize < 4 else v)
    output = call_network(model, x, network.options.get("forward"))
    handle.remove()
    feature = kept[0][0] if isinstance(kept[0], tuple) else kept[0]
    feature = feature["last_hidden_state"] if isinstance(feature, dict) else feature
    return canonical(feature, network.axes).float().numpy(), output


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert len(text) < 900
    return text


def attempt(call: Any) -> tuple[Any, str]:
    """What a call gives, and the line that refuses it."""
    try:
        return call(), ""
    except InputError as error:
        return None, one_line(error)


TAPPED = [network for network in NETWORKS if network.tap is not None]


@pytest.mark.parametrize("network", TAPPED, ids=str)
def test_capture_writes_what_the_layer_puts_out(network: Network) -> None:
    model, (x, y) = made(network), data(network)
    before = state(model)
    held, refusal = attempt(lambda: capture(model, (x, y), [network.tap], batch_size=20, **network.options))
    assert bool(refusal) == bool(network.refused), refusal
    assert network.refused in refusal
    if refusal:
        if network.layout is None:
            return
        held = capture(model, (x, y), [network.tap], layout={network.tap: network.layout}, **network.options)
    feature, output = direct(network, made(network), x)
    np.testing.assert_allclose(held[network.tap], feature, rtol=2e-2, atol=2e-3)
    assert held["labels"].tolist() == y.tolist()
    if network.logits:
        right = (logits_of(output).argmax(1) == y).double().mean().item()
        assert held.accuracy == pytest.approx(right, abs=0.05)
    else:
        assert held.accuracy is None
    assert same(before, state(model))


def trained(network: Network, method: Any, **options: Any) -> Any:
    teacher, student = made(network, 1), made(network, 2)
    before = state(teacher)
    taps = [] if network.tap is None else [(network.tap, network.tap)]
    layout = None if network.layout is None else [(network.layout, network.layout)]
    result = train(
        teacher, student, data(network), data(network), method=method, taps=taps, layout=layout, recipe=RECIPE,
        **network.options, **options,
    )  # fmt: skip
    assert same(before, state(teacher)), "the teacher was changed"
    return result


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("method", ["none", RID], ids=["none", "rid"])
def test_train_changes_the_student_alone_or_refuses(network: Network, method: Any) -> None:
    refused = network.refused if network.layout is None else ""
    if method is RID:
        refused = refused or network.refused_in_training
    if not network.logits:
        refused = "logits"
    if method == "none" and network.refused_in_training:
        refused = ""
    first = state(made(network, 2))
    result, refusal = attempt(lambda: trained(network, method))
    assert bool(refusal) == bool(refused), refusal
    assert refused in refusal
    if refusal:
        return
    last = state(result.student)
    floats = [k for k, v in first.items() if isinstance(v, torch.Tensor) and v.is_floating_point()]
    assert any(not torch.equal(comparable(first[k]), comparable(last[k])) for k in floats)
    assert all(v.is_contiguous() for v in last.values() if isinstance(v, torch.Tensor) and not v.is_sparse)
    assert len(result.history) == RECIPE.epochs


@pytest.mark.parametrize("network", [n for n in NETWORKS if n.logits], ids=str)
def test_evaluate_is_right(network: Network) -> None:
    model, (x, y) = made(network), data(network)
    before = state(model)
    found = evaluate(model, (x, y), batch_size=20, **network.options)
    _, output = direct(network, made(network), x) if network.tap else (None, None)
    logits = logits_of(output).float()
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == y).double().mean().item(), abs=0.05)
    assert found["loss"] == pytest.approx(nn.functional.cross_entropy(logits, y).item(), rel=2e-2)
    assert same(before, state(model))


@pytest.mark.parametrize(
    "network", [n for n in TAPPED if not n.refused and n.axes in ("BLD", "LBD", "BCL", "BD") and n.logits], ids=str
)
def test_prospect_audits_it(network: Network) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        answer = prospect(
            made(network, 1), made(network, 2), data(network), [(network.tap, network.tap)],
            quantize=pidkd.Quantizer.from_text("pca=2,kmeans=3"), shuffles=0, **network.options,
        )  # fmt: skip
    [result] = answer.report.results.values()
    assert result.residual < 1e-9


@pytest.mark.parametrize(("name", "make", "words"), REFUSED, ids=[name for name, *_ in REFUSED])
@pytest.mark.parametrize("verb", ["train", "capture", "evaluate"])
def test_what_cannot_be_run_is_refused_in_one_line(verb: str, name: str, make: Any, words: str) -> None:
    y = torch.arange(N) % 3
    pairs = vectors()(y, torch.Generator().manual_seed(0)), y
    network = make()
    if verb == "capture" and name == "of one dimension":
        return
    tap = next((path for path, _ in network.named_modules() if path), "0") if isinstance(network, nn.Module) else "0"
    call = {
        "train": lambda: train(None, network, pairs, method="none", recipe=RECIPE),
        "capture": lambda: capture(network, pairs, [tap]),
        "evaluate": lambda: evaluate(network, pairs),
    }[verb]
    _, refusal = attempt(call)
    assert refusal
    if not (verb == "capture" and name == "on the meta device"):  # which has no layer to tap
        assert words in refusal


def test_a_fault_in_train_mode_alone_is_seen_before_the_first_step() -> None:
    y = torch.arange(N) % 3
    with pytest.raises(InputError, match=r"train\(student\): expected a network that runs on inputs .* KeyError"):
        train(None, Fails(only_in_training=True), (torch.randn(N, 5), y), method="none", recipe=RECIPE)


@pytest.mark.parametrize("shared", ["the head", "the stem", "a buffer", "storage", "dropout", "all"])
@pytest.mark.parametrize("method", ["kd", "none"])
def test_a_student_that_shares_state_with_its_teacher_is_refused(shared: str, method: str) -> None:
    def network() -> Any:
        return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))

    teacher, student = network(), network()
    if shared == "the head":
        student[3] = teacher[3]
    if shared == "the stem":
        student[0].weight = teacher[0].weight
    if shared == "a buffer":
        student[1].running_mean = teacher[1].running_mean
    if shared == "storage":
        student[0].weight.data = teacher[0].weight.data
    if shared == "dropout":
        student[2] = teacher[2]
    if shared == "all":
        student = nn.Sequential(teacher, nn.Identity())
    before = state(teacher)
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    with pytest.raises(InputError, match=r"of its own, got '.*', which is the teacher's '.*; give the student a copy"):
        train(teacher, student, pairs, method=method, recipe=RECIPE)
    assert same(before, state(teacher))
    train(teacher, copy.deepcopy(student), pairs, method=method, recipe=RECIPE)
    assert same(before, state(teacher))


def test_scripted_networks_train_without_taps_and_are_refused_with_them() -> None:
    teacher = torch.jit.script(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)))
    student = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    train(teacher, student, pairs, method="kd", recipe=RECIPE)
    evaluate(teacher, pairs)
    with pytest.raises(InputError, match="a scripted or traced one; tap the Python module"):
        capture(teacher, pairs, ["0"])


def test_a_quantised_network_is_a_teacher() -> None:
    quantization = pytest.importorskip("torch.ao.quantization")
    network = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        teacher = quantization.quantize_dynamic(copy.deepcopy(network).eval(), {nn.Linear})
        result = train(teacher, network, pairs, method=RID, taps=[("0", "0")], recipe=RECIPE)
        assert capture(teacher, pairs, ["0"]).accuracy == evaluate(teacher, pairs)["accuracy"]
    assert len(result.history) == 2
    with pytest.raises(InputError, match=r"parameters that need a gradient|a loss in phase"):
        train(None, teacher, pairs, method="none", recipe=RECIPE)


def test_a_lazy_teacher_is_refused() -> None:
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    with pytest.raises(InputError, match=r"train\(teacher\): .* run one batch through it first"):
        train(nn.Sequential(nn.LazyLinear(3)), nn.Linear(5, 3), pairs, method="kd", recipe=RECIPE)


@pytest.mark.parametrize("last", [False, True])
def test_weights_are_left_in_the_memory_layout_that_they_came_in(last: bool) -> None:
    torch.manual_seed(0)
    student = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    student = student.to(memory_format=torch.channels_last if last else torch.contiguous_format)
    before = student[0].weight.stride()
    train(None, student, (torch.randn(N, 2, 8, 8), torch.arange(N) % 3), method="none", recipe=RECIPE)
    assert student[0].weight.stride() == before


def test_paths_may_be_numbers() -> None:
    network = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    assert capture(network, pairs, [1])["1"].shape == (N, 6)
    result = train(copy.deepcopy(network), network, pairs, method=RID, taps=[[1, 1]], recipe=RECIPE)
    assert result.preflight.layers[0]["teacher"] == "1"


def test_modes_of_single_layers_are_left_as_they_were() -> None:
    network = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3)).train()
    network[1].eval()
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    capture(network, pairs, ["0"])
    evaluate(network, pairs)
    assert [layer.training for layer in network] == [True, False, True, True]


def test_gradients_that_a_student_brings_are_not_trained_on() -> None:
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    torch.manual_seed(0)
    clean = nn.Linear(5, 3)
    stale = copy.deepcopy(clean)
    stale(pairs[0]).square().sum().backward()
    for student in (clean, stale):
        train(None, student, pairs, method="none", recipe=RECIPE)
    assert torch.equal(clean.weight, stale.weight)


def test_what_the_preflight_changes_is_said() -> None:
    wide = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    student = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    notes = train(wide, student, pairs, method="kd", recipe=RECIPE, dry_run=True).preflight.notes
    assert any(re.search("teacher is given its inputs in float64", note) for note in notes)
    assert any(re.search("teacher computes in float64; the loss is computed in float32", note) for note in notes)


@pytest.mark.parametrize("training", [True, False])
def test_a_teacher_is_given_back_in_its_modes_without_gradients(training: bool) -> None:
    """Also where the student runs parts of it, which no check of shared parameters can see."""
    teacher = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3)).train(training)

    class Student(nn.Linear):
        def forward(self, x: Any) -> Any:
            return teacher[3](super().forward(x))

    before = state(teacher)
    pairs = torch.randn(N, 5), torch.arange(N) % 3
    train(teacher, Student(5, 6), pairs, method="kd", recipe=RECIPE)
    assert same(before, state(teacher))
    assert all(p.requires_grad and p.grad is None for p in teacher.parameters())
    assert all(layer.training == training for layer in teacher.modules())


@pytest.mark.parametrize("method", ["none", "kd", RID, get_method("ted")()], ids=str)
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("frozen", "parameters that need a gradient, got none"),
        ("detached", "logits with a gradient in phase 'student', got detached ones|reaches student, got one without"),
        ("rows", r"logits of shape \(n_samples, n_classes\), got shape \(1, 3\) for 2 samples"),
    ],
)
def test_what_trains_nothing_is_refused_by_every_method(broken: str, words: str, method: Any) -> None:
    class Student(nn.Sequential):
        def forward(self, x: Any) -> Any:
            z = super().forward(x)
            return z.detach() if broken == "detached" else z[1:] if broken == "rows" else z

    student = Student(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).requires_grad_(broken != "frozen")
    teacher = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    taps = [] if method in ("none", "kd") else [("0", "0")]
    with pytest.raises(InputError, match=words):
        train(teacher, student, (torch.randn(N, 5), torch.arange(N) % 3), method=method, taps=taps, recipe=RECIPE)


def test_a_teacher_that_runs_in_inference_mode() -> None:
    class Teacher(nn.Sequential):
        @torch.inference_mode()
        def forward(self, x: Any) -> Any:
            return super().forward(x)

    teacher = Teacher(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    student = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    result = train(
        teacher, student, (torch.randn(N, 5), torch.arange(N) % 3), method=RID, taps=[("0", "0")], recipe=RECIPE
    )
    assert result.history[-1]["loss"] > 0


def test_values_that_are_no_numbers_are_said() -> None:
    class Logarithm(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.log()

    network = nn.Sequential(Logarithm(), nn.Linear(5, 3))
    x = torch.rand(N, 5)
    x[3, 0] = -1
    with pytest.raises(InputError, match="logits that are numbers, got nan"):
        evaluate(network, (x, torch.arange(N) % 3))
    with pytest.warns(pidkd.errors.DataWarning, match="'0' has infinite or missing values in 1 of 48 samples"):
        held = capture(network, (x, torch.arange(N) % 3), ["0"])
    assert held.accuracy is None
    with pytest.raises(InputError, match="logits that are real numbers"):
        evaluate(nn.Linear(5, 3, dtype=torch.cfloat), (x + 0j, torch.arange(N) % 3))


def test_state_that_is_no_number_goes_through_checkpoints_and_monitors(tmp_path: Any) -> None:
    network = next(n for n in NETWORKS if n.name == "infinities and extra state")
    x, y = data(network)
    items = [{"ids": ids, "y": label, "path": f"{i}.txt"} for i, (ids, label) in enumerate(zip(x, y, strict=True))]
    options: Any = {
        "method": RID,
        "taps": [("layer", "layer")],
        "collate": lambda batch: (batch["ids"], batch["y"]),
        "forward": lambda model, ids: {"logits": model(ids)},
        "out": tmp_path / "run",
        "resume": True,
    }
    recipe = Recipe(epochs=4, batch_size=16, lr=0.01, clip=1.0, held_out=0.25)

    def stop(_: float, row: Any) -> None:
        if row and row["epoch"] == 1:
            raise InterruptedError

    monitor = Monitor(
        made(network, 1), Items(items), [("layer", "layer")], every=2, shuffles=0,
        quantize=pidkd.Quantizer.from_text("pca=2,kmeans=3"),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        whole = train(
            made(network, 1), made(network, 2), Items(items), method=RID, recipe=recipe, strict=True,
            after_epoch=monitor, **{k: v for k, v in options.items() if k in ("taps", "collate", "forward")},
        )  # fmt: skip
    assert sorted(monitor.reports) == [2, 4]
    with pytest.raises(InterruptedError):
        train(made(network, 1), made(network, 2), Items(items), recipe=recipe, strict=True, progress=stop, **options)
    rest = train(made(network, 1), made(network, 2), Items(items), recipe=recipe, strict=True, **options)
    assert same(state(whole.student), state(rest.student))
    assert rest.best is not None
    assert rest.best["student"]["layer._extra_state"] == {"calls": 0, "names": ["a"]}


def test_extra_state_that_no_checkpoint_can_hold_is_refused(tmp_path: Any) -> None:
    class Odd(nn.Linear):
        def get_extra_state(self) -> Any:
            return Network

        def set_extra_state(self, state: Any) -> None:
            pass

    pairs = torch.randn(N, 5), torch.arange(N) % 3
    train(None, Odd(5, 3), pairs, method="none", recipe=RECIPE)
    with pytest.raises(InputError, match="a state of tensors and plain values, got type in '_extra_state'"):
        train(None, Odd(5, 3), pairs, method="none", recipe=RECIPE, out=tmp_path / "run")


class Items(torch.utils.data.Dataset[Any]):
    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        return self.items[row]
