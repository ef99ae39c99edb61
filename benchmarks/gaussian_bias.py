"""What samples do to Gaussian atoms, and what each rule of correction leaves.

Run it by ``python -m pidkd.benchmarks.gaussian_bias``. Each configuration is a random channel from d_y target
variables to sources of d variables each, whose atoms are known; sample covariances are drawn from it. The figure is the
sum over the atoms of the absolute error, in bits, on average. "known" subtracts the bias that draws from the true
covariance have: what it leaves is spread, which no estimate of the bias removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pidkd.decomposition import decompose
from pidkd.estimators.solvers.gaussian.wishart import fluctuating, sample_covariances
from pidkd.inputs import FloatArray, Gaussian
from pidkd.result import NATS_PER

RULES = ("none", "venkatesh", "bootstrap", "matching")
KNOWN_DRAWS = 500
"""Draws from the true covariance, for its bias."""


@dataclass(frozen=True)
class Configuration:
    """``kind``: mixed (two channels), redundant (equal gains), unique (S is noise), or null (both are)."""

    kind: str
    d_y: int
    d: int
    n_samples: int

    def system(self, seed: int) -> Gaussian:
        """A channel with independent unit noises; its gains have variance 1 / d_y."""
        gains: FloatArray = np.random.default_rng(seed).normal(size=(2, self.d, self.d_y)) / np.sqrt(self.d_y)
        if self.kind == "redundant":
            gains[1] = gains[0]
        gains[1] *= self.kind not in ("unique", "null")
        gains[0] *= self.kind != "null"
        h = np.concatenate([gains[0], gains[1]])
        cov = np.block([[np.eye(self.d_y), h.T], [h, h @ h.T + np.eye(2 * self.d)]])
        return Gaussian(cov, (self.d_y, self.d, self.d))


CONFIGURATIONS = tuple(
    Configuration(kind, d_y, d, 200)
    for kind, d_y, d in (
        ("mixed", 5, 10),
        ("mixed", 10, 10),
        ("mixed", 5, 50),
        ("redundant", 10, 10),
        ("redundant", 5, 50),
        ("unique", 5, 50),
        ("null", 5, 50),
    )
)


def errors(configuration: Configuration, n_systems: int = 40, rules: Sequence[str] = RULES) -> dict[str, float]:
    """Mean absolute error, summed over the atoms, by rule; one sample of each of ``n_systems`` systems."""
    found: dict[str, list[float]] = {rule: [] for rule in (*rules, "known")}
    for seed in range(n_systems):
        system = configuration.system(seed)
        truth = np.array([*decompose(system).atoms.values()])
        (drawn,) = next(sample_covariances(system.cov, configuration.n_samples, 1, seed))
        sample = Gaussian(drawn, system.dims, n_samples=configuration.n_samples)
        for rule in rules:
            atoms = np.array([*decompose(sample, debias=rule, n_draws=50, seed=seed).atoms.values()])
            found[rule].append(float(np.abs(atoms - truth).sum()))
        plain = np.array([*decompose(Gaussian(drawn, system.dims)).atoms.values()])
        draws = fluctuating(system.cov, system.dims, configuration.n_samples, KNOWN_DRAWS, n_systems + seed)
        bias = draws.mean(axis=0) / NATS_PER["bits"] - truth
        found["known"].append(float(np.abs(plain - bias - truth).sum()))
    return {rule: float(np.mean(values)) for rule, values in found.items()}


def lines(n_systems: int = 40) -> Iterator[str]:
    """The table, a line at a time."""
    columns = (*RULES, "known")
    yield f"{'truth':<10} {'d_y,d':<6} {'n':>4}  " + "".join(f"{rule:>10}" for rule in columns) + "  matching/none"
    for each in CONFIGURATIONS:
        found = errors(each, n_systems)
        figures = "".join(f"{found[rule]:10.3f}" for rule in columns)
        ratio = found["matching"] / found["none"]
        yield f"{each.kind:<10} {f'{each.d_y},{each.d}':<6} {each.n_samples:>4}  {figures}  {ratio:5.2f}"


if __name__ == "__main__":
    for line in lines():
        print(line, flush=True)
