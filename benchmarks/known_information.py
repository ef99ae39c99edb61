"""Estimators of mutual information where the truth is known: eight tasks of the literature, and the staircase.

``python -m pidkd.benchmarks.known_information tasks`` prints what is on the page on mutual information, as Markdown:
means over seeds and after ± the spread over them, or of one seed its standard error. ``staircase --figure FILE`` draws
the figure, too.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pidkd.dependence import mutual_information
from pidkd.errors import PidkdWarning
from pidkd.inputs import FloatArray
from pidkd.synthetic import Task, staircase, task

Method = tuple[str, Mapping[str, Any]]

LOWER_BOUNDS = ("nwj", "infonce")
OF_TASKS: dict[str, Method] = {name: (name, {}) for name in (*LOWER_BOUNDS, "js", "ksg", "gaussian")}
"""``mine`` is within 0.01 of ``nwj`` on all of them, and ``smile`` is a reading of the critic of ``js``."""
ONCE: Mapping[str, Any] = {"n_folds": 1, "block": 5_000}
OF_STAIRCASE: dict[str, Method] = {
    **{name: (name, ONCE) for name in ("js", "nwj", "infonce", "smile")},
    "ksg": ("ksg", {}),
    "gaussian": ("gaussian", {}),
}
OF_CUBES: dict[str, Method] = {f"{name}, y cubed": (name, {}) for name in ("ksg", "gaussian")}
"""A trained critic sees ranks, which cubes leave as they are."""

PEERS: dict[str, tuple[float, ...]] = {
    "1v1-normal-0.75": (0.398, 0.415, 0.324, 0.316),
    "1v1-additive-0.1": (1.680, 1.629, 0.973, 0.932),
    "student-5-5-2": (0.210, 0.570, 0.010, 0.010),
    "multinormal-dense-25-25": (0.997, 1.378, 1.115, 1.273),
    "multinormal-sparse-5-5": (0.733, 1.026, 0.963, 0.884),
    "spiral-sparse-5-5": (0.540, 0.385, 0.405, 0.391),
    "normal_cdf-sparse-25-25": (0.137, 1.027, 0.804, 0.561),
    "swissroll-1v1": (0.409, 0.023, 0.137, 0.059),
}
"""KSG (k = 3) and canonical correlations of bmi 0.1.3, SMILE and JS of torch-mist 0.2.17 at its default training; one
sample of 5,000 each, drawn by bmi."""


@dataclass(frozen=True)
class Found:
    """Values and standard errors in nats, and CPU seconds, each of shape (n_seeds,)."""

    value: FloatArray
    se: FloatArray
    seconds: FloatArray

    def __str__(self) -> str:
        """The mean, and after ± the spread over seeds; of one seed its standard error."""
        spread = self.value.std(ddof=1) if len(self.value) > 1 else self.se[0]
        return f"{self.value.mean():.3f} ± {spread:.3f}"


def measure(of: Task, n_samples: int, n_seeds: int, methods: Mapping[str, Method]) -> dict[str, Found]:
    """Every method on the same samples, one sample for each seed."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
    for seed in range(n_seeds):
        x, y = of.sample(n_samples, seed)
        for name, (estimator, params) in methods.items():
            started = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PidkdWarning)
                result = mutual_information(x, y, estimator=estimator, units="nats", seed=seed, **params)
            found[name].append((result.value, result.se or np.nan, time.process_time() - started))
    return {name: Found(*np.array(rows).T) for name, rows in found.items()}


def of_tasks(n_samples: int, n_seeds: int, names: Sequence[str]) -> Iterator[str]:
    """The tasks, a line at a time, each with the CPU seconds of one estimate below."""
    yield _row(["task", "true", *(f"`{name}`" for name in OF_TASKS), "peers: KSG", "CCA", "SMILE", "JS"])
    yield _row(["---"] * (len(OF_TASKS) + 6))
    for name in names:
        known = task(name)
        found = measure(known, n_samples, n_seeds, OF_TASKS)
        bounds = [found[name] for name in LOWER_BOUNDS]
        above = max(float((each.value - 1.96 * each.se > known.mi).mean()) for each in bounds)
        figures = [str(found[method]) for method in OF_TASKS]
        yield _row([name, f"{known.mi:.3f}", *figures, *(f"{value:.3f}" for value in PEERS[name])])
        seconds = [f"{found[method].seconds.mean():.1f} s" for method in OF_TASKS]
        closest = min(abs(each.value.mean() - known.mi) for each in bounds)
        rival = min(abs(value - known.mi) for value in PEERS[name][2:])
        verdict = f"best lower bound off by {closest:.3f}, best of SMILE and JS by {rival:.3f}; above: {above:.0%}"
        yield _row([f"({verdict})", "", *seconds, "", "", "", ""])


def of_staircase(n_samples: int, n_seeds: int, figure: str | None) -> Iterator[str]:
    """The staircase, a step at a time, and the figure of all of them."""
    names = [*OF_STAIRCASE, *OF_CUBES]
    yield _row(["true", *(f"`{name}`" for name in names)])
    yield _row(["---"] * (len(names) + 1))
    truth, found = [], []
    for step, cubed in zip(staircase(), staircase(cubic=True), strict=True):
        truth.append(step.mi)
        found.append(measure(step, n_samples, n_seeds, OF_STAIRCASE) | measure(cubed, n_samples, n_seeds, OF_CUBES))
        yield _row([f"{step.mi:g}", *(str(found[-1][name]) for name in names)])
    if figure is not None:
        draw(truth, found, figure)


def draw(truth: Sequence[float], found: Sequence[Mapping[str, Found]], figure: str) -> None:
    """Estimates of each method against the truth."""
    import matplotlib.pyplot as plt

    shown, panel = plt.subplots(figsize=(6, 4.5), layout="constrained")
    panel.plot(truth, truth, color="black", linewidth=1, label="truth")
    for name in found[0]:
        style = "--" if name in OF_CUBES else "-"
        panel.plot(truth, [each[name].value.mean() for each in found], style, marker="o", markersize=3, label=name)
    panel.set(xlabel="I(X;Y), nats", ylabel="estimate, nats")
    panel.legend(fontsize="small")
    shown.savefig(figure, dpi=110)
    plt.close(shown)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print one of the two tables."""
    parser = argparse.ArgumentParser(prog="python -m pidkd.benchmarks.known_information", description=main.__doc__)
    parser.add_argument("what", choices=("tasks", "staircase"))
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PEERS)}; by default all")
    parser.add_argument("--samples", type=int, help="by default 5,000 for the tasks and 10,000 for the staircase")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.what == "tasks":
        lines = of_tasks(arguments.samples or 5_000, arguments.seeds, arguments.names or list(PEERS))
    else:
        lines = of_staircase(arguments.samples or 10_000, arguments.seeds, arguments.figure)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
