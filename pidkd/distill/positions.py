"""Positions of tokens: which of them are padding, and the one that stands for a sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from pidkd.distill.features import kind
from pidkd.errors import InputError

Position = Literal["mean", "cls", "last", "answer"]

POSITIONS = ("mean", "cls", "last", "answer")

IGNORED = -100
"""Label of a token that is nobody's answer, as cross entropy ignores it."""

MASKS = {"attention_mask": False, "src_key_padding_mask": True, "key_padding_mask": True}
"""Names of inputs that mark padding, and whether they mark it by 1 or True."""


def mask_of(inputs: Any, path: str = "") -> Tensor | None:
    """Tokens of a batch that are no padding, shape (B, L), as bool; None where its inputs do not say.

    Parameters
    ----------
    inputs : nested tensors
        The inputs of a batch: a mapping with "attention_mask" (1 is a token) or "src_key_padding_mask" (True is
        padding).
    path : str
        A layer; of an encoder with a decoder, layers of the decoder have a mask of their own.

    Examples
    --------
    >>> mask_of({"attention_mask": torch.tensor([[1, 1, 0]])})
    tensor([[ True,  True, False]])
    """
    if not isinstance(inputs, Mapping):
        return None
    of_decoder = path.startswith("decoder") and "decoder_input_ids" in inputs
    names = {"decoder_attention_mask": False} if of_decoder else MASKS
    for name, marks_padding in names.items():
        mask = inputs.get(name)
        if isinstance(mask, Tensor) and mask.dim() == 2:
            if not bool(((mask == 0) | (mask == 1)).all()):
                raise InputError(f"inputs[{name!r}]", "a mask of 0 and 1", "other numbers")
            return mask == (0 if marks_padding else 1)
    return None


def mean_of(feature: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of each sample that are no padding, shape (B, D)."""
    weights = mask[..., None].to(feature.dtype)
    return torch.where(mask[..., None], feature, 0).sum(1) / weights.sum(1)


def answered(labels: Tensor, where: str) -> tuple[Tensor, Tensor]:
    """Position from which a causal model predicts the first answered token of each sample, and that token.

    Parameters
    ----------
    labels : Tensor of int, shape (B, L)
        -100 where a token is no answer, as for ``transformers``.
    where : str
        What messages call the labels.
    """
    if labels.dim() != 2:
        got = f"shape {tuple(labels.shape)}"
        raise InputError(where, "labels of tokens, shape (B, L), for position 'answer'", got)
    known = labels != IGNORED
    first = known.int().argmax(1)
    rows = torch.arange(len(labels), device=labels.device)
    if not bool(known.any(1).all()) or not bool((first > 0).all()):
        odd = int(((~known.any(1)) | (first == 0)).int().argmax())
        got = f"none in row {odd}" if not bool(known[odd].any()) else f"the first token of row {odd}"
        raise InputError(where, f"an answer after the first token of each sample, and {IGNORED} elsewhere", got)
    return first - 1, labels[rows, first]


def at_position(
    feature: Tensor, position: Position | None, mask: Tensor | None, answers: Tensor | None, where: str
) -> Tensor:
    """The state that stands for each sample, shape (B, D); or all of them, where no position is asked for.

    Parameters
    ----------
    feature : Tensor
        Maps are averaged over their positions by "mean"; vectors stay as they are.
    position : {"mean", "cls", "last", "answer"}, optional
        Over all tokens, at the first, at the last, or where the answer is predicted. Padding counts nowhere.
    mask : Tensor of bool, shape (B, L), optional
        Without it no token is padding.
    answers : Tensor of int, shape (B,), optional
    where : str
        What messages call the layer.

    Raises
    ------
    InputError
        When tokens are padded and no position is asked for, or the mask does not fit.
    """
    if kind(feature) == "vector":
        return feature
    if kind(feature) == "map":
        if position in (None, "mean"):
            return feature if position is None else feature.flatten(2).mean(2)
        raise InputError(where, f"tokens (B, L, D) for position {position!r}", f"maps {tuple(feature.shape)}")
    if mask is None:
        mask = torch.ones(feature.shape[:2], dtype=torch.bool, device=feature.device)
    if mask.shape != feature.shape[:2]:
        got = f"shape {tuple(feature.shape)} beside a mask {tuple(mask.shape)}"
        raise InputError(where, "as many tokens as the mask has", got)
    if position is None:
        if not bool(mask.all()):
            hint = "say which state stands for a sample: position='mean', 'cls', 'last' or 'answer'"
            raise InputError(where, "tokens without padding where all of them are kept", "padded ones", hint)
        return feature
    if not bool(mask.any(1).all()):
        odd = int((~mask.any(1)).int().argmax())
        raise InputError(where, "at least one token in each sample", f"only padding in row {odd}")
    if position == "mean":
        return mean_of(feature, mask)
    if position == "answer" and answers is not None:
        at = answers
    else:
        length, order = mask.shape[1], mask.int()
        at = order.argmax(1) if position == "cls" else length - 1 - order.flip(1).argmax(1)
    return feature[torch.arange(len(feature), device=feature.device), at]
