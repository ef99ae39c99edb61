"""Standard errors and bias from samples left out one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from pidkd.errors import InputError
from pidkd.inputs import Input
from pidkd.parameters import Level, Parameterised
from pidkd.uncertainty.method import Values, normal_interval
from pidkd.uncertainty.sample import Sample


@dataclass(frozen=True)
class Jackknife(Parameterised):
    r"""Standard error and bias from leaving out each sample once; of a table, one of each non-empty cell, weighted.

    :math:`b = (n-1)(\bar\theta_{-i} - \hat\theta)`, :math:`\mathrm{se}^2 = \frac{n-1}{n} \sum_i (\theta_{-i} -
    \bar\theta_{-i})^2`, and the interval :math:`\hat\theta - b \pm z\,\mathrm{se}`. Exact for means; not to be trusted
    where an atom has a kink, as the unique atoms at zero.

    Parameters
    ----------
    level : float, default 0.95

    References
    ----------
    efron1993

    Examples
    --------
    >>> import pidkd
    >>> y, s = [0, 0, 0, 1] * 50, [0, 1, 0, 1] * 50
    >>> result = pidkd.decompose(y, y, s, uncertainty=pidkd.Jackknife())
    >>> low, high = result.interval["unique_t"]
    >>> bool(low < result.unique_t < high)
    True
    """

    level: Annotated[float, Level()] = 0.95

    fills: ClassVar[str] = "interval"

    def __post_init__(self) -> None:
        self.check_params()

    def check(self, sample: Sample) -> None:
        """Refuse a sample of which none can be left out."""
        if sample.n < 2:
            raise InputError("Jackknife()", "at least 2 samples", str(sample.n))

    def count(self, sample: Sample) -> int:
        """Number of distinct samples."""
        return len(sample.multiplicity())

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """The sample without one of each kind."""
        return sample.left_out()

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """Interval, standard error and bias."""
        n, weight = sample.n, sample.multiplicity()
        summary: dict[str, Any] = {"interval": {}, "se": {}, "bias": {}, "corrected": {}}
        for name, value in point.items():
            mean = float(weight @ values[name]) / n
            bias = (n - 1) * (mean - value)
            se = math.sqrt((n - 1) / n * float(weight @ (values[name] - mean) ** 2))
            summary["bias"][name], summary["se"][name], summary["corrected"][name] = bias, se, value - bias
            summary["interval"][name] = normal_interval(value - bias, se, self.level)
        return summary
