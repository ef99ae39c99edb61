"""Intervals, standard errors and bias from samples drawn with replacement."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import InputError
from pidkd.inputs import Input
from pidkd.parameters import Level, Parameterised, Whole
from pidkd.uncertainty.method import Values, normal_interval
from pidkd.uncertainty.sample import Counts, Sample


@dataclass(frozen=True)
class Bootstrap(Parameterised):
    r"""Interval and standard error from ``n`` samples of the size of the data, drawn with replacement from the data.

    Without a correction the interval is the basic one, :math:`[2\hat\theta - q_{1-\alpha/2}, 2\hat\theta -
    q_{\alpha/2}]` with the quantiles of the resamples. A resample repeats the bias of the estimate on top of it, so
    that the basic interval subtracts it once, where the percentile interval would double it. With a correction it is
    :math:`\hat\theta - b \pm z \sqrt{\mathrm{se}^2 + d^2}`, where :math:`d` is how far the bias :math:`b` may be off.

    Parameters
    ----------
    n : int, default 200
        Of samples in groups, whole groups are drawn.
    level : float, default 0.95
        Probability that the interval is meant to cover the true value; docs/uncertainty.md measures where it does.
    bias : {None, "extrapolation", "shuffle"}
        "extrapolation" fits :math:`\theta(m) = \theta + a/m + b/m^2` to all samples, their halves and their quarters;
        :math:`d` is the difference from the fit without :math:`b`. "shuffle" is for tables with many cells: it
        extrapolates the model :math:`p(y)\,p(t|y)\,p(s|y)`, of which the two pair tables are enough, and adds by how
        much counts exceed their model where each class is shuffled, so that the model is true of them. The atoms stay
        as estimated; ``PIDResult.corrected`` holds them less the bias.
    repeats : int, default 20
        Random partitions into halves and quarters, and shuffles, over which the bias is averaged.

    References
    ----------
    efron1993, strong1998, panzeri2007

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> y, noise = np.random.default_rng(1).integers(2, size=(2, 500))
    >>> result = pidkd.decompose(y, y, noise, uncertainty=pidkd.Bootstrap(n=100))
    >>> low, high = result.interval["unique_t"]
    >>> bool(0.9 < low < high < 1.1)
    True
    """

    n: Annotated[int, Whole(2, 1_000_000)] = 200
    level: Annotated[float, Level()] = 0.95
    bias: Literal["extrapolation", "shuffle"] | None = None
    repeats: Annotated[int, Whole(2, 100_000)] = 20

    fills: ClassVar[str] = "interval"

    def __post_init__(self) -> None:
        self.check_params()

    def check(self, sample: Sample) -> None:
        """Refuse a sample that is too small to be quartered, or of which there is no table."""
        if self.bias and sample.n < 8:
            raise InputError(f"Bootstrap(bias={self.bias!r})", "at least 8 samples", str(sample.n))
        if self.bias == "shuffle" and not isinstance(sample, Counts):
            hint = "use bias='extrapolation'"
            raise InputError("Bootstrap(bias='shuffle')", "codes or counts", "samples without a table", hint)

    def count(self, sample: Sample) -> int:
        """Number of resamples."""
        return self.n + {None: 0, "extrapolation": 6 * self.repeats, "shuffle": 1 + 7 * self.repeats}[self.bias]

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """First the ``n`` bootstrap samples, then what the bias is estimated from."""
        for _ in range(self.n):
            yield sample.drawn(rng)
        if self.bias == "extrapolation":
            for _ in range(self.repeats):
                yield from sample.quartered(rng)
        elif self.bias == "shuffle" and isinstance(sample, Counts):
            yield sample.model()
            for _ in range(self.repeats):
                yield sample.shuffled("t", rng)
                yield from (Counts(part).model() for part in sample.quartered(rng))

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """Interval, standard error and, where asked for, bias."""
        summary: dict[str, Any] = {
            name: {} for name in ("interval", "se", *(("bias", "corrected") if self.bias else ()))
        }
        tail = (1 - self.level) / 2
        for name, value in point.items():
            drawn, rest = values[name][: self.n], values[name][self.n :]
            drawn = drawn[np.isfinite(drawn)]
            se = float(drawn.std(ddof=1)) if len(drawn) > 1 else math.nan
            if self.bias is None:
                low, high = np.quantile(drawn, [tail, 1 - tail]) if len(drawn) else (math.nan, math.nan)
                interval = 2 * value - float(high), 2 * value - float(low)
            else:
                if self.bias == "extrapolation":
                    bias, doubt = _extrapolated_bias(value, rest, sample.n)
                else:
                    bias, doubt = _shuffle_bias(rest, sample.n)
                interval = normal_interval(value - bias, math.hypot(se, doubt), self.level)
                summary["bias"][name], summary["corrected"][name] = bias, value - bias
            summary["se"][name], summary["interval"][name] = se, interval
        return summary


def _extrapolated_bias(value: float, parts: FloatArray, n: int) -> tuple[float, float]:
    r"""Bias by the fit of :math:`\theta + a/m + b/m^2`, and how far it is from the fit without :math:`b`."""
    halves = [n // 2, n - n // 2]
    quarters = [size for half in halves for size in (half // 2, half - half // 2)]
    inverse = [1 / np.array(sizes) for sizes in ([n], halves, quarters)]
    parts = parts.reshape(-1, 6)
    parts = parts[np.isfinite(parts).all(axis=1)]
    if not len(parts):
        return math.nan, math.nan
    levels = np.array([value, parts[:, :2].mean(), parts[:, 2:].mean()])
    design = np.array([[1.0, x.mean(), (x**2).mean()] for x in inverse])
    quadratic = value - float(np.linalg.solve(design, levels)[0])
    linear = value - float(np.linalg.solve(design[:2, :2], levels[:2])[0])
    return quadratic, abs(quadratic - linear)


def _shuffle_bias(values: FloatArray, n: int) -> tuple[float, float]:
    """Bias of the model by extrapolation, and by how much shuffled counts exceed the model that is true of them."""
    model, repeats = float(values[0]), values[1:].reshape(-1, 7)
    repeats = repeats[np.isfinite(repeats).all(axis=1)]
    if len(repeats) < 2:
        return math.nan, math.nan
    bias, doubt = _extrapolated_bias(model, repeats[:, 1:], n)
    shuffled = repeats[:, 0]
    return bias + float(shuffled.mean()) - model, math.hypot(doubt, shuffled.std(ddof=1) / math.sqrt(len(shuffled)))
