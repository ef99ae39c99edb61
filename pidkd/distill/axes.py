"""Axes of a layer's output: the batch, the channels and their positions.

An output is described by one letter an axis: B is the batch, C the channels (D, where there is no C), and every other
letter an axis of positions: ``"BCHW"``, ``"BHWC"``, ``"BLD"``, ``"LBD"``, ``"BCL"``, ``"BD"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pidkd.errors import InputError, quote

CHANNELS_SECOND: tuple[type[nn.Module], ...] = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._LPPoolNd,
    nn.modules.pooling._MaxUnpoolNd,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.Upsample,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.ChannelShuffle,
    nn.Fold,
    nn.Unfold,
    nn.Softmax2d,
)
"""Layers whose channels are the second axis."""

CHANNELS_LAST: tuple[type[nn.Module], ...] = (
    nn.Linear,
    nn.Bilinear,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.Embedding,
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
    nn.Transformer,
)
"""Layers whose channels are the last axis."""

ELEMENTWISE: tuple[type[nn.Module], ...] = (nn.Identity, nn.Dropout, nn.Sequential)

WHOLE_CHANNELS: tuple[type[nn.Module], ...] = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
"""Layers that drop the second axis; networks on tokens use them as well."""


@dataclass(frozen=True)
class Opinion:
    """Axes of the output of a layer of a known type: the place of the channels, 1 or -1.

    ``mixes`` says that the last axis was mixed by a matrix, which layers do to positions too.
    """

    place: int
    shape: tuple[int, ...]
    mixes: bool = False


def place_of_channels(layer: nn.Module) -> int | None:
    """The place of the channels in the output of a layer, 1 or -1, where its type tells."""
    if isinstance(layer, CHANNELS_SECOND):
        return 1
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm) and len(layer.normalized_shape) > 1:
        return None  # over channels and positions together: it leaves the axes where they were
    return -1 if isinstance(layer, CHANNELS_LAST) else None


def opinion(layer: nn.Module, output: Any) -> Opinion | None:
    """The place of the channels in the output of a layer with its shape, where its type tells."""
    output = output[0] if isinstance(output, tuple) and output else output
    place = place_of_channels(layer)
    if place is None or not isinstance(output, Tensor) or output.dim() < 2:
        return None
    return Opinion(place, tuple(output.shape), isinstance(layer, nn.Linear | nn.Bilinear))


def infer_axes(
    layer: nn.Module, shapes: Sequence[tuple[int, ...]], sizes: Sequence[int], opinions: Sequence[Opinion], where: str
) -> str:
    """Letters of the axes of a layer's output.

    Parameters
    ----------
    layer : torch.nn.Module
    shapes : sequence of tuple of int
        Those of its output on batches of different sizes.
    sizes : sequence of int
        Those sizes.
    opinions : sequence of Opinion
        Of the layers of known type that had run when the output was there, the last one last.
    where : str
        What messages call the layer.

    Raises
    ------
    InputError
        When no axis, or more than one, goes with the batch; or when either of two axes could be the channels.
    """
    shape = shapes[0]
    n_axes = len(shape)
    if n_axes < 2 or len({len(s) for s in shapes}) != 1:
        raise InputError(where, EXPECTED, " and ".join(f"shape {s}" for s in dict.fromkeys(shapes)))
    varying = [axis for axis in range(n_axes) if len({s[axis] for s in shapes}) > 1]
    fits = [axis for axis in varying if all(s[axis] == n for s, n in zip(shapes, sizes, strict=True))]
    if varying == fits == [1] and n_axes == 3:
        return "LBD"
    if varying != [0] or fits != [0]:
        got = ", ".join(f"shape {s} for {n} samples" for s, n in zip(shapes, sizes, strict=True))
        raise InputError(where, "an output with one row for each sample", got, HINT_ROWS)
    return axes_of(n_axes, _channels_second(layer, shape, opinions, where))


EXPECTED = "an output of shape (B, C, H, W), (B, L, D) or (B, D)"
HINT_ROWS = "tap a layer where the batch is the first axis (batch_first=True), or say which axis is which by layout="


def axes_of(n_axes: int, channels_second: bool) -> str:
    """The usual letters of an output with the batch first."""
    if n_axes == 2:
        return "BD"
    if n_axes == 3:
        return "BCL" if channels_second else "BLD"
    positions = {4: "HW", 5: "ZHW"}.get(n_axes, "UVXYZHW"[-(n_axes - 2) :])
    return f"BC{positions}" if channels_second else f"B{positions}C"


def _channels_second(layer: nn.Module, shape: tuple[int, ...], opinions: Sequence[Opinion], where: str) -> bool:
    """Whether the channels are the second axis and not the last: by the type of the layer, or by what ran before."""
    if len(shape) == 2:
        return True
    place = place_of_channels(layer)
    if place is not None:
        return place == 1
    if not opinions:
        return len(shape) > 3 or isinstance(layer, WHOLE_CHANNELS)
    if shape[1] != shape[-1]:
        return _by_length(shape, opinions, where)
    last = opinions[-1]
    # Equal lengths tell nothing: only a layer that does not move axes lets the one before speak for it.
    moves = not isinstance(layer, ELEMENTWISE + WHOLE_CHANNELS) and type(layer).__module__ != nn.ReLU.__module__
    if last.shape[1:] != shape[1:] or (moves and last.place == -1 and len(shape) > 3):
        raise _ambiguous(shape, "two axes of equal length", where)
    return last.place == 1


def _by_length(shape: tuple[int, ...], opinions: Sequence[Opinion], where: str) -> bool:
    """The same, where the second axis and the last one differ in length."""
    alike = next((one for one in reversed(opinions) if one.shape[1:] == shape[1:]), None)
    if alike is not None:
        return alike.place == 1
    last = opinions[-1]
    n_channels = last.shape[last.place]
    if n_channels not in (shape[1], shape[-1]):
        return last.place == 1 if len(last.shape) == len(shape) else len(shape) > 3
    if len(shape) == 3 and last.mixes and shape[1] == n_channels:
        # Features whose axes were swapped afterwards, or positions that were mixed: the lengths are the same.
        raise _ambiguous(shape, f"the axis of length {n_channels} that a Linear made moved to the second place", where)
    return shape[1] == n_channels


def _ambiguous(shape: tuple[int, ...], got: str, where: str) -> InputError:
    expected = f"an output whose channels can be told from its positions: shape {shape}"
    example = "BCL" if len(shape) == 3 else "BCHW"
    return InputError(where, expected, got, f"say which is which by layout=, as {example!r}")


def check_axes(axes: str, where: str) -> str:
    """Letters that a user gave, checked."""
    channel = "C" if "C" in axes else "D"
    if not isinstance(axes, str) or len(set(axes)) != len(axes) or "B" not in axes or channel not in axes:
        raise InputError(where, "one letter an axis, with B and C (or D): 'BCHW', 'BLD', 'LBD'", quote(axes))
    return axes


def canonical(feature: Tensor, axes: str) -> Tensor:
    """A view with the batch first: vectors (B, D), tokens (B, L, D), maps (B, C, positions).

    Examples
    --------
    >>> import torch
    >>> canonical(torch.zeros(2, 5, 6, 3), "BHWC").shape, canonical(torch.zeros(7, 2, 3), "LBD").shape
    (torch.Size([2, 3, 5, 6]), torch.Size([2, 7, 3]))
    """
    channel = "C" if "C" in axes else "D"
    positions = [letter for letter in axes if letter not in ("B", channel)]
    order = ["B", channel, *positions] if len(positions) > 1 else ["B", *positions, channel]
    return feature if order == list(axes) else feature.permute([axes.index(letter) for letter in order])


def feature_tensor(output: Any) -> Any:
    """The tensor of a layer's output: itself, the first of a tuple, ``last_hidden_state``, or the only one by name."""
    if isinstance(output, Tensor):
        return output
    hidden = output.get("last_hidden_state") if isinstance(output, dict) else getattr(output, "last_hidden_state", None)
    if isinstance(hidden, Tensor):
        return hidden
    if isinstance(output, dict):
        tensors = [value for value in output.values() if isinstance(value, Tensor)]
        return tensors[0] if len(tensors) == 1 else output
    if isinstance(output, tuple | list) and output:
        return feature_tensor(output[0])
    return output
