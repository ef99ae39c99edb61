"""The state of networks: what of it is watched, carried along, and hashed."""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pidkd.distill.feeding import put_back
from pidkd.errors import InputError


@torch.no_grad()
def fingerprint(model: nn.Module) -> str:
    """SHA-256 of a network's parameters, buffers and extra state, in hexadecimal: equal only if every bit is."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor) and not value.is_quantized and value.layout == torch.strided:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        else:
            digest.update(name.encode())
            _hash(digest, value)
    return digest.hexdigest()


def _hash(digest: Any, value: Any) -> None:
    """Add plain values, and what holds them, to a hash; an object of another kind by its type alone."""
    if isinstance(value, Tensor):
        if value.is_quantized:
            digest.update(f"{value.qscheme()}".encode())
            value = value.dequantize()
        value = value.detach().cpu().to_dense().contiguous()
        digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            digest.update(repr(key).encode())
            _hash(digest, part)
    elif isinstance(value, tuple | list):
        digest.update(f"{type(value).__name__} {len(value)}".encode())
        for part in value:
            _hash(digest, part)
    else:
        plain = value is None or isinstance(value, bool | int | float | complex | str | bytes | torch.dtype)
        digest.update((repr(value) if plain else type(value).__qualname__).encode())


def copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dictionary with values of its own."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in state.items()
    }


@torch.no_grad()
def finite_entries(module: nn.Module) -> frozenset[str]:
    """Names of the entries of a module's state that training may change and that are finite: those to be watched."""
    return frozenset(name for name, value in module.state_dict().items() if _is_finite(value))


def first_not_finite(module: nn.Module, watched: frozenset[str]) -> str | None:
    """The first of the watched entries that is no longer finite; None if all are."""
    return next((n for n, value in module.state_dict().items() if n in watched and not _is_finite(value)), None)


def _is_finite(value: Any) -> bool:
    if not isinstance(value, Tensor) or value.is_quantized or not (value.is_floating_point() or value.is_complex()):
        return False
    value = value.coalesce().values() if value.is_sparse else value
    return bool((value.float() if value.dtype.itemsize == 1 else value).isfinite().all())


def check_can_be_kept(module: nn.Module, where: str) -> None:
    """Refuse extra state that a checkpoint cannot hold: it is read back without running any code."""
    extra = {name: value for name, value in module.state_dict().items() if not isinstance(value, Tensor)}
    buffer = io.BytesIO()
    for name, value in extra.items():
        try:
            buffer.seek(0)
            torch.save(value, buffer)
            buffer.seek(0)
            torch.load(buffer, weights_only=True)
        except Exception as error:  # whatever pickling somebody else's object may raise
            got = f"{type(value).__name__} in {name!r}"
            hint = "let get_extra_state return numbers, text, tensors, lists or dictionaries"
            raise InputError(where, "a state of tensors and plain values", got, hint) from error


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Parameters, buffers, extra state and plain attributes are what they were after the block; gradients are none."""
    tensors = [*module.parameters(), *module.buffers()]
    with torch.no_grad():
        copies = [value.detach().clone() for value in tensors]
    extra = [
        (layer, copy.deepcopy(layer.get_extra_state()))
        for layer in module.modules()
        if type(layer).get_extra_state is not nn.Module.get_extra_state
    ]
    counters = [(layer, _plain_attributes(layer)) for layer in module.modules()]
    try:
        yield
    finally:
        for layer, attributes in counters:
            for name, held_value in attributes.items():
                setattr(layer, name, held_value)
        for value, before in zip(tensors, copies, strict=True):
            put_back(value, before)
        for layer, state in extra:
            layer.set_extra_state(state)
        for p in module.parameters():
            p.grad = None


def _plain_attributes(layer: nn.Module) -> dict[str, Any]:
    """Numbers and switches that a layer keeps for itself: a count of steps, whether it has been initialised."""
    kinds = (bool, int, float)
    return {k: v for k, v in vars(layer).items() if isinstance(v, kinds) and not k.startswith("_") and k != "training"}
