"""What the engine costs beside a plain loop, and what its fast path gains.

``python -m pidkd.benchmarks.training`` compares, on a CPU, a training step of WRN-16-1 in the engine with the same step
in a bare PyTorch loop, in CPU time. With ``--device cuda`` it measures seconds for an epoch of RID, WRN-40-2 to
WRN-16-1, on as many images of noise as CIFAR-10 has, and for the same epoch in a plain loop in float32 over a
``DataLoader``, in wall time.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pidkd.distill import FeatureTap, Recipe, get_method, train
from pidkd.distill.architectures import build_model
from pidkd.distill.dataset import ImageData

SHAPE, CLASSES = (32, 32, 3), 10
TAPS = [(f"stage{k}", f"stage{k}") for k in (1, 2, 3)]


def noise(n: int, seed: int = 0) -> ImageData:
    """Images that nobody learns anything from."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8)
    return ImageData(images, rng.integers(0, CLASSES, n), CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3)


def network(depth: int, width: int) -> nn.Module:
    """A wide residual network."""
    return build_model("wrn", SHAPE, CLASSES, depth=depth, width=width)


def bare_steps(data: ImageData, batch_size: int) -> Iterator[float]:
    """CPU seconds of each step of a loop as one writes it."""
    x = torch.from_numpy((data.images / 255.0 - 0.5) / 0.25).permute(0, 3, 1, 2).float().contiguous()
    y = torch.from_numpy(np.array(data.labels))
    model = network(16, 1).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for start in range(0, len(y) - batch_size + 1, batch_size):
        begun = time.process_time()
        loss: Any = nn.functional.cross_entropy(model(x[start : start + batch_size]), y[start : start + batch_size])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        yield time.process_time() - begun


def engine_steps(data: ImageData, batch_size: int) -> Iterator[float]:
    """CPU seconds of each step of the engine but the first, which includes what precedes it."""
    moments: list[float] = []
    recipe = Recipe(epochs=1, batch_size=batch_size)
    train(
        None,
        network(16, 1),
        data,
        method="none",
        recipe=recipe,
        progress=lambda part, row: moments.append(time.process_time()),
    )
    yield from (b - a for a, b in itertools.pairwise(moments))


def overhead(batch_size: int = 64, steps: int = 6, repeats: int = 5) -> tuple[float, float]:
    """Median CPU seconds of a step in the bare loop and in the engine, by turns in the same run."""
    data = noise(batch_size * steps)
    bare: list[float] = []
    engine: list[float] = []
    for _ in range(repeats):
        bare += list(bare_steps(data, batch_size))[1:]  # the first one warms up
        engine += engine_steps(data, batch_size)
    return statistics.median(bare), statistics.median(engine)


def plain_rid_epoch(data: ImageData, batch_size: int, device: str) -> Callable[[], None]:
    """An epoch of RID's second phase as one writes it: float32, a ``DataLoader``, eager."""
    x = torch.from_numpy((data.images / 255.0 - 0.5) / 0.25).permute(0, 3, 1, 2).float().contiguous()
    workers = 4 if device == "cuda" else 0
    dataset = TensorDataset(x, torch.from_numpy(np.array(data.labels)))
    loader = DataLoader(dataset, batch_size, shuffle=True, drop_last=True, num_workers=workers, pin_memory=workers > 0)
    teacher = FeatureTap(network(40, 2).to(device), [t for t, _ in TAPS], frozen=True)
    student = FeatureTap(network(16, 1).to(device), [s for _, s in TAPS])
    loss = get_method("rid")().loss(teacher(x[:2].to(device)), student(x[:2].to(device)))
    loss.start("student")
    parameters = [*student.parameters(), *loss.trained("student").values()]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def epoch() -> None:
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            total, _ = loss(teacher(images), student(images), labels)
            total.backward()
            optimizer.step()
            optimizer.zero_grad()

    return epoch


def rid_epochs(data: ImageData, batch_size: int, device: str, compiled: bool) -> dict[str, float]:
    """Wall seconds of an epoch in each phase, the last of three each; the first ones compile."""
    moments: list[float] = []
    phases: list[str] = []

    def note(run: Any) -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        moments.append(time.perf_counter())
        phases.append(run.schedule[run.epoch])

    recipe = Recipe(epochs=6, batch_size=batch_size, compile=compiled)
    method = get_method("rid")(q=6, r=0.5)
    train(
        network(40, 2), network(16, 1), data, method=method, taps=TAPS, recipe=recipe, device=device, after_epoch=note
    )
    return {phase: b - a for (a, b), phase in zip(itertools.pairwise(moments), phases[1:], strict=True)}


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--images", type=int, default=50_000, help="of an epoch of RID")
    parser.add_argument("--eager", action="store_true", help="do not compile")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        bare, engine = overhead()
        print(f"WRN-16-1, CPU seconds a step: bare {bare:.4f}, engine {engine:.4f}, ratio {engine / bare:.3f}")
        return
    data = noise(arguments.images)
    found = rid_epochs(data, 128, "cuda", not arguments.eager)
    plain = plain_rid_epoch(data, 128, "cuda")
    plain()
    torch.cuda.synchronize()
    begun = time.perf_counter()
    plain()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - begun
    name = torch.cuda.get_device_name()
    print(f"{name}: RID, WRN-40-2 to WRN-16-1, {arguments.images:,} images, batch 128, seconds an epoch:")
    print(", ".join(f"phase {phase} {value:.2f}" for phase, value in found.items()))
    print(f"plain loop in float32, student phase {seconds:.2f}, ratio {seconds / found['student']:.2f}")


if __name__ == "__main__":
    main()
