import copy

import pytest

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pidkd.distill import FeatureTap  # noqa: E402
from pidkd.distill.taps import guided_parameters  # noqa: E402


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.stage1 = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.ReLU())
        self.unused = nn.Linear(2, 2)
        self.fc = nn.Linear(6, 5)

    def forward(self, x, again=False):
        x = self.stage1(self.stem(x))
        x = self.stage1(x) if again else x
        return self.fc(self.stage2(x).mean(dim=(2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


x = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)


def test_logits_and_features_are_those_of_the_model(net):
    logits, features = FeatureTap(net, ["stage1", "stage2.0"]).eval()(x)
    assert torch.equal(logits, net(x))
    assert list(features) == ["stage1", "stage2.0"]
    first = net.stage1(net.stem(x))
    assert torch.equal(features["stage1"], first)
    assert torch.equal(features["stage2.0"], net.stage2[0](first))


def test_gradients_through_features_are_those_of_the_model(net):
    FeatureTap(net.eval(), ["stage1"])(x)[1]["stage1"].sum().backward()
    tapped = net.stem.weight.grad.clone()
    net.zero_grad()
    net.stage1(net.stem(x)).sum().backward()
    assert torch.equal(tapped, net.stem.weight.grad)


@pytest.mark.parametrize(("path", "near"), [("stage3", "'stage2'"), ("model.stage1", "'stage1'"), ("?", "'stem'")])
def test_a_wrong_path_is_refused_at_construction_with_the_nearest(net, path, near):
    with pytest.raises(InputError, match=r"FeatureTap\(paths\): expected paths of layers of Net") as caught:
        FeatureTap(net, ["stage1", path])
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_string_in_place_of_a_list_is_refused(net):
    with pytest.raises(InputError, match=r"write \['stage1'\]"):
        FeatureTap(net, "stage1")


def test_a_layer_that_does_not_run_is_refused_at_the_first_batch(net):
    with pytest.raises(InputError, match=r"\['unused'\]: expected a layer that runs once, got 0 runs"):
        FeatureTap(net, ["stage1", "unused"])(x)


def test_a_layer_that_runs_twice_is_refused(net):
    with pytest.raises(InputError, match="got 2 runs"):
        FeatureTap(net, ["stage1"])(x, again=True)


def test_an_output_that_is_no_feature_is_refused():
    class Odd(nn.Module):
        def forward(self, x):
            return x.sum().expand(2)

    model = nn.Sequential(Odd(), nn.Flatten(0), nn.LazyLinear(3))
    with pytest.raises(InputError, match=r"shape \(B, C, H, W\), \(B, L, D\) or \(B, D\), got shape"):
        FeatureTap(model, ["0"])(x)


def test_an_output_that_the_next_layer_overwrites_is_refused():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    with pytest.raises(InputError, match="got one that a later layer overwrites; tap the layer after it"):
        FeatureTap(model, ["0"])(torch.ones(2, 3))
    assert FeatureTap(model, ["1"])(torch.ones(2, 3))[1]["1"].min() >= 0


def test_inference_mode(net):
    tap = FeatureTap(net.eval(), ["stage1"])
    with torch.inference_mode():
        assert torch.equal(tap(x)[0], net(x))


def test_tokens_of_a_layer_that_returns_a_tuple():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0].mean(dim=1)

    _, features = FeatureTap(Attending(), ["attention"])(torch.zeros(2, 5, 8))
    assert features["attention"].shape == (2, 5, 8)


def test_logits_as_an_attribute_of_the_output():
    class Output:
        def __init__(self, logits):
            self.logits = logits

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 3)

        def forward(self, x):
            return Output(self.fc(x))

    assert FeatureTap(Wrapped(), ["fc"])(torch.zeros(1, 2))[0].shape == (1, 3)


def test_an_output_without_logits_is_refused():
    class Pair(nn.Linear):
        def forward(self, x):
            return {"out": super().forward(x)}

    with pytest.raises(InputError, match="expected logits, or an output that has them, got dict"):
        FeatureTap(Pair(2, 3), [])(torch.zeros(1, 2))


def test_a_frozen_tap_keeps_the_statistics_of_its_model_whatever_train_is_called(net):
    tap = FeatureTap(net, ["stage1"], frozen=True)
    before = copy.deepcopy(net.state_dict())
    nn.ModuleList([tap]).train()
    logits, features = tap(x)
    assert not net.training
    assert not logits.requires_grad
    assert not features["stage1"].requires_grad
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_thawed_tap_trains_again(net):
    tap = FeatureTap(net, ["stage1"], frozen=True)
    tap.freeze(False)
    before = net.stage1[0].running_mean.clone()
    assert tap(x)[0].requires_grad
    assert not torch.equal(before, net.stage1[0].running_mean)


@pytest.mark.parametrize("grad", [True, False])
def test_a_tap_that_is_compiled_whole_shows_the_same(net, grad):
    tap = FeatureTap(net, ["stage1", "stage2"]).eval()
    compiled = torch.compile(tap, backend="aot_eager", fullgraph=True)
    with torch.set_grad_enabled(grad):
        for batch in (x, x + 1):
            logits, features = compiled(batch)
            expected, expected_features = tap(batch)
            torch.testing.assert_close(logits, expected)
            torch.testing.assert_close(features, expected_features)
            assert logits.requires_grad == grad


def test_freezing_reaches_a_compiled_tap(net):
    tap = FeatureTap(net, ["stage1"])
    compiled = torch.compile(tap, backend="aot_eager", fullgraph=True)
    assert compiled(x)[0].requires_grad
    tap.freeze()
    before = copy.deepcopy(net.state_dict())
    assert not compiled(x)[0].requires_grad
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_compiled_model_is_refused(net):
    with pytest.raises(InputError, match="tap the model first, then compile or wrap the tap"):
        FeatureTap(torch.compile(net, backend="eager"), ["stage1"])
    net.compile(backend="eager")
    with pytest.raises(InputError, match="got a compiled one"):
        FeatureTap(net, ["stage1"])


def test_a_copy_has_features_of_its_own(net):
    tap = FeatureTap(net, ["stage1"])
    twin = copy.deepcopy(tap).eval()
    with torch.no_grad():
        twin.model.stem.weight.zero_()
        twin.model.stem.bias.zero_()
    assert twin(x)[1]["stage1"].abs().max() == 0
    assert tap(x)[1]["stage1"].abs().max() > 0


def test_nothing_is_held_between_batches_and_nothing_is_left_after_close(net):
    tap = FeatureTap(net, ["stage1"])
    tap(x)
    net(x)
    assert tap._caught == {}
    tap.close()
    assert not net.stage1._forward_hooks


def test_the_guided_parameters_are_those_before_the_tap(net):
    _, features = FeatureTap(net, ["stage1"])(x)
    assert guided_parameters(net, features) == ["stem.weight", "stem.bias", "stage1.0.weight", "stage1.0.bias"]


def test_nothing_is_guided_before_the_first_layer_with_parameters(net):
    net.stem.requires_grad_(False)
    features = FeatureTap(net, ["stem"])(x)[1]
    assert guided_parameters(net, features) == []
