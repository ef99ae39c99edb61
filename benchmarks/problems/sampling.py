r"""Samples of distributions with known atoms: what each method of ``uncertainty=`` is worth.

``python -m pidkd.benchmarks.problems.sampling`` draws from each truth again and again, and prints in Markdown how often
the 95 % interval covers the true atoms, and how much bias is left. As a family of problems it holds what a bootstrap
solves: the resamples of one table.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.benchmarks.problems import CERTIFIED_TRUTH, Asks, Family, Problem, Size, certified_truth
from pidkd.decomposition import decompose
from pidkd.errors import PidkdWarning
from pidkd.estimator import Context
from pidkd.estimators.pid.broja import BROJA
from pidkd.inputs import Pmf
from pidkd.pid import Raw
from pidkd.result import PIDResult
from pidkd.synthetic import histogram, random_pmf
from pidkd.uncertainty import Bootstrap, Jackknife

QUANTITIES = ("redundant", "unique_t", "unique_s", "synergistic", "mi")
METHODS: dict[str, Bootstrap | Jackknife] = {
    "Bootstrap()": Bootstrap(),
    'Bootstrap(bias="extrapolation")': Bootstrap(bias="extrapolation"),
    'Bootstrap(bias="shuffle")': Bootstrap(bias="shuffle"),
    "Jackknife()": Jackknife(),
}
"""Beyond 500 cells the jackknife, one solve for each, is left out."""


@dataclass(frozen=True)
class Truth:
    """A distribution, the size of the samples drawn from it, and how many samples."""

    name: str
    pmf: Pmf
    n_samples: int
    repeats: int


def looks(n_classes: int, right_t: float, right_s: float) -> Pmf:
    """T and S two independent looks at Y, right with these probabilities, and otherwise at any other class."""
    by_class = [np.where(np.eye(n_classes) > 0, right, (1 - right) / (n_classes - 1)) for right in (right_t, right_s)]
    return Pmf(by_class[0][:, :, None] * by_class[1][:, None, :], normalise=True)


TRUTHS = {
    truth.name: truth
    for truth in (
        Truth("random (3,3,3)", random_pmf((3, 3, 3), rng=1), 1_000, 400),
        Truth("random (4,3,3)", random_pmf((4, 3, 3), rng=3), 1_000, 400),
        Truth("random (6,3,3)", random_pmf((6, 3, 3), rng=2), 1_000, 400),
        Truth("random (2,5,5)", random_pmf((2, 5, 5), rng=2), 1_000, 100),
        Truth("random (5,5,5)", random_pmf((5, 5, 5), rng=2), 1_000, 60),
        Truth("unequal looks (4,4,4)", looks(4, 0.9, 0.7), 1_000, 100),
        Truth("equal looks (4,4,4)", looks(4, 0.8, 0.8), 1_000, 100),
        Truth("unequal looks (10,10,10)", looks(10, 0.9, 0.7), 5_000, 20),
        Truth("random (10,10,10)", random_pmf((10, 10, 10), rng=4), 1_000, 20),
        Truth("independent (10,10,10)", Pmf(np.ones((10, 10, 10)), normalise=True), 10_000, 20),
    )
}


@dataclass(frozen=True)
class _Remembering(BROJA):
    """BROJA that solves no table twice: with one seed, the methods share their bootstrap samples."""

    memory: dict[bytes, Raw] = field(default_factory=dict)

    def _decompose_batch(self, data: Sequence[Pmf], ctx: Context) -> list[Raw]:
        keys = [item.p.tobytes() for item in data]
        new = {key: item for key, item in zip(keys, data, strict=True) if key not in self.memory}
        self.memory.update(zip(new, super()._decompose_batch(list(new.values()), ctx), strict=True))
        return [self.memory[key] for key in keys]


def repeat(truth: Truth, methods: Mapping[str, Bootstrap | Jackknife], seed: int) -> FloatArray:
    """Of one sample: estimate, corrected estimate and interval, shape (n_methods, 4, n_quantities), in bits."""
    sample = histogram(truth.pmf, truth.n_samples, np.random.default_rng((seed, 17)))
    estimator = _Remembering()
    estimates = []
    for method in methods.values():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PidkdWarning)
            result = decompose(sample, estimator=estimator, uncertainty=method, seed=seed)
        estimate, interval = _vector(result), result.interval or {}
        bias = [(result.bias or {}).get(name, 0.0) for name in QUANTITIES]
        estimates.append([estimate, estimate - bias, *np.transpose([interval[name] for name in QUANTITIES])])
    return np.array(estimates)


def page(truth: Truth, repeats: int | None = None, n_jobs: int = 1) -> Iterator[str]:
    """The coverage and bias of every method on one truth, as a table in Markdown."""
    import joblib

    times = repeats or truth.repeats
    few_cells = truth.pmf.p.size < 500
    methods = {name: method for name, method in METHODS.items() if few_cells or isinstance(method, Bootstrap)}
    exact = _vector(decompose(truth.pmf))
    runs = np.array(
        joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(repeat)(truth, methods, seed) for seed in range(times))
    )
    yield f"### {truth.name}, {truth.n_samples:,} samples, {times} times\n"
    yield "| bits | " + " | ".join(f"`{name}`" for name in QUANTITIES) + " |"
    yield "|---|" + "---|" * len(QUANTITIES)
    yield _row("truth", exact, "{:z.4f}")
    yield _row("standard deviation of the estimate", runs[:, 0, 0].std(axis=0, ddof=1), "{:z.4f}")
    yield _row("bias of the estimate", (runs[:, 0, 0] - exact).mean(axis=0), "{:+.4f}")
    for index, (name, method) in enumerate(methods.items()):
        _, corrected, low, high = runs[:, index].swapaxes(0, 1)
        if isinstance(method, Jackknife) or method.bias:
            yield _row(f"`{name}`: bias left", (corrected - exact).mean(axis=0), "{:+.4f}")
        # A true zero is known to the certified gap only.
        covered = (low <= exact + 1e-9) & (exact - 1e-9 <= high)
        yield _row(f"`{name}`: mean width", (high - low).mean(axis=0), "{:z.4f}")
        yield _row(f"`{name}`: **covers (%)**", 100 * covered.mean(axis=0), "{:.1f}")


def _vector(result: PIDResult) -> FloatArray:
    return np.array([getattr(result, name) for name in QUANTITIES])


def _row(title: str, values: FloatArray, form: str) -> str:
    return f"| {title} | " + " | ".join(form.format(value) for value in values) + " |"


def samples(pmf: Pmf, n_samples: int, n: int) -> Sequence[Pmf]:
    """Independent samples of one truth."""
    return [histogram(pmf, n_samples, np.random.default_rng((seed, 23))) for seed in range(n)]


def resamples(shape: tuple[int, int, int], n_samples: int, n: int) -> Sequence[Pmf]:
    """Bootstrap resamples of one sample of a random table."""
    sample = histogram(random_pmf(shape), n_samples)
    rng = np.random.default_rng(0)
    return [histogram(sample, n_samples, rng) for _ in range(n)]


def _against_n(name: str, n_samples: int, size: Size, repeats: int) -> Problem:
    pmf = TRUTHS[name].pmf
    return Problem(
        f"{name}, {n_samples:,} samples, {repeats} times",
        size,
        partial(samples, pmf, n_samples, repeats),
        lambda data: certified_truth([pmf]) * len(data),
        CERTIFIED_TRUTH,
        (f"samples of {name}", n_samples),
        Bootstrap(100, bias="shuffle"),
    )


PROBLEMS = (
    _against_n("random (3,3,3)", 300, "tiny", 4),
    *(_against_n("unequal looks (4,4,4)", n_samples, "small", 20) for n_samples in (300, 1_000, 3_000)),
    *(
        _against_n(name, n_samples, "full", 100)
        for name in ("random (3,3,3)", "random (4,3,3)", "random (5,5,5)", "equal looks (4,4,4)")
        for n_samples in (100, 300, 1_000, 3_000, 10_000)
    ),
    Problem("100 resamples of (10,10,10)", "small", partial(resamples, (10, 10, 10), 10_000, 100)),
    Problem("1,000 resamples of (10,10,10)", "full", partial(resamples, (10, 10, 10), 10_000, 1_000)),
)

FAMILY = Family(PROBLEMS, Asks(Pmf, "BROJA", peers=False))


def main() -> None:
    """Print the tables of the truths that are named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m pidkd.benchmarks.problems.sampling", description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(TRUTHS)}; by default all")
    parser.add_argument("--repeats", type=int, help="samples from each truth; by default as each one states")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TRUTHS):
        parser.error(f"expected names of {', '.join(TRUTHS)}, got {', '.join(sorted(unknown))}")
    for name in arguments.names or TRUTHS:
        for line in page(TRUTHS[name], arguments.repeats, arguments.jobs):
            print(line, flush=True)
        print(flush=True)


if __name__ == "__main__":
    main()
