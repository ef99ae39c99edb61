"""Networks by name: the registry, seeds, and callables of somebody else."""

from __future__ import annotations

import pytest

from pidkd.distill.architectures import build_model
from pidkd.errors import InputError, UnknownNameError

torch = pytest.importorskip("torch")


def test_weights_go_by_the_seed_and_leave_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = (build_model("cnn", (8, 8, 1), 3, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first.stage1[0].weight, second.stage1[0].weight)
    assert not torch.equal(first.stage1[0].weight, other.stage1[0].weight)


def test_a_callable_gets_the_options_as_they_are() -> None:
    model = build_model("torch.nn:Linear", (8, 8, 1), 3, in_features=5, out_features=7)
    assert (model.in_features, model.out_features) == (5, 7)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("wnr", {}, "did you mean 'wrn'"),
        ("wrn", {"depht": 16}, "did you mean 'depth'"),
        ("wrn", {"depth": 17}, "10, 16, 22"),
        ("wrn", {"depth": "deep"}, "depth: expected a whole number from 10 to 10,000, got 'deep'"),
        ("wrn", {"n_classes": 3}, "an option"),
        ("wrn", {"width": 0}, "from 1 to 1,000"),
        ("wrn", {"dropout": 1.0}, r"in \[0, 1\)"),
        ("wrn", {"init": "zero"}, "one of 'normal', 'uniform'"),
        ("resnet", {"depth": 50}, "one of 18, 34"),
        ("resnet_cifar", {"depth": 18}, "8, 14, 20"),
        ("cnn", {"widths": [8] * 7}, "can be halved"),
        ("cnn", {"widths": []}, "channels"),
        ("cnn", {"stride": 0}, "from 1 to 1,000"),
        ("mlp", {"widths": [0]}, "a list, each a whole number"),
        ("no.such.module:thing", {}, "can be imported"),
        ("torch.nn:NoSuchThing", {}, "can be imported"),
        ("torch.nn:Linear", {"width": 3}, "to be made with"),
        ("math:sqrt", {}, "to be made with no options"),
        ("collections:Counter", {}, "gives a torch.nn.Module, got Counter"),
    ],
)
def test_bad_names_and_options(name: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        build_model(name, (32, 32, 3), 10, **options)  # type: ignore[arg-type]


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(UnknownNameError, match="cnn, mlp, resnet, resnet_cifar, wrn"):
        build_model("vgg", (32, 32, 3), 10)
