"""Features of named layers, together with the logits, from any model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pidkd.errors import InputError


class FeatureTap(nn.Module):
    r""":math:`x \mapsto (z(x), \{\text{path}: h_\text{path}(x)\})`: a model that shows what its layers put out.

    Make it before ``torch.compile`` and before ``DistributedDataParallel``, and compile or wrap the tap: a hook that is
    registered on a compiled model never fires, without any error.

    Parameters
    ----------
    model : torch.nn.Module
        It returns its logits, or something with an attribute ``logits``. It is not copied; ``tap.model`` is it.
    paths : sequence of str
        Names of layers as ``model.named_modules()`` gives them. Their outputs must be maps (B, C, H, W), tokens
        (B, L, D) or vectors (B, D); of an output that is a tuple, the first element is taken.
    frozen : bool
        Begin with ``freeze()``, as for a teacher.

    Raises
    ------
    InputError
        At construction, when a path names no layer (the nearest are listed), or the model is compiled or wrapped.
        At a batch, when a layer did not run or ran several times, or its output is no feature or is overwritten by an
        in-place layer after it. What is compiled is not asked for the last: show an uncompiled tap one batch first.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    >>> tap = FeatureTap(model, ["1"])
    >>> logits, features = tap(torch.zeros(2, 3, 8, 8))
    >>> logits.shape, features["1"].shape
    (torch.Size([2, 10]), torch.Size([2, 8, 6, 6]))
    """

    def __init__(self, model: nn.Module, paths: Sequence[str], *, frozen: bool = False) -> None:
        super().__init__()
        if isinstance(paths, str):
            raise InputError("FeatureTap(paths)", "a list of paths", f"the string {paths!r}", f"write [{paths!r}]")
        _check_untouched(model)
        layers = dict(model.named_modules())
        del layers[""]
        for path in paths:
            if path not in layers:
                near = difflib.get_close_matches(str(path), layers, n=5, cutoff=0.3) or list(layers)[:5]
                hint = f"the nearest are {', '.join(map(repr, near)) or '(none)'}; model.named_modules() lists all"
                raise InputError("FeatureTap(paths)", f"paths of layers of {type(model).__name__}", repr(path), hint)
        self.model = model
        self.paths = tuple(dict.fromkeys(paths))
        self.frozen = False
        # Empty but during forward, so that the model can be used beside the tap. A partial and no closure: a deep copy
        # of the tap then has its own.
        self._caught: dict[str, list[tuple[Any, int]]] = {}
        self._hooks = [layers[path].register_forward_hook(partial(_catch, self._caught, path)) for path in self.paths]
        if frozen:
            self.freeze()

    def forward(self, *inputs: Any, **options: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the model once; logits, and the features by path in the order given."""
        for path in self.paths:
            self._caught[path] = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            output = self.model(*inputs, **options)
        caught = dict(self._caught)
        self._caught.clear()
        return _logits(output), {path: _feature(path, outputs) for path, outputs in caught.items()}

    def freeze(self, frozen: bool = True) -> None:
        """Eval mode and no gradient, whatever ``train()`` is called later; or, with ``False``, train mode again."""
        self.frozen = frozen
        self.train(not frozen)

    def train(self, mode: bool = True) -> FeatureTap:
        """As for every module, but a frozen tap stays in eval mode."""
        super().train(mode and not self.frozen)
        return self

    def close(self) -> None:
        """Take the hooks off the model."""
        for hook in self._hooks:
            hook.remove()


def guided_parameters(model: nn.Module, features: Mapping[str, Tensor]) -> list[str]:
    """Names of the parameters of ``model`` on which ``features`` depend: those before the tapped layers, and in them.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    >>> guided_parameters(model, FeatureTap(model, ["0"])(torch.zeros(1, 2))[1])
    ['0.weight', '0.bias']
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = torch.stack([feature.float().sum() for feature in features.values()]).sum()
    if not total.requires_grad:
        return []
    gradients = torch.autograd.grad(total, list(named.values()), allow_unused=True, retain_graph=True)
    return [name for name, gradient in zip(named, gradients, strict=True) if gradient is not None]


def _catch(caught: dict[str, list[tuple[Any, int]]], path: str, layer: nn.Module, inputs: Any, output: Any) -> None:
    if path in caught:
        feature = output[0] if isinstance(output, tuple) and output else output
        caught[path].append((feature, _version(feature)))


def _version(feature: Any) -> int:
    """How often a tensor has been written to in place; 0 where nobody counts."""
    counted = isinstance(feature, Tensor) and not torch.compiler.is_compiling() and not feature.is_inference()
    return feature._version if counted else 0


def _check_untouched(model: nn.Module) -> None:
    compiled = hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None
    if compiled or isinstance(model, nn.parallel.DistributedDataParallel):
        got = "a compiled one" if compiled else "one in DistributedDataParallel"
        hint = "tap the model first, then compile or wrap the tap"
        raise InputError("FeatureTap(model)", "a model as it was made", got, hint)


def _logits(output: Any) -> Tensor:
    logits = getattr(output, "logits", output)
    if not isinstance(logits, Tensor):
        hint = "wrap the model in a module that returns its logits"
        raise InputError("FeatureTap(model)", "logits, or an output that has them", type(output).__name__, hint)
    return logits


def _feature(path: str, outputs: list[tuple[Any, int]]) -> Tensor:
    where = f"FeatureTap(paths)[{path!r}]"
    if len(outputs) != 1:
        hint = "tap a layer that each forward pass runs once"
        raise InputError(where, "a layer that runs once", f"{len(outputs)} runs in this batch", hint)
    [(feature, version)] = outputs
    if not isinstance(feature, Tensor) or feature.dim() not in (2, 3, 4):
        got = f"shape {tuple(feature.shape)}" if isinstance(feature, Tensor) else type(feature).__name__
        raise InputError(where, "an output of shape (B, C, H, W), (B, L, D) or (B, D)", got)
    if _version(feature) != version:
        hint = "tap the layer after it, or make that one inplace=False"
        raise InputError(where, "an output that stays as it is", "one that a later layer overwrites", hint)
    return feature
