"""Features of named layers, together with the logits, from any model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pidkd.distill.axes import (
    CHANNELS_LAST,
    CHANNELS_SECOND,
    EXPECTED,
    HINT_ROWS,
    Opinion,
    canonical,
    check_axes,
    feature_tensor,
    infer_axes,
    opinion,
)
from pidkd.distill.feeding import (
    Feed,
    Forward,
    arrange,
    batch_length,
    call_network,
    check_network,
    describe_inputs,
    eval_mode,
    for_autograd,
    hint_for,
    layer_path,
    logits_of,
    network_dtype,
    others_code,
    same_buffers,
    same_draws,
    take_rows,
    tensors_in,
)
from pidkd.distill.hidden_states import as_hidden_state, is_hidden_state, listen
from pidkd.errors import Argument, InputError, UnknownNameError, quote


class FeatureTap(nn.Module):
    r""":math:`x \mapsto (z(x), \{\text{path}: h_\text{path}(x)\})`: a model that shows what its layers put out.

    Make it before ``torch.compile`` and before ``DistributedDataParallel``, and compile or wrap the tap: a hook that is
    registered on a compiled model never fires, without any error.

    Parameters
    ----------
    model : torch.nn.Module
        It returns its logits, or something with an attribute or entry ``logits``. It is not copied: ``tap.model``.
    paths : sequence of str or int
        Names of layers as ``model.named_modules()`` gives them. Of an output that is a tuple, the first element is
        taken, of a ``ModelOutput`` its ``last_hidden_state``. Of networks that take ``output_hidden_states``, as those
        of ``transformers`` do, also ``"hidden_states.3"``, or the number 3. Features are maps (B, C, H, W) or
        (B, C, Z, H, W), tokens (B, L, D) or vectors (B, D).
    frozen : bool
        Begin with ``freeze()``, as for a teacher.
    forward : callable, optional
        ``forward(model, inputs)`` runs the model on the inputs of a batch. Else a mapping becomes keyword arguments, a
        tuple positional ones.
    layout : mapping from path to str, optional
        The axes of a layer's output, by letters: "BHWC", "LBD", "BCL". Else they are what ``settle`` finds out, and
        before that (B, C, ...), (B, L, D) or (B, D).
    logits : bool
        Refuse an output without logits. Else the logits of such an output are None.
    where : str
        What messages call the model.

    Raises
    ------
    InputError
        At construction, when a path names no layer (the nearest are listed), or the model is compiled, wrapped,
        scripted or not yet made. At a batch, when the model fails, a layer did not run or ran several times, or its
        output is no feature, has not one row for each sample, or is overwritten by an in-place layer after it. What is
        compiled is not asked for the last: show an uncompiled tap one batch first.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    >>> tap = FeatureTap(model, ["1"])
    >>> logits, features = tap(torch.zeros(2, 3, 8, 8))
    >>> logits.shape, features["1"].shape
    (torch.Size([2, 10]), torch.Size([2, 8, 6, 6]))
    """

    def __init__(
        self,
        model: nn.Module,
        paths: Sequence[str | int],
        *,
        frozen: bool = False,
        forward: Forward | None = None,
        layout: Mapping[str, str] | None = None,
        logits: bool = True,
        where: str = "FeatureTap(model)",
    ) -> None:
        super().__init__()
        if isinstance(paths, str):
            raise InputError(
                Argument("FeatureTap", "paths"), "a list of paths", quote(paths), f"write [{quote(paths)}]"
            )
        names = _checked_paths(model, paths)
        self.model = model
        self.paths = tuple(dict.fromkeys(names))
        self.where, self.run_network, self.needs_logits = where, forward, logits
        self.feed: Feed | None = None
        self._rearranged: list[Tensor] = []
        self.axes = {str(path): check_axes(axes, "layout") for path, axes in (layout or {}).items()}
        for path in self.axes:
            if path not in self.paths:
                raise UnknownNameError("layout", "a tapped layer", path, self.paths)
        self.frozen = False
        # Empty but during forward, so that the model can be used beside the tap. A partial and no closure: a deep copy
        # of the tap then has its own.
        self._caught: dict[str, list[tuple[Any, int]]] = {}
        layers = dict(model.named_modules())
        states = [path for path in self.paths if path not in layers]
        self._hooks = [
            layers[path].register_forward_hook(partial(_catch, self._caught, path))
            for path in self.paths
            if path in layers
        ]
        if states:
            self._hooks += listen(model, states, self._caught, partial(_keep, self._caught))
        if frozen:
            self.freeze()

    def forward(self, *inputs: Any, **options: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the model once; logits, and the features by path in the order given."""
        outputs = self._outputs(inputs, options)
        n = None if torch.compiler.is_compiling() else batch_length(inputs)
        features = {}
        for path, caught in outputs[1].items():
            feature = _feature(path, caught)
            axes = self.axes.get(path)
            if axes is not None and len(axes) != feature.dim():
                raise InputError("layout", f"{feature.dim()} letters for {path!r}", quote(axes))
            at = 0 if axes is None else axes.index("B")
            if n is not None and self.run_network is None and feature.shape[at] != n:
                got = f"shape {tuple(feature.shape)} for {n} samples"
                raise InputError(_place(path), "an output with one row for each sample", got, HINT_ROWS)
            features[path] = feature if axes is None else canonical(feature, axes)
        return outputs[0], features

    def _outputs(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Logits, and what each tapped layer put out, each run of it with how often it had been written to."""
        given = inputs[0] if len(inputs) == 1 and not options else inputs
        given = given if self.feed is None else self.feed(given)
        for path in self.paths:
            self._caught[path] = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            output = self._run(given, options)
        caught = dict(self._caught)
        self._caught.clear()
        logits = for_autograd(logits_of(output))
        if logits is None and self.needs_logits:
            hint = "wrap the model in a module that returns its logits, or say how by forward="
            raise InputError(self.where, "logits, or an output that has them", _kind_of(output), hint)
        return logits, caught

    def _run(self, given: Any, options: dict[str, Any]) -> Any:
        if options:
            return self.model(*given, **options)
        if torch.compiler.is_compiling():
            return call_network(self.model, given, self.run_network)
        try:
            expected = f"a network that runs on inputs of {describe_inputs(given)}"
            with others_code(self.where, expected, hint_for(given)):
                return call_network(self.model, given, self.run_network)
        except InputError:
            self._caught.clear()
            raise

    @torch.no_grad()
    def settle(self, inputs: Any, *, fast: bool = False, sizes: Sequence[int] = (2, 3)) -> None:
        """Find out in which form the model takes its inputs, and which axis of a feature is which.

        The batch axis is the one whose length goes with the number of samples. Modes, weights and generators are left
        as they are; of weights with four axes the memory layout may change.

        Parameters
        ----------
        inputs : nested tensors
            A few samples.
        fast : bool
            Use channels-last memory where the model computes the same with it. Else inputs are contiguous.
        sizes : sequence of int
            Numbers of samples that are tried.
        """
        check_network(self.model, self.where)
        self.feed = Feed(network_dtype(self.model))
        n = batch_length(inputs)
        tried = [inputs] if n is None else [take_rows(inputs, torch.arange(size) % n) for size in sizes]
        with eval_mode(self), same_buffers(self.model), same_draws():
            reference = self._traced(tried[0])
            if fast and self._has_maps(inputs):
                self._try_channels_last(tried[0], reference[0])
            runs = [reference, *map(self._traced, tried[1:])]
        if n is None:  # nobody knows which axis is the batch
            return
        layers = dict(self.model.named_modules())
        for path in self.paths:
            if path not in self.axes:
                shapes = [tuple(run[1][path][0].shape) for run in runs]
                layer = layers.get(path, self.model)  # of a hidden state, the model
                self.axes[path] = infer_axes(layer, shapes, sizes, reference[1][path][1], _place(path))

    def _traced(self, inputs: Any) -> tuple[Any, dict[str, tuple[Tensor, tuple[Opinion, ...]]]]:
        """Logits, and for each path its output and the opinions of the layers that had run by then."""
        heard: list[Opinion] = []
        opinions: dict[str, tuple[Opinion, ...]] = {}

        def listen(path: str | None, layer: nn.Module, _: Any, output: Any) -> None:
            axes = opinion(layer, output)
            if axes is not None:
                heard.append(axes)
            if path is not None:
                opinions[path] = tuple(heard)

        names = {layer: path for path, layer in self.model.named_modules() if path in self.paths}
        hooks = [
            layer.register_forward_hook(partial(listen, names.get(layer)))
            for layer in self.model.modules()
            if (layer in names or isinstance(layer, (*CHANNELS_SECOND, *CHANNELS_LAST))) and not _is_scripted(layer)
        ]
        try:
            logits, caught = self._outputs((inputs,), {})
        finally:
            for hook in hooks:
                hook.remove()
        return logits, {path: (_feature(path, runs), opinions.get(path, ())) for path, runs in caught.items()}

    def _has_maps(self, inputs: Any) -> bool:
        return any(p.dim() == 4 for p in self.model.parameters()) and any(x.dim() == 4 for x in tensors_in(inputs))

    def _try_channels_last(self, inputs: Any, reference: Tensor | None) -> None:
        """Channels-last memory where the logits stay what they are, to rounding."""
        assert self.feed is not None  # noqa: S101 settle has made it
        self.feed = replace(self.feed, memory_format=torch.channels_last)
        self._rearranged = arrange(self.model, torch.channels_last)
        try:
            with same_draws():
                logits = self._traced(inputs)[0]
            same = reference is None or torch.allclose(logits.float(), reference.float(), 1e-3, 1e-3)
        except InputError:
            same = False
        if not same:
            self.unfasten()

    def unfasten(self) -> None:
        """Give up channels-last memory, and bring the weights back into the usual layout."""
        if self.feed is not None and self.feed.memory_format != torch.contiguous_format:
            self.feed = replace(self.feed, memory_format=torch.contiguous_format)
            for p in self._rearranged:
                p.data = p.data.to(memory_format=torch.contiguous_format)

    def freeze(self, frozen: bool = True) -> None:
        """Eval mode and no gradient, whatever ``train()`` is called later; or, with ``False``, train mode again."""
        self.frozen = frozen
        self.train(not frozen)

    def train(self, mode: bool = True) -> FeatureTap:
        """Training mode, except for a frozen tap, which stays in eval mode."""
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
    before = {name: p.grad for name, p in named.items()}
    for p in named.values():
        p.grad = None
    # Not by torch.autograd.grad, which re-entrant checkpoints refuse.
    total.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    reached = [name for name, p in named.items() if p.grad is not None]
    for name, p in named.items():
        p.grad = before[name]
    return reached


def _catch(caught: dict[str, list[tuple[Any, int]]], path: str, layer: nn.Module, inputs: Any, output: Any) -> None:
    _keep(caught, path, output)


def _keep(caught: dict[str, list[tuple[Any, int]]], path: str, output: Any) -> None:
    if path in caught:
        feature = feature_tensor(output)
        caught[path].append((feature, _version(feature)))


def _version(feature: Any) -> int:
    """Number of in-place writes to a tensor; 0 where torch keeps no count."""
    counted = isinstance(feature, Tensor) and not torch.compiler.is_compiling() and not feature.is_inference()
    return feature._version if counted else 0


def _checked_paths(model: nn.Module, paths: Sequence[Any]) -> list[str]:
    """Paths as text, each of a layer that can be tapped."""
    if len(paths):
        _check_untouched(model)
    layers = {name: layer for name, layer in model.named_modules() if name}
    names = []
    for given in paths:
        path = layer_path(as_hidden_state(given, model))
        if path is None or (path not in layers and not is_hidden_state(path, model)):
            near = difflib.get_close_matches(str(given), layers, n=5, cutoff=0.3) or list(layers)[:5]
            hint = f"the nearest are {', '.join(map(repr, near)) or '(none)'}; model.named_modules() lists all"
            raise InputError(
                Argument("FeatureTap", "paths"), f"paths of layers of {type(model).__name__}", quote(given), hint
            )
        names.append(path)
    return names


def _check_untouched(model: nn.Module) -> None:
    compiled = hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None
    if compiled or isinstance(model, nn.parallel.DistributedDataParallel):
        got = "a compiled one" if compiled else "one in DistributedDataParallel"
        hint = "tap the model first, then compile or wrap the tap"
        raise InputError(Argument("FeatureTap", "model"), "a model as it was made", got, hint)
    if any(map(_is_scripted, model.modules())):
        hint = "tap the Python module that it was made of"
        raise InputError(
            Argument("FeatureTap", "model"), "a model whose layers can be hooked", "a scripted or traced one", hint
        )


def _is_scripted(layer: nn.Module) -> bool:
    return isinstance(layer, torch.jit.ScriptModule | torch.jit.ScriptFunction)


def _place(path: str) -> str:
    return f"FeatureTap(paths)[{path!r}]"


def _kind_of(output: Any) -> str:
    if isinstance(output, dict):
        return f"{type(output).__name__} of {', '.join(map(str, output)) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"{type(output).__name__} of {describe_inputs(tuple(output))}"
    return type(output).__name__


def _feature(path: str, outputs: list[tuple[Any, int]]) -> Tensor:
    if len(outputs) != 1:
        hint = "tap a layer that each forward pass runs once"
        raise InputError(_place(path), "a layer that runs once", f"{len(outputs)} runs in this batch", hint)
    [(feature, version)] = outputs
    if not isinstance(feature, Tensor) or feature.is_nested or feature.dim() < 2 or feature.is_quantized:
        got = _kind_of(feature)
        if isinstance(feature, Tensor):
            ragged, dtype = "rows of several lengths" if feature.is_nested else "", f"{feature.dtype}"
            got = ragged or (dtype if feature.is_quantized else f"shape {tuple(feature.shape)}")
        raise InputError(_place(path), EXPECTED, got)
    if not feature.is_floating_point():
        raise InputError(_place(path), "an output of floating-point numbers", str(feature.dtype))
    if _version(feature) != version:
        hint = "tap the layer after it, or make that one inplace=False"
        raise InputError(_place(path), "an output that stays as it is", "one that a later layer overwrites", hint)
    usable: Tensor = for_autograd(feature)
    return usable
