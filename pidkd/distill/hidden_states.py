"""Hidden states of a network by their index, as networks of ``transformers`` put them out when asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from pidkd.distill.feeding import explicit_arguments, takes
from pidkd.errors import InputError

NAMED = re.compile(r"(\w*hidden_states)\.(-?\d+)")
"""Path of a hidden state: ``hidden_states.3``, ``decoder_hidden_states.-1``."""

ASKED = "output_hidden_states"


def gives_hidden_states(model: nn.Module) -> bool:
    """Whether a network can be asked for its hidden states."""
    return ASKED in explicit_arguments(model) or (hasattr(model, "config") and takes(model, ASKED))


def as_hidden_state(path: Any, model: nn.Module) -> Any:
    """A whole number that names no layer as the path of a hidden state; anything else as it is.

    Examples
    --------
    >>> class Model(nn.Module):
    ...     def forward(self, x, output_hidden_states=False): ...
    >>> as_hidden_state(-1, Model()), as_hidden_state("layer", Model())
    ('hidden_states.-1', 'layer')
    """
    is_index = isinstance(path, int) and not isinstance(path, bool)
    layers = {name for name, _ in model.named_modules()}
    return f"hidden_states.{path}" if is_index and str(path) not in layers and gives_hidden_states(model) else path


def is_hidden_state(path: str, model: nn.Module) -> bool:
    """Whether a path is that of a hidden state of this network."""
    return NAMED.fullmatch(path) is not None and gives_hidden_states(model)


def listen(
    model: nn.Module, paths: list[str], wanted: Mapping[str, Any], catch: Callable[[str, Any], None]
) -> list[Any]:
    """Hooks by which a network is asked for hidden states while they are ``wanted``, and hands them to ``catch``."""
    # Partials and no closures, which a deep copy would share.
    asking = model.register_forward_pre_hook(partial(_ask, wanted), with_kwargs=True)
    return [asking, model.register_forward_hook(partial(_hand_over, paths, wanted, catch))]


def _ask(wanted: Mapping[str, Any], _: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return args, {**kwargs, ASKED: True} if wanted else kwargs


def _hand_over(
    paths: list[str], wanted: Mapping[str, Any], catch: Callable[[str, Any], None], _: nn.Module, __: Any, output: Any
) -> None:
    for path in paths if wanted else ():
        name, index = path.rsplit(".", 1)
        states = output.get(name) if isinstance(output, dict) else getattr(output, name, None)
        place = f"FeatureTap(paths)[{path!r}]"
        if not isinstance(states, tuple | list):
            raise InputError(
                place, f"an output with {name}", f"{type(output).__name__} without it", "tap a layer by its path"
            )
        if not -len(states) <= int(index) < len(states):
            raise InputError(place, f"one of {len(states)} hidden states", index)
        catch(path, states[int(index)])
