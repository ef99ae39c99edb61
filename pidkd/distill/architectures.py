"""The registry of architecture families, and networks by name. Nothing here needs torch until a network is made.

A family is a module ``pidkd/distill/models/<name>.py`` with a function ``build(shape, n_classes, **options)``, or such
a function that an entry point in the group ``pidkd.models`` names. No list is edited anywhere to add one.
"""

from __future__ import annotations

import importlib
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pidkd.errors import InputError, PidkdError, UnknownNameError, import_extra, quote
from pidkd.parameters import Whole, check_options, hints
from pidkd.registry import Registry

if TYPE_CHECKING:
    from torch import nn

Widths: TypeAlias = Sequence[Annotated[int, Whole(1, 65_536)]]
"""Units or channels of each layer or stage."""

KINDS = {3: "images", 2: "texts"}
"""What a network is for, by the number of axes of ``shape``."""

MODELS = Registry(
    "a model", "pidkd.distill.models", "pidkd.models", "a function build(shape, n_classes, **options)", "build"
)


def list_models() -> list[str]:
    """Names of the architecture families, built in and from other packages, in alphabetic order.

    Examples
    --------
    >>> "wrn" in list_models()
    True
    """
    return MODELS.names()


def build_model(name: str, shape: tuple[int, ...], n_classes: int, seed: int = 0, /, **options: Any) -> nn.Module:
    """A network with fresh weights, for images or texts of a shape and a number of classes.

    Parameters
    ----------
    name : str
        One of ``list_models()``; or ``"package.module:callable"``, of which the code is run: it is called with the
        options alone and returns a module from images (B, C, H, W), or from ``input_ids`` and ``attention_mask``, to
        logits (B, n_classes).
    shape : (height, width, channels) or (length, n_tokens)
        Of images or of texts, as ``ImageData`` and ``TextData`` have it.
    n_classes : int
    seed : int
        That of the weights. The generator of the CPU is left as it was.
    **options
        Those of ``build`` in ``pidkd.distill.models.<name>``.

    Raises
    ------
    UnknownNameError
        When there is no such family or option.
    InputError
        When an option cannot be used, or the callable cannot be found or gives no module.
    MissingDependencyError
        When torch is not installed.

    Examples
    --------
    >>> model = build_model("wrn", (32, 32, 3), 10, depth=16, width=1)
    >>> sum(p.numel() for p in model.parameters())
    175066
    """
    import_extra("torch", "train", needed_by=f"model {quote(name)}")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        make = _foreign(name) if isinstance(name, str) and ":" in name else _family(name, shape, n_classes, options)
        where = f"model {quote(name)}"
        try:
            model = make(**options)
        except PidkdError:
            raise
        except Exception as error:  # whatever somebody else's code may raise, or an option of another type
            from pidkd.distill.feeding import explain

            made_with = quote(options) if options else "no options"
            raise InputError(where, f"to be made with {made_with}", explain(error)) from error
    if not isinstance(model, torch.nn.Module):
        raise InputError(where, "a callable that gives a torch.nn.Module", type(model).__name__)
    return model


def _family(name: str, shape: tuple[int, ...], n_classes: int, options: Mapping[str, Any]) -> Callable[..., nn.Module]:
    if not isinstance(name, str) or name not in MODELS:
        raise UnknownNameError("model", "a model, or package.module:callable", name, list_models())
    build = MODELS.get(name)
    check_options(f"model {quote(name)}", build, options)
    n_axes = len(typing.get_args(hints(build).get("shape"))) or len(shape)
    if len(shape) != n_axes:
        expected, got = (KINDS.get(n, f"samples of {n} axes") for n in (n_axes, len(shape)))
        raise InputError(f"model {quote(name)}", f"data of {expected}", got, "take another model, or other data")
    return partial(build, shape, n_classes)


def _foreign(name: str) -> Callable[..., Any]:
    """A callable of somebody else's module, which may lie in the current folder."""
    from pidkd.distill.feeding import explain

    place, _, attribute = name.partition(":")
    own = str(Path.cwd())
    sys.path.insert(0, own)
    try:
        made: Any = importlib.import_module(place)
        for part in attribute.split("."):
            made = getattr(made, part)
    except Exception as error:  # whatever somebody else's module may raise
        hint = f"modules are looked for in {own} too" if isinstance(error, ModuleNotFoundError) else None
        expected = "package.module:callable that can be imported"
        raise InputError(f"model {quote(name)}", expected, explain(error), hint) from error
    finally:
        sys.path.remove(own)
    if not callable(made):
        raise InputError(f"model {quote(name)}", "a callable that gives a torch.nn.Module", type(made).__name__)
    return made  # type: ignore[no-any-return]
