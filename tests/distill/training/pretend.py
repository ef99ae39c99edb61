"""A CUDA device on a machine without one: its tensors compute on the host, and do not mix with the host's own.

Fake tensors of torch (``FakeTensorMode``) say where and what a tensor is without values, and builds of torch without
CUDA abort where one of a CUDA device needs a gradient. Most of what runs on a device reads numbers back and decides by
them. So a tensor here holds a tensor of the host, says that it lies on "cuda:0", and can be read by ``.cpu()``,
``.item()`` and ``.tolist()`` only, as there. What comes out is what the host computes, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CUDA = torch.device("cuda", 0)
INSIDE = "meta"
"""Device of these tensors as torch's own code knows it, which takes gradients there."""
COPIES = ("aten::_to_copy", "aten::copy_", "aten::set_")
INDEXING = ("aten::index", "aten::index_put_", "aten::index_put")
"""Operations on a tensor of the device that take indices of either."""


class MixedDevicesError(Exception):
    """An operation that mixes device and host."""


class OnDevice(torch.Tensor):
    """Tensor that says that it lies on the device, and holds one of the host."""

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> OnDevice:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=INSIDE,
        )
        made.values_on_host = values
        return made

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_meta = property(lambda self: False)

    @property
    def data(self) -> OnDevice:
        return self.detach()

    @data.setter
    def data(self, new: OnDevice) -> None:
        torch.Tensor.data.__set__(self, new)
        self.values_on_host = new.values_on_host

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.values_on_host.__reduce_ex__(protocol)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on what the tensors hold; its outputs lie where its inputs do, or where it is told."""
    name, known = function._schema.name, {}
    is_copy, is_indexed = name in COPIES, name in INDEXING and isinstance(args[0], OnDevice)
    is_mixed = False

    def held(value: Any, may_mix: bool = False) -> Any:
        nonlocal is_mixed
        if isinstance(value, OnDevice):
            known[id(value.values_on_host)] = value
            return value.values_on_host
        if isinstance(value, torch.Tensor):
            is_mixed |= bool(value.dim()) and not may_mix
        elif isinstance(value, list | tuple):
            return type(value)(held(one, may_mix) for one in value)
        return value

    given = [held(value, is_copy or (is_indexed and i == 1)) for i, value in enumerate(args)]
    named = {name: held(value) for name, value in kwargs.items()}
    if known and is_mixed:
        raise MixedDevicesError(f"{function} of tensors on cuda and cpu")
    asked = named.get("device")
    is_there = bool(known) if asked is None else torch.device(asked).type == INSIDE
    if asked is not None:
        named["device"] = "cpu"

    def placed(output: Any) -> Any:
        if isinstance(output, list | tuple):
            return type(output)(map(placed, output))
        if not (isinstance(output, torch.Tensor) and is_there):
            return output
        return known[id(output)] if id(output) in known else OnDevice(output)

    return placed(function(*given, **named))


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(function, args, kwargs or {})


class _Names(TorchFunctionMode):
    """Calls that name the device, with the name that torch's own code knows."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.device:
            return function(*args, **kwargs or {})
        named = {name: _inside(value) for name, value in (kwargs or {}).items()}
        return function(*map(_inside, args), **named)


def _inside(value: Any) -> Any:
    is_named = isinstance(value, str | torch.device) and str(value).startswith("cuda")
    return torch.device(INSIDE) if is_named else value


@contextmanager
def cuda_device() -> Iterator[None]:
    """Context in which torch has a CUDA device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: 1)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda **options: False)
        patch.setattr(torch.cuda, "set_device", lambda device: None)
        patch.setattr(torch.cuda, "manual_seed", lambda seed: None)
        patch.setattr(torch.cuda, "get_rng_state", lambda device: torch.zeros(16, dtype=torch.uint8))
        patch.setattr(torch.cuda, "set_rng_state", lambda state: None)
        with _Names(), _Operations():
            yield
