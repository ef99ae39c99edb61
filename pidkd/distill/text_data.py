"""Labelled texts in memory, as training takes them. Nothing here needs torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pidkd.arrays import Array, IntArray, describe, read_only
from pidkd.distill.dataset import LabelledData
from pidkd.errors import InputError
from pidkd.parameters import Whole

PADDING = 0
"""The token that fills up a text to the length of the others."""


@dataclass(frozen=True, eq=False)
class TextData(LabelledData):
    r""":math:`(x_i, y_i)`, i = 1..n: sequences of tokens, padded to one length, with their labels.

    Networks are called with the keyword arguments ``input_ids`` and ``attention_mask``, both int64 of shape
    (B, length), the mask 0 at padding. In audits the mean over the tokens of a text stands for it.

    Parameters
    ----------
    tokens : array of int, shape (n, length)
        Tokens from 1 to ``n_tokens`` - 1, and 0 for padding, of which no text consists alone.
    labels : array of int, shape (n,)
        Classes, from 0 to ``n_classes`` - 1.
    n_classes : int
    n_tokens : int
        Size of the vocabulary, padding included.
    ids : array of int or str, shape (n,), optional
        What a sample is called wherever it appears; its row unless given.
    name : str
        What messages and records call it.

    Raises
    ------
    InputError
        When shapes, types, tokens or classes do not agree.

    Examples
    --------
    >>> data = TextData(np.array([[3, 1, 0], [2, 2, 1]]), [0, 1], 2, 4)
    >>> data.inputs["attention_mask"].tolist(), data.take([1]).tokens.tolist()
    ([[1, 1, 0], [1, 1, 1]], [[2, 2, 1]])
    """

    tokens: IntArray
    labels: IntArray
    n_classes: int
    n_tokens: int
    ids: Array = None  # type: ignore[assignment]
    name: str = "texts"

    of_samples = ("tokens",)
    noun = "text"
    position = "mean"

    def __post_init__(self) -> None:
        tokens = self.tokens
        if not isinstance(tokens, np.ndarray) or tokens.dtype.kind not in "iu" or tokens.ndim != 2 or 0 in tokens.shape:
            raise InputError(f"{self.name}: tokens", "integers of shape (n, length)", describe(tokens))
        Whole(2).check(f"{self.name}: n_tokens", self.n_tokens)
        odd = np.argwhere((tokens < 0) | (tokens >= self.n_tokens))
        if len(odd):
            got = f"{tokens[tuple(odd[0])]} in row {odd[0][0]}"
            raise InputError(f"{self.name}: tokens", f"tokens from 0 to {self.n_tokens - 1}", got)
        empty = np.flatnonzero((tokens == PADDING).all(1))
        if len(empty):
            raise InputError(f"{self.name}: tokens", "a token in every text", f"only padding in row {empty[0]}")
        self._check(len(tokens))
        self._keep(tokens=read_only(tokens.astype(np.int64)))

    @property
    def shape(self) -> tuple[int, int]:
        """Length of a text, padded, and size of the vocabulary."""
        return self.tokens.shape[1], self.n_tokens

    @property
    def inputs(self) -> dict[str, IntArray]:
        """``input_ids`` and ``attention_mask``."""
        return {"input_ids": self.tokens, "attention_mask": (self.tokens != PADDING).astype(np.int64)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of tokens, labels, classes and size of the vocabulary, in hexadecimal: equal for equal content."""
        digest = hashlib.sha256(repr((self.tokens.shape, self.n_classes, self.n_tokens)).encode())
        for values in (self.tokens, self.labels):
            digest.update(np.ascontiguousarray(values, dtype="<i8").data)
        return digest.hexdigest()
