"""Calls of a network on a batch: nested inputs, its own dtype and memory layout, and its errors in one line."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pidkd.errors import InputError, PidkdError, quote
from pidkd.files.reading import IDS

Inputs: TypeAlias = Any
"""What a network is called with: a tensor, a tuple of arguments, or a mapping of keyword arguments."""

Forward: TypeAlias = Callable[[nn.Module, Any], Any]
"""How a network is run on the inputs of a batch, where that is not ``network(inputs)``."""

BYTES = torch.uint8
NARROW = (BYTES, torch.int8, torch.int16, torch.uint16, torch.uint32)
"""Integers that the layers of torch do not take as codes; int64 holds the same."""


def map_tensors(inputs: Inputs, f: Callable[[Tensor], Tensor]) -> Inputs:
    """The same inputs with ``f`` applied to every tensor in them.

    Examples
    --------
    >>> map_tensors({"x": torch.zeros(2), "n": 3}, lambda x: x + 1)
    {'x': tensor([1., 1.]), 'n': 3}
    """
    if isinstance(inputs, Tensor):
        return f(inputs)
    if isinstance(inputs, Mapping):
        return {key: map_tensors(value, f) for key, value in inputs.items()}
    if isinstance(inputs, nn.utils.rnn.PackedSequence):
        return inputs
    if isinstance(inputs, tuple | list):
        return tuple(map_tensors(value, f) for value in inputs)
    return inputs


def tensors_in(inputs: Inputs) -> list[Tensor]:
    """All tensors of nested inputs, in order."""
    if isinstance(inputs, Tensor):
        return [inputs]
    if isinstance(inputs, nn.utils.rnn.PackedSequence):
        return []
    parts = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, tuple | list) else ()
    return [tensor for part in parts for tensor in tensors_in(part)]


def batch_length(inputs: Inputs) -> int | None:
    """Number of samples: the first axis that all tensors share; None where they share none."""
    lengths = {tensor.shape[0] for tensor in tensors_in(inputs) if tensor.dim()}
    return lengths.pop() if len(lengths) == 1 else None


def take_rows(inputs: Inputs, rows: Tensor | slice) -> Inputs:
    """Some samples of the inputs; a tensor without axes belongs to all of them."""
    return map_tensors(inputs, lambda tensor: tensor[rows] if tensor.dim() else tensor)


def describe_inputs(inputs: Inputs) -> str:
    """Shapes and dtypes in words.

    Examples
    --------
    >>> describe_inputs({"ids": torch.zeros(2, 5, dtype=torch.long)})
    'ids of shape (2, 5), int64'
    """
    if isinstance(inputs, nn.utils.rnn.PackedSequence):
        return "a PackedSequence"
    if isinstance(inputs, Tensor):
        return f"shape {tuple(inputs.shape)}, {str(inputs.dtype).removeprefix('torch.')}"
    if isinstance(inputs, Mapping):
        return "; ".join(f"{key} of {describe_inputs(value)}" for key, value in inputs.items()) or "no inputs"
    if isinstance(inputs, tuple | list):
        return f"({', '.join(describe_inputs(value) for value in inputs)})"
    return type(inputs).__name__


def hint_for(given: Any) -> str | None:
    """Hint for a network that fails on inputs of this kind."""
    if isinstance(given, Mapping | tuple):
        return "say how it is run by forward=lambda network, inputs: ..."
    if not isinstance(given, Tensor):
        return None
    if given.is_complex():
        return "torch.view_as_real(x) makes two real numbers of each complex one"
    if given.is_floating_point():
        return "floats are taken for numbers; make codes of them by x.long()" if _are_whole(given) else None
    return "integers are taken for codes; make numbers of them by x.float()"


def _are_whole(values: Tensor) -> bool:
    return values.dim() < 4 and bool((values == values.round()).all())


def for_autograd(values: Any) -> Any:
    """A copy of a tensor that was made in inference mode, as losses may use it; all else as it is."""
    if torch.compiler.is_compiling() or not isinstance(values, Tensor):
        return values
    return values.clone() if values.is_inference() and not torch.is_inference_mode_enabled() else values


@dataclass(frozen=True)
class Feed:
    """The form in which a network takes its inputs.

    Parameters
    ----------
    dtype : torch.dtype
        Of its floating-point inputs: that of its parameters. Bytes with three axes or more are images, and become
        numbers; other integers of fewer than 32 bits are codes, and become int64. All else stays as it is.
    memory_format : torch.memory_format
        Of inputs with four axes.
    """

    dtype: torch.dtype
    memory_format: torch.memory_format = torch.contiguous_format

    def __call__(self, inputs: Inputs) -> Inputs:
        """The inputs in that form."""
        return map_tensors(inputs, self._tensor)

    def _tensor(self, x: Tensor) -> Tensor:
        if x.is_floating_point() or (x.dtype == BYTES and x.dim() >= 3):
            x = x.to(self.dtype)
        elif x.dtype in NARROW:
            x = x.long()
        return x.to(memory_format=self.memory_format) if x.dim() == 4 else x


def network_dtype(model: nn.Module) -> torch.dtype:
    """Floating-point dtype of a network: that of its first such parameter, else the default of torch."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.get_default_dtype())


def call_network(model: nn.Module, inputs: Inputs, forward: Forward | None = None) -> Any:
    """Output of a network on one batch.

    A mapping becomes keyword arguments (a single entry whose key the network does not name is passed by position), a
    tuple positional ones.
    """
    if forward is not None:
        return forward(model, inputs)
    if isinstance(inputs, Mapping):
        if len(inputs) == 1 and not takes(model, next(iter(inputs))):
            return model(*inputs.values())
        return model(**inputs)
    several = isinstance(inputs, tuple) and not isinstance(inputs, nn.utils.rnn.PackedSequence)
    return model(*inputs) if several else model(inputs)


def _parameters(model: nn.Module) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(model.forward).parameters
    except (TypeError, ValueError):
        return {}


def explicit_arguments(model: nn.Module) -> list[str]:
    """Names of the arguments of a network, as its signature spells them."""
    return [name for name, p in _parameters(model).items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def id_names(*models: Any) -> list[str]:
    """Entries of a batch that name its samples, where they are no arguments of the networks."""
    arguments = {name for model in models if isinstance(model, nn.Module) for name in explicit_arguments(model)}
    return [name for name in IDS if name not in arguments]


def takes(model: nn.Module, name: str) -> bool:
    """Whether a network takes a keyword argument of this name, or any."""
    parameters = _parameters(model)
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def logits_of(output: Any) -> Tensor | None:
    """Logits in the output of a network; None where it has none.

    They are the output itself, its attribute or entry ``logits``, or the only tensor of two axes in a tuple.
    """
    output = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if isinstance(output, tuple | list):
        matrices = [part for part in output if isinstance(part, Tensor) and part.dim() == 2]
        output = matrices[0] if len(matrices) == 1 else None
    return output if isinstance(output, Tensor) else None


def explain(error: BaseException) -> str:
    """An error of somebody else's code in one line, with the place in that code."""
    text = " ".join(str(error).split()) or "no message"
    if len(text) > 240:
        text = f"{text[:236]} ..."
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_library(f.filename)]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}"


def _is_library(filename: str) -> bool:
    own = str(Path(__file__).parents[1])
    return filename.startswith(("<", own)) or f"{Path('/')}torch{Path('/')}" in filename


@contextmanager
def others_code(where: str, expected: str, hint: str | None = None) -> Iterator[None]:
    """An error that code of the user raises becomes an ``InputError`` of one line."""
    try:
        yield
    except (PidkdError, NotImplementedError) as error:
        if isinstance(error, PidkdError):
            raise
        raise InputError(where, expected, explain(error), hint) from error
    except Exception as error:
        raise InputError(where, expected, explain(error), hint) from error


@contextmanager
def eval_mode(*modules: nn.Module) -> Iterator[None]:
    """Eval mode for as long as the block runs; afterwards each layer has the mode that it had."""
    training = [(layer, layer.training) for module in modules for layer in module.modules()]
    try:
        for module in modules:
            module.eval()
        yield
    finally:
        for layer, mode in training:
            layer.training = mode


@contextmanager
def same_buffers(model: nn.Module) -> Iterator[None]:
    """Buffers have the values that they had after the block: some networks count or remember what they have seen."""
    with torch.no_grad():
        buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers() if not nn.parameter.is_lazy(buffer)]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                put_back(buffer, before)


@contextmanager
def left_alone(model: nn.Module) -> Iterator[None]:
    """Eval mode without gradients on the parameters; afterwards modes, buffers and gradients are as they were."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    try:
        for p in trainable:
            p.requires_grad_(False)
        with eval_mode(model), same_buffers(model):
            yield
    finally:
        for p in trainable:
            p.requires_grad_(True)


@torch.no_grad()
def put_back(value: Tensor, before: Tensor) -> None:
    """Give a tensor the values and the shape of its copy, where they are not the same."""
    if value.layout != torch.strided or value.shape != before.shape:
        value.data = before
        return
    bits = value.is_floating_point() and value.dtype.itemsize == 1  # no comparison of floats of 8 bits
    same = torch.equal(value.view(BYTES), before.view(BYTES)) if bits else torch.equal(value, before)
    if not same:
        value.copy_(before)


@contextmanager
def same_draws() -> Iterator[None]:
    """Random numbers of the CPU and of CUDA are as they were after the block."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        yield


def arrange(model: nn.Module, memory_format: torch.memory_format) -> list[Tensor]:
    """The parameters with four axes that lay otherwise, brought into a memory layout; all values stay as they are."""
    moved: list[Tensor] = []
    for p in model.parameters():
        if p.dim() == 4 and p.layout == torch.strided and p.is_contiguous():
            p.data = p.data.to(memory_format=memory_format)
            moved.append(p)
    return moved


def check_network(model: Any, where: str) -> None:
    """Refuse what is no network, or one whose weights do not exist yet."""
    if not isinstance(model, nn.Module):
        raise InputError(where, "a torch.nn.Module", type(model).__name__)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if nn.parameter.is_lazy(value):
            hint = "run one batch through it first, which makes its weights"
            raise InputError(where, "a network whose weights exist", f"a lazy layer with {name!r} not yet made", hint)
        if value.is_meta:
            raise InputError(where, "a network whose weights exist", f"{name!r} on the meta device", "load its weights")


def check_trainable(model: nn.Module, where: str) -> None:
    """Refuse a network whose parameters can have no gradient."""
    made = next((name for name, p in model.named_parameters() if p.is_inference()), None)
    if made is not None:
        hint = "copy its state_dict() into a network that was made outside of it"
        raise InputError(where, "parameters that can be trained", f"{made!r}, made in inference mode", hint)


def check_apart(teacher: nn.Module, student: nn.Module, where: str) -> None:
    """Refuse a student that shares state with its teacher: training the one would change the other."""
    named_t, named_s = _state(teacher), _state(student)
    shared = [(named_t[key], name) for key, name in named_s.items() if key in named_t]
    if shared:
        (t, s), n = shared[0], len(shared)
        got = f"{s!r}, which is the teacher's {t!r}{f', and {n - 1} more' if n > 1 else ''}"
        raise InputError(where, "a student with parameters, buffers and layers of its own", got, HINT_APART)


HINT_APART = "give the student a copy of it (copy.deepcopy), or train with a copy of the teacher"


def _state(model: nn.Module) -> dict[Any, str]:
    """Names of the memory of parameters and buffers, and of layers that act by mode."""
    named: dict[Any, str] = {}
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if not nn.parameter.is_lazy(value) and value.numel() and value.layout == torch.strided:
            named.setdefault((value.device, value.untyped_storage().data_ptr()), name)
    for name, layer in model.named_modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            named.setdefault(id(layer), name)
    return named


def check_pairs(pairs: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Layer pairs with paths as text; whole numbers, as ``nn.Sequential`` names its layers, are taken as such."""
    if isinstance(pairs, str | Mapping) or not isinstance(pairs, Sequence):
        raise InputError(where, "pairs (teacher layer, student layer)", quote(pairs))
    checked = []
    for pair in pairs:
        paths = [layer_path(p) for p in pair] if isinstance(pair, tuple | list) else [None]
        if len(paths) != 2 or None in paths:
            raise InputError(where, "pairs (teacher layer, student layer)", quote(pair))
        checked.append((str(paths[0]), str(paths[1])))
    return tuple(checked)


def layouts(
    layout: Sequence[tuple[str | None, str | None]] | None, pairs: Sequence[tuple[str, str]], where: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Axes by path, for the teacher and for the student, of those that are given for each layer pair."""
    given = [(None, None)] * len(pairs) if layout is None else list(layout)
    if len(given) != len(pairs) or not all(isinstance(axes, tuple | list) and len(axes) == 2 for axes in given):
        raise InputError(where, f"(teacher axes, student axes) for each of {len(pairs)} pairs", quote(layout))
    t, s = ({pair[k]: a for pair, axes in zip(pairs, given, strict=True) if (a := axes[k])} for k in (0, 1))
    return t, s


def layer_path(path: Any) -> str | None:
    """A path as text: text as it is, a whole number as ``nn.Sequential`` names its layers; None for anything else."""
    if isinstance(path, int) and not isinstance(path, bool):
        return str(path)
    return path if isinstance(path, str) else None
