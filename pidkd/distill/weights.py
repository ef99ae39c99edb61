"""Weights of networks from files as they are found: state dictionaries, checkpoints, safetensors."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from pidkd.distill.feeding import explain
from pidkd.errors import InputError, PidkdError, WeightsWarning, import_extra, quote, reason
from pidkd.files.format import Source
from pidkd.files.formats.pt import read_state
from pidkd.files.json import read_json
from pidkd.files.opening import MAX_MEMORY, existing_file, is_there
from pidkd.runs.output import PathLike

State: TypeAlias = dict[str, Any]

EXPECTED = "a state dictionary, as torch.save writes it"
HINT = "torch.save(network.state_dict(), FILE) writes the weights alone"


def load_weights(network: nn.Module, path: PathLike, where: str, instead: str = "") -> None:
    """Load the weights of a file into a network.

    The state dictionary may lie in an entry of a checkpoint ("state_dict", "model" and the like), and its names may
    begin alike ("module.", "_orig_mod.", "model."): the one place in the file that has all the names of the network is
    taken.

    Parameters
    ----------
    network : torch.nn.Module
    path : path
        A file that ``torch.save`` has written, or a ``.safetensors`` file.
    where : str
        What messages call the argument that names the file.
    instead : str
        What else ``where`` could say, for the message.

    Warns
    -----
    WeightsWarning
        When the weights were not loaded as they are: an entry was chosen, names were shortened, entries were left out,
        or numbers were converted.

    Raises
    ------
    InputError
        When the file is missing, damaged or holds anything else, does not fit, or fits in more than one way.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from tempfile import TemporaryDirectory
    >>> network = nn.Linear(2, 3)
    >>> with TemporaryDirectory() as folder:
    ...     torch.save(nn.Linear(2, 3).state_dict(), f"{folder}/weights.pt")
    ...     load_weights(network, f"{folder}/weights.pt", "weights")
    """
    if not is_there(path):
        raise InputError(where, f"{instead}a file with {EXPECTED}", quote(os.fspath(path)))
    contents = _read(path)
    needed = _needed(network)
    for unwrapped in (_as_written, _unwrapped, _unparallel):
        places = {
            (entry, prefix): state
            for entry, published in _states(contents)
            for state in [unwrapped(_own_names(network, published))]
            for prefix in _prefixes(state, needed)
            if all(any(prefix + name in state for name in names) for names in needed)
        }
        if places:
            break
    name = os.fspath(path)
    if not places:
        raise InputError(
            name,
            f"weights of the network, {type(network).__name__}",
            _misfit(contents, {name for names in needed for name in names}),
            None,
        )
    if len(places) > 1:
        shown = " and ".join(repr(_joined(*place)) for place in list(places)[:3])
        raise InputError(name, f"one set of weights of {type(network).__name__}", shown, f"choose one: {HINT}")
    [((entry, prefix), state)] = places.items()
    inside = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    chosen = _completed(network, inside, needed)
    notes = _notes(network, entry, prefix, state, chosen)
    if unwrapped is not _as_written:
        notes.append("took wrappers out of the names")
    try:
        network.load_state_dict(chosen)
    except Exception as error:  # shapes, or the extra state of somebody else's layer
        got = explain(error)
        raise InputError(name, f"weights of the network, {type(network).__name__}", got) from error
    if notes:
        warnings.warn(f"{name}: {'; '.join(notes)}", WeightsWarning, stacklevel=2)


def _read(path: PathLike) -> Any:
    """Contents of a file, read without running any code."""
    name, file = os.fspath(path), existing_file(path, EXPECTED)
    if name.endswith(".index.json"):
        return _read_parts(Path(path))
    if Path(path).suffix == ".safetensors":
        reader = import_extra("safetensors.torch", "io", needed_by=name)
        try:
            return reader.load_file(name)
        except Exception as error:  # SafetensorError is no ValueError
            raise InputError(name, "a file in safetensors format", explain(error)) from error
    try:
        return read_state(Source(file, MAX_MEMORY))
    except PidkdError:
        raise
    except Exception as error:  # whatever unpickling may raise
        raise InputError(name, EXPECTED, f"one that torch cannot read: {reason(error)}", HINT) from error


def _read_parts(path: Path) -> State:
    """Contents of the files that an index names, as models that are too large for one are published."""
    try:
        parts = sorted({Path(name) for name in read_json(path)["weight_map"].values()})
    except (InputError, LookupError, TypeError, AttributeError) as error:
        raise InputError(str(path), "an index with a weight_map", explain(error)) from error
    odd = next((part for part in parts if len(part.parts) != 1), None)
    if odd is not None or not parts:
        raise InputError(str(path), "a weight_map to files beside the index", str(odd or "none"))
    return {key: value for part in parts for key, value in _read(path.with_name(part.name)).items()}


def _states(held: Any, entry: str = "") -> Iterator[tuple[str, State]]:
    """Mappings with tensors in what a file holds, at most two entries deep, each with the name of its entry."""
    if not isinstance(held, Mapping):
        return
    if any(isinstance(value, Tensor | np.ndarray) for value in held.values()):
        yield entry, {str(key): _as_tensor(value) for key, value in held.items()}
    if entry.count(".") < 2:
        for key, value in held.items():
            yield from _states(value, f"{entry}{key}.")


def _as_tensor(value: Any) -> Any:
    """Numbers of NumPy as a tensor; all else as it is."""
    return torch.from_numpy(value) if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else value


WRAPPERS = ("_orig_mod.", "_checkpoint_wrapped_module.", "_fsdp_wrapped_module.", "_forward_module.")
"""What wrappers of single layers put into names."""


def _as_written(state: State) -> State:
    return state


def _unwrapped(state: State) -> State:
    """The same with the names of wrappers taken out, wherever they stand."""
    for wrapper in WRAPPERS:
        state = {key.replace(wrapper, ""): value for key, value in state.items()}
    return state


def _unparallel(state: State) -> State:
    """The same, without ``DataParallel`` around single layers."""
    return {key.replace(".module.", "."): value for key, value in _unwrapped(state).items()}


def _needed(network: nn.Module) -> list[tuple[str, ...]]:
    """Names that a file must have: of entries that share their memory one will do, of counters and indices none."""
    names: dict[Any, list[str]] = {}
    for name, value in network.state_dict().items():
        if isinstance(value, Tensor) and _is_index(value):
            continue
        shared = isinstance(value, Tensor) and value.layout == torch.strided and value.numel()
        names.setdefault((value.data_ptr(), value.shape) if shared else name, []).append(name)
    return [tuple(alike) for alike in names.values()]


def _is_index(value: Tensor) -> bool:
    """Whether an entry holds positions or a count, which the code of a network makes anew."""
    return not (value.is_floating_point() or value.is_complex() or value.is_quantized)


def _completed(network: nn.Module, state: State, needed: list[tuple[str, ...]]) -> State:
    """Entries of a file for all names of a network, without counts and indices that it does not know."""
    own = network.state_dict()
    left_out = {
        key
        for key, value in state.items()
        if key not in own and isinstance(value, Tensor) and (value.numel() <= 1 or _is_index(value))
    }
    chosen = {key: value for key, value in state.items() if key not in left_out}
    for names in needed:
        twin = next(name for name in names if name in chosen)
        chosen |= {name: chosen[twin] for name in names if name not in chosen}
    return chosen | {
        key: value for key, value in own.items() if key not in chosen and isinstance(value, Tensor) and _is_index(value)
    }


def _prefixes(state: State, needed: list[tuple[str, ...]]) -> set[str]:
    """Prefixes that wrappers put before the names of the network."""
    longest = max(needed, key=lambda names: max(map(len, names)), default=("",))
    ends = {key.removesuffix(name) for name in longest for key in state if key.endswith(name)}
    return {prefix for prefix in ends if not prefix or prefix.endswith(".")}


def _misfit(held: Any, needed: set[str]) -> str:
    """Names that do not fit, for the entry that has most of them."""
    states = [state for _, state in _states(held)]
    if not states:
        kind = type(held).__name__
        return f"a {kind} of {', '.join(map(str, list(held)[:4]))}" if isinstance(held, Mapping) and held else kind
    state = max(states, key=lambda s: len(needed & set(s)))
    missing, other = sorted(needed - set(state)), sorted(set(state) - needed)
    parts = [f"{word} {', '.join(names[:3])}" for word, names in (("no", missing), ("but", other)) if names]
    return f"{len(needed & set(state))} of its {len(needed)} names, {', '.join(parts)}"


def _joined(entry: str, prefix: str) -> str:
    return f"{entry}{prefix}".rstrip(".") or "the whole file"


def _notes(network: nn.Module, entry: str, prefix: str, state: State, chosen: State) -> list[str]:
    """Changes made to the weights of the file, in words."""
    notes = []
    if entry:
        notes.append(f"took its entry {entry.rstrip('.')!r}")
    if prefix:
        notes.append(f"took {prefix!r} off the names")
    rest = sorted(key for key in state if key.removeprefix(prefix) not in chosen or not key.startswith(prefix))
    if rest:
        notes.append(f"left out {', '.join(rest[:3])}{f' and {len(rest) - 3} more' if len(rest) > 3 else ''}")
    own = network.state_dict()
    kept = [key for key in chosen if prefix + key not in state and isinstance(own[key], Tensor) and _is_index(own[key])]
    kept = [key for key in kept if not key.endswith("num_batches_tracked")]
    if kept:
        notes.append(f"the network keeps its own {', '.join(kept[:3])}")
    kinds = {
        (value.dtype, own[key].dtype)
        for key, value in chosen.items()
        if isinstance(value, Tensor) and isinstance(own.get(key), Tensor) and value.dtype != own[key].dtype
    }
    notes += [
        f"{str(a).removeprefix('torch.')} became {str(b).removeprefix('torch.')}" for a, b in sorted(kinds, key=str)
    ]
    return notes


def _own_names(network: nn.Module, state: Any) -> Any:
    """A state under the names of a network that can translate published ones; otherwise as it is."""
    translated = getattr(network, "translated", None)
    return state if translated is None else translated(state)
