"""Cost of the balance, and gain of a cached teacher: CPU seconds of an epoch of VID in the engine.

``capped`` is the default, ``uncapped`` measures and logs gradients without a cap, ``unmeasured`` does neither, and
``live`` is the default with the teacher run in every step. One row is the median of epochs after the first, in which
the teacher's outputs are computed. Differences are of per cents: many epochs, and other load on the machine counts.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.benchmarks.problems import Family, Problem
from pidkd.distill.dataset import ImageData

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "capped": {},
    "uncapped": {"cap": None},
    "unmeasured": {"cap": None, "balance_every": None},
    "live": {"cache": "never"},
}
TAPS = [("stage2", "stage2"), ("stage3", "stage3")]


@dataclass(frozen=True)
class Work:
    """Epochs of a CNN of 8-16-32 channels with a teacher, on noise."""

    teacher: str
    options: Mapping[str, Any]
    size: int
    n_images: int
    n_epochs: int

    @property
    def data(self) -> ImageData:
        """Images that nobody learns anything from."""
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (self.n_images, self.size, self.size, 3), dtype=np.uint8)
        return ImageData(images, rng.integers(0, 10, self.n_images), 10, mean=(0.5,) * 3, std=(0.25,) * 3)


def measure(name: str, data: Sequence[Work], device: str) -> dict[str, Any]:
    """Medians of CPU and wall seconds of an epoch."""
    from pidkd.distill import Recipe, build_model, train

    (work,) = data
    images = work.data
    teacher = build_model(work.teacher, images.shape, 10, 1, **work.options)
    student = build_model("cnn", images.shape, 10, widths=[8, 16, 32], stride=2)
    recipe = Recipe(epochs=work.n_epochs, batch_size=64, clip=10.0, **RECIPES[name])
    moments: list[tuple[float, float]] = []

    def lap(run: Any) -> None:
        run.runtime.sum(run.losses.sums).tolist()  # the device has done all that was asked of it
        moments.append((time.process_time(), time.perf_counter()))

    train(teacher, student, images, method="vid", taps=TAPS, recipe=recipe, device=device, after_epoch=lap)
    cpu, wall = zip(*([b - a for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(moments)), strict=True)
    seconds = {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "repeats": len(cpu)}
    return {"status": "solved", "members": 1, **seconds}


PROBLEMS = (
    Problem("2 steps, CNN 4-8-8", "tiny", lambda: (Work("cnn", {"widths": [4, 8, 8]}, 8, 128, 2),)),
    Problem("16 steps, CNN 16-32-64", "small", lambda: (Work("cnn", {"widths": [16, 32, 64]}, 28, 1024, 21),)),
    Problem("4 steps, ResNet-56", "full", lambda: (Work("resnet_cifar", {"depth": 56}, 32, 256, 11),)),
)

FAMILY = Family(PROBLEMS, section="speed", names=tuple(RECIPES), measure=measure)
