"""Overhead of the training engine beside a hand-written loop, and the gain of its fast path.

A step is one of WRN-16-1 without a teacher. An epoch is one of RID, WRN-40-2 to WRN-16-1, of noise in as many images as
CIFAR-10 has. ``engine`` compiles the networks on an accelerator; ``plain`` is eager and in float32, with a
``DataLoader`` for epochs. One row is the median of some steps or epochs after the first, which warms up.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.benchmarks.problems import Family, Problem, Size
from pidkd.distill.dataset import ImageData
from pidkd.errors import import_extra

SHAPE, CLASSES = (32, 32, 3), 10
TAPS = [(f"stage{k}", f"stage{k}") for k in (1, 2, 3)]
REPEATS = {"step": 20, "student": 3, "filters": 3}


@dataclass(frozen=True)
class Work:
    """A step of a student alone, or an epoch in a phase of RID: "step", "filters" or "student"."""

    what: str
    n_images: int
    batch_size: int

    @property
    def data(self) -> ImageData:
        """Images that nobody learns anything from."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (self.n_images, *SHAPE), dtype=np.uint8)
        return ImageData(images, rng.integers(0, CLASSES, self.n_images), CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3)


def measure(loop: str, data: Sequence[Work], device: str) -> dict[str, Any]:
    """Medians of CPU and wall seconds of a step or an epoch."""
    torch: Any = import_extra("torch", "train", needed_by="pidkd bench training")
    moments: list[tuple[float, float]] = []

    def lap() -> None:
        if device == "cuda":
            torch.cuda.synchronize()
        moments.append((time.process_time(), time.perf_counter()))

    (work,) = data
    {"plain": plain, "engine": engine}[loop](work, device, lap)
    cpu, wall = zip(*([b - a for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(moments)), strict=True)
    seconds = {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "repeats": len(cpu)}
    return {"status": "solved", "members": 1, **seconds}


def network(depth: int, width: int) -> Any:
    """A wide residual network."""
    from pidkd.distill import build_model

    return build_model("wrn", SHAPE, CLASSES, depth=depth, width=width)


def engine(work: Work, device: str, lap: Callable[[], None]) -> None:
    """``pidkd.distill.train``."""
    from pidkd.distill import Recipe, get_method, train

    compiled = device == "cuda"
    if work.what == "step":
        recipe = Recipe(epochs=1, batch_size=work.batch_size, compile=compiled)
        train(None, network(16, 1), work.data, method="none", recipe=recipe, device=device, progress=lambda *_: lap())
        return
    # Both phases must occur: one epoch of the other one.
    epochs = REPEATS[work.what] + 2
    recipe = Recipe(epochs=epochs, batch_size=work.batch_size, compile=compiled)
    method = get_method("rid")(q=epochs, r=(epochs - 1 if work.what == "filters" else 1) / epochs)

    def after_epoch(run: Any) -> None:
        if run.schedule[run.epoch] == work.what:
            lap()

    train(
        network(40, 2),
        network(16, 1),
        work.data,
        method=method,
        taps=TAPS,
        recipe=recipe,
        device=device,
        after_epoch=after_epoch,
    )


def plain(work: Work, device: str, lap: Callable[[], None]) -> None:
    """The same in a bare loop."""
    import torch

    from pidkd.distill import FeatureTap, get_method

    data = work.data
    x: Any = torch.from_numpy((data.images / 255.0 - 0.5) / 0.25).permute(0, 3, 1, 2).float().contiguous()
    y: Any = torch.from_numpy(np.array(data.labels))
    if work.what == "step":
        model = network(16, 1).to(device).train()
        optimizer = _sgd(model.parameters())
        for images, labels in zip(x.split(work.batch_size), y.split(work.batch_size), strict=True):
            loss: Any = torch.nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
            _step(optimizer, loss)
            lap()
        return
    workers = 4 if device == "cuda" else 0
    loader: Any = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y),
        work.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=workers > 0,
    )
    learns = work.what == "student"
    teacher = FeatureTap(network(40, 2).to(device), [t for t, _ in TAPS], frozen=True)
    student = FeatureTap(network(16, 1).to(device), [s for _, s in TAPS], frozen=not learns)
    rid = get_method("rid")().loss(teacher(x[:2].to(device)), student(x[:2].to(device)))
    rid.start(work.what)
    optimizer = _sgd([*rid.trained(work.what).values(), *(student.parameters() if learns else ())])
    for _ in range(1 + REPEATS[work.what]):
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            total, _ = rid(teacher(images), student(images), labels)
            _step(optimizer, total)
        lap()


def _sgd(parameters: Any) -> Any:
    import torch

    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)


def _step(optimizer: Any, loss: Any) -> None:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def _problem(name: str, size: Size, work: Work) -> Problem:
    return Problem(name, size, lambda: (work,))


def _step_of(n: int, size: Size) -> Problem:
    return _problem(f"step of {n} images", size, Work("step", n * (1 + REPEATS["step"]), n))


PROBLEMS = (
    _step_of(4, "tiny"),
    _step_of(64, "small"),
    *(
        _problem(f"epoch of 50,000 images, RID's phase {phase}", "full", Work(phase, 50_000, 128))
        for phase in ("student", "filters")
    ),
)

FAMILY = Family(PROBLEMS, section="speed", names=("plain", "engine"), measure=measure)
