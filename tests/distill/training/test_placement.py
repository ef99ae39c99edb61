"""Steps on a device that is not there: no operation may mix it with the host.

The device is "meta", whose tensors have shape and type but no values; builds of torch without CUDA can neither move
fake CUDA tensors nor take their gradients. Kernels for "meta" let some mixtures pass: every operation is looked at.
"""

import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import TAPS  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from pidkd.distill import FeatureTap, Recipe, get_method  # noqa: E402
from pidkd.distill.training.balance import Balance  # noqa: E402
from pidkd.distill.training.step import Step  # noqa: E402
from pidkd.errors import InputError  # noqa: E402

METHODS = pytest.mark.parametrize("method", small.methods(), ids=lambda method: method.name)
COPIES = ("aten::_to_copy", "aten::copy_")


class MixedDevicesError(Exception):
    """An operation that mixes device and host."""


class OneDevice(TorchDispatchMode):
    """Refuse operations with tensors of several devices, but copies and numbers from the host."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors if tensor.dim() or tensor.device.type != "cpu"}
        if len(devices) > 1 and function._schema.name not in COPIES:
            raise MixedDevicesError(f"{function} of tensors on {' and '.join(sorted(devices))}")
        return function(*args, **kwargs or {})


class Place:
    """What the balance asks of a runtime."""

    device, world_size = torch.device("meta"), 1

    def sum(self, values):
        return values


def step_of(method):
    """A step of the method on the device, as the engine places it, the tapped teacher, and a batch."""
    taps = FeatureTap(small.teacher(), ["0", "1"], frozen=True), FeatureTap(small.student(), ["0", "1"])
    x, y = small.data(16)
    step = Step(method, *taps, TAPS if method.needs_taps else (), x)
    for module in (step, taps[0]):
        module.to("meta", memory_format=torch.channels_last)
    return step, taps[0], x.to("meta"), y.to("meta")


@METHODS
def test_every_phase_of_every_method_stays_on_the_device(method):
    step, teacher, x, y = step_of(method)
    with OneDevice():
        balance = Balance(Recipe(balance_every=1), Place())
        for phase in method.phases:
            step.start(phase)
            trained = step.trained(method.phases[phase])
            student = list(trained.get("student", {}).values())
            outputs = step.paired(teacher(x), 0) if method.needs_teacher else None
            result = step(x, outputs, y)
            assert result.total.dtype == torch.float32
            assert all(value.dtype == torch.float32 for value in result.values.values())
            before = balance.before(result, student) if method.phases[phase].student == "whole" else None
            result.total.backward()
            if before is not None:
                balance.after(result, before, student, step.loss.gate)
                assert balance.factor.device.type == balance.tally.sums.device.type == "meta"
            for group in trained.values():
                for p in group.values():
                    assert p.device.type == p.grad.device.type == "meta"
                    assert p.grad.dtype == torch.float32
                norm = nn.utils.clip_grad_norm_(group.values(), 1.0)
                assert norm.device.type == "meta"
            step.zero_grad()


def host_labels(step, teacher, x, y):
    step(x, step.paired(teacher(x), 0), torch.zeros(16, dtype=torch.long))


def host_filter(step, teacher, x, y):
    step.loss.f_s[0].to_empty(device="cpu")
    step(x, step.paired(teacher(x), 0), y)


def host_teacher(step, teacher, x, y):
    teacher.to_empty(device="cpu")
    step(x, step.paired(teacher(x), 0), y)


@pytest.mark.parametrize("mistake", [host_labels, host_filter, host_teacher])
def test_what_is_left_on_the_host_is_noticed(mistake):
    step, teacher, x, y = step_of(get_method("rid")())
    step.start("student")
    with OneDevice(), pytest.raises((MixedDevicesError, RuntimeError, InputError), match=r"device|cpu|Mixed"):
        mistake(step, teacher, x, y)
