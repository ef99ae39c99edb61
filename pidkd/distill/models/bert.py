"""Encoders of texts, as BERT has them, of any size."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from pidkd.distill.positions import mean_of
from pidkd.errors import InputError
from pidkd.parameters import Fraction, Whole


def build(
    shape: tuple[int, int],
    n_classes: int,
    layers: Annotated[int, Whole(1, 1_000)] = 2,
    width: Annotated[int, Whole(1, 65_536)] = 64,
    heads: Annotated[int, Whole(1, 1_024)] = 4,
    dropout: Annotated[float, Fraction()] = 0.1,
) -> nn.Module:
    """Embeddings of tokens and positions; layers of attention and of two linear maps; the mean over tokens; linear.

    Each layer adds what attention and a hidden layer of 4 ``width`` GELU units find to its input, and normalises each
    sum. Padding is attended to by no token, and is not counted in the mean.

    Parameters
    ----------
    layers, width, heads : int
        Layers, their units, and the parts into which attention divides these.
    dropout : float
        Of embeddings, and of all that is added.

    Notes
    -----
    Tap ``embeddings``, ``layer1``, ``layer2`` and so on: tokens of shape (B, length, ``width``).

    References
    ----------
    devlin2019
    """
    if width % heads:
        raise InputError("model 'bert': heads", f"a divisor of the width, {width}", str(heads))
    return Encoder(shape, n_classes, layers, width, heads, dropout)


class Encoder(nn.Module):
    """See ``build``."""

    def __init__(
        self, shape: tuple[int, int], n_classes: int, layers: int, width: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.embeddings = Embeddings(*shape, width, dropout)
        self.names = [f"layer{i}" for i in range(1, layers + 1)]
        for name in self.names:
            self.add_module(name, Layer(width, heads, dropout))
        self.classifier = nn.Linear(width, n_classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, shape (B, n_classes)."""
        mask = attention_mask.bool()
        x = self.embeddings(input_ids)
        for name in self.names:
            x = self.get_submodule(name)(x, mask)
        logits: Tensor = self.classifier(mean_of(x, mask))
        return logits


class Embeddings(nn.Module):
    """Vectors of tokens and of their positions, added and normalised."""

    def __init__(self, length: int, n_tokens: int, width: int, dropout: float) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(n_tokens, width), nn.Embedding(length, width)
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=STD)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Vectors, shape (B, L, width)."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x: Tensor = self.dropout(self.norm(self.tokens(input_ids) + self.positions(places)))
        return x


class Layer(nn.Module):
    """Attention between the tokens of a text, then two linear maps at each of them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.queries_keys_values, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2, self.dropout = nn.LayerNorm(width), nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Tokens, shape (B, L, width), of which ``mask`` is False at padding."""
        n, length, width = x.shape
        parts = self.queries_keys_values(x).reshape(n, length, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values, mask[:, None, None])
        mixed = self.mixed(attended.transpose(1, 2).reshape(n, length, width))
        x = self.norm1(x + self.dropout(mixed))
        out: Tensor = self.norm2(x + self.dropout(self.back(functional.gelu(self.hidden(x)))))
        return out


STD = 0.02
"""Standard deviation of embeddings at the start."""
