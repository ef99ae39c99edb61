"""Cost of the balance, and gain of a cached teacher: CPU seconds of an epoch of VID in the engine.

``capped`` is the default, ``uncapped`` measures and logs gradients without a cap, ``unmeasured`` does neither, and
``live`` is the default with the teacher run in every step. One row is the median of epochs after the first, in which
the teacher's outputs are computed.

A difference of a per cent is less than what other load on the machine changes from minute to minute. So the epochs of
one run take turns, a b b a, with and without the cap, or with and without measuring, and the message has the median of
the ratios of neighbours. Each epoch has as many steps as there are from one measurement to the next.
"""

from __future__ import annotations

import math
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
BESIDE = {"capped": "uncapped", "uncapped": "unmeasured"}
"""What takes turns with what."""
STEPS = 20
"""Steps of an epoch."""
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
    """Medians of CPU and wall seconds of an epoch, and of the ratios of CPU seconds to those of what it is beside."""
    from pidkd.distill import Recipe, build_model, train

    (work,) = data
    images, other = work.data, BESIDE.get(name, name)
    teacher = build_model(work.teacher, images.shape, 10, 1, **work.options)
    student = build_model("cnn", images.shape, 10, widths=[8, 16, 32], stride=2)
    common: dict[str, Any] = {
        "epochs": work.n_epochs,
        "batch_size": work.n_images // STEPS,
        "clip": 10.0,
        "balance_every": STEPS,
    }
    recipes = {one: Recipe(**{**common, **RECIPES[one]}) for one in (name, other)}
    timed: list[tuple[str, float, float]] = []
    now = name, 0.0, 0.0

    def lap(run: Any) -> None:
        nonlocal now
        run.runtime.sum(run.losses.sums).tolist()  # the device has done all that was asked of it
        timed.append((now[0], time.process_time() - now[1], time.perf_counter() - now[2]))
        turn = (name, other, other, name)[(len(timed) - 1) % 4]
        run.balance.every, run.balance.cap = recipes[turn].balance_every, recipes[turn].cap
        now = turn, time.process_time(), time.perf_counter()

    train(teacher, student, images, method="vid", taps=TAPS, recipe=recipes[name], device=device, after_epoch=lap)
    cpu, wall = zip(*(seconds for one, *seconds in timed[1:] if one == name), strict=True)
    seconds = {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "repeats": len(cpu)}
    return {"status": "solved", "members": 1, **seconds, **_ratio(timed[1:], name, other)}


def _ratio(timed: Sequence[tuple[str, float, float]], name: str, other: str) -> dict[str, Any]:
    """The median ratio of neighbouring epochs, with the order statistics that are 95 % sure to enclose it."""
    pairs = [{one: cpu for one, cpu, _ in timed[i : i + 2]} for i in range(0, len(timed) - 1, 2)]
    ratios = sorted(pair[name] / pair[other] for pair in pairs) if name != other else []
    if not ratios:
        return {}
    n, median = len(ratios), statistics.median(ratios)
    low = ratios[max(0, math.floor(n / 2 - math.sqrt(n)))]
    high = ratios[min(n - 1, math.ceil(n / 2 + math.sqrt(n)) - 1)]
    message = f"{median:.4f} times {other} ({low:.4f} to {high:.4f}, {n} pairs of epochs)"
    return {"message": message, "estimate": {"ratio": median}}


PROBLEMS = (
    Problem("CNN 4-8-8", "tiny", lambda: (Work("cnn", {"widths": [4, 8, 8]}, 8, 80, 3),)),
    Problem("CNN 16-32-64", "small", lambda: (Work("cnn", {"widths": [16, 32, 64]}, 28, 640, 201),)),
    Problem("ResNet-56", "full", lambda: (Work("resnet_cifar", {"depth": 56}, 32, 240, 11),)),
)

FAMILY = Family(PROBLEMS, section="speed", names=tuple(RECIPES), measure=measure)
