"""The posterior estimator and the paper's procedure beside the truth, on problems whose atoms are known.

Run it by ``python -m pidkd.benchmarks.posterior_truth``. Means over seeds, in nats; ``over`` counts the seeds in which
the lower end of the 95 % interval of the union information lies above the truth.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from pidkd.decomposition import decompose
from pidkd.errors import PidkdWarning
from pidkd.synthetic import problem

RUNS = (
    ("bin-cross", 20_000, 10, 3),
    ("k4-unique", 20_000, 10, 3),
    ("k8-mixed", 20_000, 10, 3),
    ("k8-copy", 20_000, 10, 3),
    ("k4-null", 20_000, 10, 3),
    ("k100-levels", 20_000, 10, 1),
    ("bin-cross", 20_000, 512, 1),
    ("k8-mixed", 20_000, 512, 1),
    ("bin-cross", 1_000, 10, 20),
    ("k8-mixed", 1_000, 10, 20),
)
"""Problem, samples, dimension of each source, seeds."""

ESTIMATORS: dict[str, dict[str, Any]] = {"posterior": {}, "kmeans": {"n_clusters": 10}}
SHOWN = ("redundant", "unique_t", "unique_s", "synergistic", "union")


def measured(name: str, n: int, d: int, estimator: str, seed: int) -> dict[str, float]:
    """The atoms, CPU seconds, and whether the lower bound lies above the truth."""
    known = problem(name, d=d)
    data = known.sample(n, seed=seed)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        result = decompose(data, estimator=estimator, units="nats", seed=seed, **ESTIMATORS[estimator])
    seconds = time.process_time() - started
    over = bool(result.interval and result.interval["union"][0] > known.union)
    return {**{key: float(getattr(result, key)) for key in SHOWN}, "seconds": seconds, "over": over}


def lines(*names: str) -> Iterator[str]:
    """The table, a line at a time; only of the named problems if any are named."""
    header = "".join(f"{key:>12}" for key in SHOWN)
    yield f"{'problem':<12} {'n':>6} {'d':>4}  {'':<16}{header}  {'CPU s':>7}  over"
    for name, n, d, seeds in RUNS:
        if names and name not in names:
            continue
        known = problem(name, d=d)
        place = f"{name:<12} {n:>6} {d:>4}  "
        yield f"{place}{'truth':<16}" + "".join(f"{value:12.4f}" for value in (*known.atoms.values(), known.union))
        for estimator in ESTIMATORS:
            found = [measured(name, n, d, estimator, seed) for seed in range(seeds)]
            mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
            over = f"{sum(one['over'] for one in found):.0f} of {seeds}" if estimator == "posterior" else ""
            figures = "".join(f"{mean[key]:12.4f}" for key in SHOWN)
            yield f"{place}{estimator:<16}{figures}  {mean['seconds']:7.1f}  {over}"


if __name__ == "__main__":
    for line in lines(*sys.argv[1:]):
        print(line, flush=True)
