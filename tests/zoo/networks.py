"""Small networks of every shape that people bring, each with inputs, layers to tap, and what is right for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

CLASSES = 3


@dataclass(frozen=True)
class Network:
    """A network of the zoo.

    Parameters
    ----------
    name : str
    make : callable
        A fresh network, with weights of torch's generator.
    inputs : callable
        Inputs of n samples that tell their labels, from the labels and a generator.
    tap : str or None
        A layer; None where the network is only trained and evaluated.
    axes : str
        Letters of the axes of the layer's output as the network puts it out.
    refused : str
        Part of the one line that refuses to tap the layer; empty where it is taken.
    refused_in_training : str
        Part of the one line that refuses to train the network with this layer.
    logits : bool
        Whether the network puts out logits.
    options : mapping
        Of ``capture``, ``train`` and ``evaluate``: ``forward``.
    layout : str, optional
        Axes that the user says.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[Tensor, torch.Generator], Any]
    tap: str | None = "layer"
    axes: str = "BCHW"
    refused: str = ""
    refused_in_training: str = ""
    logits: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: str | None = None

    def __str__(self) -> str:
        return self.name


def images(channels: int = 1, *sizes: int, dtype: torch.dtype = torch.float32) -> Callable[[Tensor, Any], Tensor]:
    def make(y: Tensor, generator: torch.Generator) -> Tensor:
        x = torch.randn(len(y), channels, *(sizes or (8, 8)), generator=generator)
        return (x + (y - 1.0).view(-1, *[1] * (x.dim() - 1))).to(dtype)

    return make


def tokens(length: int = 6) -> Callable[[Tensor, Any], Tensor]:
    def make(y: Tensor, generator: torch.Generator) -> Tensor:
        ids = torch.randint(0, 5, (len(y), length), generator=generator)
        ids[:, 0] = 5 + y
        return ids

    return make


def vectors(width: int = 5, dtype: torch.dtype = torch.float32) -> Callable[[Tensor, Any], Tensor]:
    return lambda y, generator: (torch.randn(len(y), width, generator=generator) + y[:, None] - 1.0).to(dtype)


class Built(nn.Module):
    """Parts by name, and a function of them."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.run(self, *inputs, **named)


def conv(n_in: int = 1, n_out: int = 4, **options: Any) -> nn.Module:
    return nn.Conv2d(n_in, n_out, 3, padding=1, **options)


def head(n: int) -> nn.Module:
    return nn.Linear(n, CLASSES)


def cnn(*extra: nn.Module) -> nn.Module:
    block = nn.Sequential(conv(), nn.BatchNorm2d(4), *extra, nn.ReLU())
    return Built(lambda m, x: m.head(m.layer(x).mean((2, 3))), layer=block, head=head(4))


def view_flattening() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        h = m.layer(x)
        return m.head(h.view(h.size(0), -1))

    return Built(run, layer=conv(), head=head(4 * 64))


class ViewedWeights(nn.Module):
    """It looks at its own weights as one long vector."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = conv(2, 4), head(4)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.layer.weight.view(-1).square().mean().sqrt()
        return self.head((self.layer(x) / scale).mean((2, 3)))


class NHWC(nn.Module):
    """A block whose channels are last."""

    def __init__(self, n: int = 6) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(n), nn.Linear(n, n)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(self.norm(x))


class ConvNext(nn.Module):
    """A block that computes with its channels last and gives them back second."""

    def __init__(self, n: int = 6) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(n, n, 3, padding=1, groups=n), nn.Linear(n, n)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def nhwc() -> nn.Module:
    return Built(
        lambda m, x: m.head(m.layer(m.stem(x).permute(0, 2, 3, 1)).mean((1, 2))),
        stem=conv(1, 6), layer=NHWC(), head=head(6),
    )  # fmt: skip


def embedding(kind: str) -> nn.Module:
    """Recurrent and attending networks, batch first or second."""
    width, first = 8, not kind.endswith("second")
    layer: nn.Module
    if kind.startswith(("LSTM", "GRU")):
        layer = getattr(nn, kind.split()[0])(width, width, batch_first=first)
    elif kind.startswith("attention"):
        layer = nn.MultiheadAttention(width, 2, batch_first=first)
    else:
        block = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=first)
        layer = nn.TransformerEncoder(block, 1, enable_nested_tensor=False)

    def run(m: Any, x: Tensor) -> Tensor:
        h = m.embed(x) if first else m.embed(x).transpose(0, 1)
        h = m.layer(h, h, h) if kind.startswith("attention") else m.layer(h)
        h = h[0] if isinstance(h, tuple) else h
        return m.head(h.mean(1 if first else 0))

    return Built(run, embed=nn.Embedding(10, width), layer=layer, head=head(width))


class Output(dict[str, Any]):
    """As a ModelOutput: a dict with attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error


def huggingface(logits: bool = True) -> nn.Module:
    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.mix = nn.Embedding(10, 8), nn.Linear(8, 8)

        def forward(self, ids: Tensor, mask: Tensor) -> Output:
            hidden = torch.tanh(self.mix(self.embed(ids))) * mask[..., None]
            return Output(last_hidden_state=hidden, pooler_output=hidden[:, 0])

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = Backbone(), head(8)

        def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> Output:
            hidden = self.layer(input_ids, attention_mask)
            scores = self.head(hidden.last_hidden_state.mean(1))
            return Output(loss=None, logits=scores) if logits else hidden

    return Model()


def with_mask(y: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    ids = tokens()(y, generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class ExtraState(nn.Module):
    """A layer with state that is no tensor, and a mask of infinities."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.seen = {"calls": 0, "names": ["a"]}
        self.register_buffer("mask", torch.full((6, 6), -math.inf).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        weights = (x @ x.transpose(1, 2) / 3 + self.mask).softmax(-1)
        return self.linear(weights @ x)

    def get_extra_state(self) -> dict[str, Any]:
        return self.seen

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.seen = state


class Checkpointed(nn.Module):
    """A stem and a block that is recomputed in the backward pass."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.layer = nn.Sequential(conv(), nn.BatchNorm2d(4, momentum=0.0), nn.ReLU())
        self.head = head(4)

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.layer, x, use_reentrant=self.reentrant) if self.training else self.layer(x)
        return self.head(x.mean((2, 3)))


class Tied(nn.Module):
    """Output weights are those of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.layer = nn.Embedding(10, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 10, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(x)).mean(1))[:, :CLASSES]


class Windows(nn.Module):
    """Attention in windows, which become samples of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layer, self.head = nn.Linear(4, 8), nn.Linear(8, 8), head(8)

    def forward(self, x: Tensor) -> Tensor:
        windows = self.stem(x).reshape(-1, 2, 8)
        return self.head(self.layer(windows).reshape(len(x), -1, 8).mean(1))


class Counting(nn.Module):
    """It counts in a buffer, in eval mode too, and anneals by a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(5, 6), head(6)
        self.register_buffer("calls", torch.zeros(()))
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.steps += self.training
        return self.head(self.layer(x).relu())


class Quantised(nn.Module):
    """Fake-quantised weights, with their observers' state."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(5, 6), head(6)
        self.register_buffer("scale", torch.tensor(0.05))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.fake_quantize_per_tensor_affine(self.layer.weight, float(self.scale), 0, -128, 127)
        return self.head(nn.functional.relu(nn.functional.linear(x, weight, self.layer.bias) + 0 * self.layer(x)))


def in_dtype(dtype: torch.dtype) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(network, nn.Linear(4, CLASSES)).to(dtype)

    return make


def _run_pair(m: Any, a: Tensor, b: Tensor) -> Tensor:
    return m.head(m.layer(torch.cat([a, b], 1)).relu())


def _pair(y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return vectors(3)(y, generator), vectors(2)(y, generator)


def conv_nd(n: int) -> nn.Module:
    layer = getattr(nn, f"Conv{n}d")(1, 4, 3, padding=1)
    return Built(
        lambda m, x: m.head(m.layer(x).flatten(2).mean(2)),
        layer=nn.Sequential(layer, getattr(nn, f"BatchNorm{n}d")(4), nn.ReLU()),
        head=head(4),
    )


def spectral(kind: Any) -> nn.Module:
    return Built(lambda m, x: m.head(m.layer(x).mean((2, 3))), layer=kind(conv()), head=head(4))


def output(wrap: Callable[[Tensor, Tensor], Any]) -> nn.Module:
    def run(m: Any, x: Tensor) -> Any:
        h = m.layer(x)
        return wrap(m.head(h.mean((2, 3))), h)

    return Built(run, layer=conv(), head=head(4))


def patches(n: int = 8) -> nn.Module:
    """As a vision transformer: patches become tokens by hand."""
    block = nn.TransformerEncoderLayer(n, 2, 16, dropout=0.0, batch_first=True)
    return Built(
        lambda m, x: m.head(m.layer(m.stem(x).flatten(2).transpose(1, 2)).mean(1)),
        stem=nn.Conv2d(1, n, 2, 2), layer=block, head=head(n),
    )  # fmt: skip


def mean_of_maps(layer: nn.Module, n: int = 4) -> nn.Module:
    return Built(lambda m, x: m.head(m.layer(m.stem(x)).flatten(2).mean(2)), stem=conv(1, 4), layer=layer, head=head(n))


def mixer() -> nn.Module:
    """Positions are mixed by a matrix, as channels are elsewhere."""
    mixing = Built(lambda m, x: m.linear(x.transpose(1, 2)).transpose(1, 2), linear=nn.Linear(6, 5))
    return Built(lambda m, x: m.head(m.layer(m.stem(x)).mean(1)), stem=nn.Linear(4, 8), layer=mixing, head=head(8))


def with_buffer(make: Callable[[], Tensor]) -> nn.Module:
    network = Built(lambda m, x: m.head(m.layer(x).relu()), layer=nn.Linear(5, 6), head=head(6))
    network.register_buffer("kept", make())
    return network


class Observed(nn.Module):
    """Observers of quantisation begin with empty statistics and take another shape in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(5, 6), head(6)
        self.register_buffer("lowest", torch.tensor([]))

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(x).relu()
        seen = h.detach().amin(0)
        if self.lowest.shape != seen.shape:
            self.lowest.resize_(seen.shape).fill_(math.inf)
        self.lowest.copy_(torch.minimum(self.lowest, seen))
        return self.head(h)


IMAGES = images()
NETWORKS = [
    Network("a convolutional network", cnn, IMAGES),
    Network("view after a convolution", view_flattening, IMAGES),
    Network("a view of its own weights", ViewedWeights, images(2)),
    Network("Conv1d", lambda: conv_nd(1), images(1, 12), axes="BCL"),
    Network("Conv1d as long as it is wide", lambda: conv_nd(1), images(1, 4), axes="BCL"),
    Network("Conv3d", lambda: conv_nd(3), images(1, 4, 5, 6), axes="BCZHW"),
    Network("channels last", nhwc, IMAGES, axes="BHWC"),
    Network("channels last and back", lambda: Built(
        lambda m, x: m.head(m.layer(m.stem(x)).mean((2, 3))), stem=conv(1, 6), layer=ConvNext(), head=head(6)), IMAGES),
    Network("channels last in a square cube", nhwc, images(1, 6, 6), axes="BHWC", refused="layout=", layout="BHWC"),
    Network("patches", patches, IMAGES, axes="BLD"),
    *[Network(f"{kind} {place}", lambda kind=kind, place=place: embedding(f"{kind} {place}"), tokens(length),  # type: ignore[misc]
              axes="BLD" if place == "first" else "LBD")
      for kind, place, length in [("LSTM", "first", 6), ("LSTM", "second", 6), ("GRU", "second", 2),
                                  ("encoder", "first", 6), ("encoder", "second", 3), ("attention", "first", 6),
                                  ("attention", "second", 16)]],
    Network("windows", Windows, lambda y, g: torch.randn(len(y), 6, 4, generator=g) + y[:, None, None] - 1.0,
            refused="one row for each sample"),
    Network("a model of a hub", huggingface, with_mask, axes="BLD"),
    Network("a backbone of a hub", lambda: huggingface(logits=False), with_mask, axes="BLD", logits=False),
    Network("two inputs", lambda: Built(_run_pair, layer=nn.Linear(5, 6), head=head(6)), _pair, axes="BD"),
    Network("a tuple of logits and features", lambda: output(lambda z, h: (z, h)), IMAGES),
    Network("a dict with logits", lambda: output(lambda z, h: {"logits": z, "features": h}), IMAGES),
    Network("a named output", lambda: output(lambda z, h: SimpleNamespace(logits=z)), IMAGES),
    Network("a dict without logits", lambda: output(lambda z, h: {"scores": z}), IMAGES, logits=False),
    Network("a dict, and how to read it", lambda: output(lambda z, h: {"scores": z}), IMAGES,
            options={"forward": lambda network, x: network(x)["scores"]}),
    Network("two matrices", lambda: output(lambda z, h: (z, z)), IMAGES, logits=False),
    Network("infinities and extra state", lambda: Built(
        lambda m, x: m.head(m.layer(m.embed(x)).mean(1)), embed=nn.Embedding(10, 8), layer=ExtraState(),
        head=head(8)), tokens(), axes="BLD"),
    Network("a checkpoint without re-entry", lambda: Checkpointed(False), IMAGES),
    Network("a re-entrant checkpoint", lambda: Checkpointed(True), IMAGES,
            refused_in_training="from which the loss reaches parameters of the student"),
    Network("a layer without gradient", lambda: Built(
        lambda m, x: m.head(m.layer(x).detach().mean((2, 3))), layer=conv().requires_grad_(False), head=head(4)),
        IMAGES, refused_in_training="from which the loss reaches parameters of the student"),
    Network("tied weights", Tied, tokens(), axes="BLD"),
    Network("old spectral norm", lambda: spectral(nn.utils.spectral_norm), IMAGES),
    Network("spectral norm", lambda: spectral(nn.utils.parametrizations.spectral_norm), IMAGES),
    Network("weight norm", lambda: spectral(nn.utils.parametrizations.weight_norm), IMAGES),
    Network("counting", Counting, vectors(), axes="BD"),
    Network("fake-quantised", Quantised, vectors(), axes="BD"),
    *[Network(str(dtype), in_dtype(dtype), images(), tap="0.0")
      for dtype in (torch.float64, torch.bfloat16, torch.float16)],
    Network("data parallel", lambda: nn.DataParallel(cnn()), IMAGES, tap="module.layer"),
    Network("a layer overwritten in place", lambda: Built(
        lambda m, x: m.head(torch.relu_(m.layer(x)).mean((2, 3))), layer=conv(), head=head(4)), IMAGES,
        refused="a later layer overwrites"),
    Network("a layer that runs twice", lambda: Built(
        lambda m, x: m.head(m.layer(m.layer(x)).mean((2, 3))), layer=conv(1, 1), head=head(1)), IMAGES,
        refused="a layer that runs once"),
    Network("a sum over the batch", lambda: Built(
        lambda m, x: m.head(x.mean((2, 3)) + m.layer(x.mean((0, 2, 3))[None]).sum()), layer=nn.Linear(1, 2),
        head=head(1)), IMAGES, refused="one row for each sample"),
    Network("a norm over channels and positions", lambda: mean_of_maps(nn.LayerNorm([4, 8, 8])), IMAGES),
    Network("patches by unfolding", lambda: mean_of_maps(nn.Unfold(2, stride=2), 16), IMAGES, axes="BCL"),
    Network("pixels shuffled", lambda: mean_of_maps(nn.PixelShuffle(2), 1), IMAGES),
    Network("positions mixed by a matrix", mixer,
            lambda y, g: torch.randn(len(y), 6, 4, generator=g) + y[:, None, None], axes="BLD",
            refused="layout=", layout="BLD"),
    Network("a sparse buffer", lambda: with_buffer(lambda: torch.eye(3).to_sparse()), vectors(), axes="BD"),
    Network("a buffer of eight bits", lambda: with_buffer(lambda: torch.ones(3).to(torch.float8_e4m3fn)), vectors(),
            axes="BD"),
    Network("a buffer that takes another shape", Observed, vectors(), axes="BD"),
    *[Network(f"tokens of {dtype}", Tied, lambda y, g, dtype=dtype: tokens()(y, g).to(dtype), axes="BLD")  # type: ignore[misc]
      for dtype in (torch.uint8, torch.int16, torch.int32)],
    Network("double inputs", cnn, images(dtype=torch.float64)),
    Network("half inputs", cnn, images(dtype=torch.float16)),
]  # fmt: skip


def failing(x: Tensor) -> Tensor:
    raise KeyError("no such thing")


class Fails(nn.Module):
    """Somebody's fault in somebody's forward."""

    def __init__(self, only_in_training: bool = False) -> None:
        super().__init__()
        self.layer, self.only_in_training = nn.Linear(5, CLASSES), only_in_training

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(failing(x) if self.training or not self.only_in_training else x)


REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("fails in forward", Fails, "KeyError: 'no such thing' (networks.py, line"),
    ("wrong width", lambda: nn.Sequential(nn.Linear(7, CLASSES)), "runs on inputs of shape (2, 5), float32, got Run"),
    ("lazy", lambda: nn.Sequential(nn.LazyLinear(CLASSES)), "run one batch through it first"),
    ("no module", lambda: lambda x: x, "a torch.nn.Module"),
    ("of one dimension", lambda: nn.Sequential(nn.Linear(5, 1), nn.Flatten(0)), "logits of shape (n_samples, n_cla"),
    ("for another batch size", lambda: Built(lambda m, x: m.layer(x.view(16, 5)), layer=nn.Linear(5, 3)),
     "shape '[16, 5]' is invalid"),
    ("on the meta device", lambda: nn.Linear(5, CLASSES, device="meta"), "load its weights"),
]  # fmt: skip
