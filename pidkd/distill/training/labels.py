"""Inputs and class labels of what users give: batches, arrays, data frames, lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pidkd.arrays import check_same_rows
from pidkd.distill.feeding import Inputs, batch_length, describe_inputs, tensors_in
from pidkd.errors import InputError
from pidkd.files.reading import LABELS

Batch: TypeAlias = tuple[Inputs, Tensor]
"""Inputs, and their class labels of shape (B,), or probabilities of classes of shape (B, n_classes)."""


def split_batch(batch: Any, where: str, *, anything: bool = False) -> tuple[Inputs, Any]:
    """Inputs and labels of a batch: a pair, or a mapping with one entry for labels.

    Inputs without a tensor are let through where ``anything`` is: somebody has said what the inputs are.

    Raises
    ------
    InputError
        When it is neither.
    """
    if isinstance(batch, Mapping):
        keys = [key for key in LABELS if key in batch]
        inputs = {key: value for key, value in batch.items() if key not in keys}
        if len(keys) == 1 and inputs:
            return _from_numpy(inputs), _from_numpy(batch[keys[0]])
        got = f"entries {', '.join(map(str, batch))}"
        raise InputError(where, f"batches with inputs and one of {', '.join(LABELS)}", got, HINT_COLLATE)
    if isinstance(batch, tuple | list) and len(batch) == 2:
        x, y = (_from_numpy(part) for part in batch)
        if anything or tensors_in(x):
            return x, y
    got = type(batch).__name__
    if isinstance(batch, tuple | list):
        got = f"{got} of {len(batch)}: {', '.join(type(part).__name__ for part in batch)}"
    raise InputError(where, "batches of inputs and labels", got, HINT_COLLATE)


def _from_numpy(part: Any) -> Any:
    """Arrays in a batch as tensors, and lists as tuples of arguments."""
    if isinstance(part, np.ndarray) and part.dtype.kind in "biuf":
        return as_tensors(part, "batch")
    if isinstance(part, dict):
        return {key: _from_numpy(value) for key, value in part.items()}
    if isinstance(part, list) and not all(isinstance(value, int | float | str) for value in part):
        return tuple(map(_from_numpy, part))
    return part


HINT_COLLATE = "say which is which by collate=lambda batch: (inputs, labels)"


def as_labels(where: str, x: Inputs, y: Any, *, check_length: bool = True, n_axes: int = 1) -> Tensor:
    """Class labels of the samples as int64; soft ones, probabilities of classes in two axes, as they are.

    With ``n_axes=2`` labels are those of tokens, shape (B, L).

    Raises
    ------
    InputError
        When they are neither one integer for each sample, nor rows of probabilities.
    """
    n = batch_length(x) if check_length else None
    if isinstance(y, list | tuple) and all(type(label) in (int, bool) for label in y):
        y = torch.tensor(y)
    if isinstance(y, Tensor) and y.is_floating_point() and y.dim() == 2 and y.shape[1] > 1 and n in (None, len(y)):
        return _soft(where, y)
    whole = isinstance(y, Tensor) and not (y.is_floating_point() or y.is_complex())
    if not whole or y.dim() != n_axes or (n is not None and len(y) != n):
        got = f"{type(y).__name__}"
        if isinstance(y, Tensor):
            got = f"{y.dtype} of shape {tuple(y.shape)}"
        hint = None
        if isinstance(y, Tensor) and y.dim() == 2 and n_axes == 1:
            hint = "labels.squeeze(1) has one axis" if y.shape[1] == 1 else "labels.argmax(1) are the classes"
        elif isinstance(y, Tensor) and y.dim() == 1 and y.is_floating_point():
            hint = "labels.long(), if they are classes"
        got = f"{got} beside inputs of {describe_inputs(x)}"
        raise InputError(
            where, f"one class label, an integer, for each {'input' if n_axes == 1 else 'token'}", got, hint
        )
    labels: Tensor = y.long()
    return labels


def _soft(where: str, y: Tensor) -> Tensor:
    """Soft labels, checked."""
    tolerance = 1e-3 if y.dtype.itemsize >= 4 else 1e-2
    off = (y.double().sum(1) - 1).abs() > tolerance
    odd = (off | (y < 0).any(1) | ~y.isfinite().all(1)).nonzero()
    if len(odd):
        row = int(odd[0])
        got = f"row {row}: {', '.join(f'{value:.4g}' for value in y[row, :4].tolist())}{', ...' * (y.shape[1] > 4)}"
        hint = "logits.softmax(1) are probabilities, and class labels are integers of shape (n,)"
        raise InputError(where, "integers, or probabilities of classes with sum 1 in each row", got, hint)
    return y


def classes_of(y: Tensor) -> Tensor:
    """Class labels; of soft ones the likeliest classes.

    Examples
    --------
    >>> classes_of(torch.tensor([[0.2, 0.8], [0.9, 0.1]]))
    tensor([1, 0])
    """
    return y if y.dim() == 1 else y.argmax(1)


def smoothed(y: Tensor, n_classes: int, epsilon: float) -> Tensor:
    r"""Label smoothing: :math:`(1 - \varepsilon)\, q + \varepsilon / C`, shape (B, n_classes).

    Examples
    --------
    >>> smoothed(torch.tensor([1]), 2, 0.2)
    tensor([[0.1000, 0.9000]])
    """
    q = torch.nn.functional.one_hot(y, n_classes).float() if y.dim() == 1 else y
    return (1 - epsilon) * q + epsilon / n_classes


def check_range(where: str, y: Tensor, n_classes: int, of: str = "the classes of the student") -> None:
    """Refuse a label that is none of the classes, and soft labels of other classes."""
    if y.dim() == 2:
        if y.shape[1] != n_classes:
            raise InputError(where, f"{n_classes} probabilities in each row, one for each of {of}", str(y.shape[1]))
        return
    odd = y[(y < 0) | (y >= n_classes)]
    if len(odd):
        hint = "a network of two classes has two outputs" if n_classes == 1 else None
        raise InputError(where, f"labels from 0 to {n_classes - 1}, {of}", str(int(odd[0])), hint)


def are_batches(data: Any) -> bool:
    """Whether an object is a series of batches, and no pair of arrays."""
    if isinstance(data, Mapping | str) or hasattr(data, "shape") or not hasattr(data, "__iter__"):
        return False
    if not isinstance(data, tuple | list):
        return True
    return len(data) > 0 and all(isinstance(one, Mapping) or _is_pair(one) for one in data)


def _is_pair(batch: Any) -> bool:
    """Inputs, and a label for each of them."""
    if not isinstance(batch, tuple | list) or len(batch) != 2 or not isinstance(batch[1], Tensor | np.ndarray):
        return False
    x, y = _from_numpy(batch[0]), batch[1]
    return y.ndim == 1 and batch_length(x) == len(y)


def arrays_of(data: Any, where: str) -> Batch:
    """Inputs and labels that a user gave, as tensors.

    Raises
    ------
    InputError
        When they are no pair of arrays with as many rows, or the labels are no classes.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        got = f"{type(data).__name__} of {len(data)}" if isinstance(data, tuple | list) else type(data).__name__
        raise InputError(where, "(x, y), a torch Dataset or DataLoader, ImageData or TextData", got)
    check_same_rows(where, x=data[0], y=data[1])
    x, y = as_tensors(data[0], f"{where}[0]"), as_tensors(data[1], f"{where}[1]")
    if not tensors_in(x):
        raise InputError(f"{where}[0]", "arrays of inputs", type(data[0]).__name__)
    if batch_length(x) is None:
        raise InputError(f"{where}[0]", "inputs with one row for each sample", describe_inputs(x))
    return x, as_labels(f"{where}[1]", x, y)


def as_tensors(values: Any, where: str) -> Inputs:
    """Arrays, data frames or lists as tensors, dtype kept; of a mapping or a tuple each part."""
    if getattr(values, "layout", torch.strided) != torch.strided or hasattr(values, "toarray"):
        dense = "to_dense()" if isinstance(values, Tensor) else "toarray()"
        raise InputError(where, "a dense array", type(values).__name__, f"write x.{dense}")
    if isinstance(values, Tensor):
        return values.detach()
    if isinstance(values, Mapping):
        return {str(key): as_tensors(part, f"{where}[{key!r}]") for key, part in values.items()}
    if isinstance(values, tuple) and values and all(hasattr(part, "shape") and part.shape for part in values):
        return tuple(as_tensors(part, where) for part in values)
    try:
        if isinstance(values, list) and values and isinstance(values[0], Tensor):
            values = torch.stack(values)
            return values.detach()
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        got = " ".join(str(error).split())
        raise InputError(where, "numbers, with rows of one shape", got, "pad rows to one length") from error
    if array.dtype.kind not in "biufc":
        raise InputError(where, "numbers", f"dtype {array.dtype}", "encode text and categories as integers from 0")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise InputError(where, "numbers of at most 64 bits", f"dtype {array.dtype}", "convert them by astype(float)")
    dtype = array.dtype.newbyteorder("=") if array.dtype.kind != "u" or array.dtype.itemsize == 1 else np.int64
    return torch.from_numpy(np.array(array, dtype=dtype, order="C"))
