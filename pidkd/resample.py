r"""Sampling uncertainty around any estimator: intervals, standard errors, levels under independence, and bias.

A method makes resamples of the data, the estimator decomposes all of them in one batch, and the method summarises what
came out. Every statement is about sampling, given the codes: the certificate says how well each table was solved, and
what a quantiser did to the activations is in neither.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import ConvergenceWarning, InputError, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context, PIDEstimator
from pidkd.inputs import Input
from pidkd.parameters import check_choice, check_level, check_whole
from pidkd.result import ATOMS, PIDResult, Units
from pidkd.samples import WHERE, Counts, Sample, as_sample, too_few_samples

QUANTITIES = (*ATOMS, "mi_t", "mi_s", "mi")
"""What every method speaks of: the four atoms and the three mutual informations."""

FILLED = ("interval", "se", "null", "bias", "corrected")
"""Fields of a result that the methods fill; what else they find goes into its record."""

BATCH_BYTES = 2**28
"""Resamples are made and solved so many at a time that they take about this memory."""

Values: TypeAlias = Mapping[str, FloatArray]
"""Each quantity over the resamples, shape (n_resamples,)."""


@dataclass(frozen=True)
class Bootstrap:
    r"""Interval and standard error from ``n`` samples of the size of the data, drawn with replacement from the data.

    Without a correction the interval is the basic one, :math:`[2\hat\theta - q_{1-\alpha/2}, 2\hat\theta -
    q_{\alpha/2}]` with the quantiles of the resamples. A resample repeats the bias of the estimate on top of it, so
    that the basic interval subtracts it once, where the percentile interval would double it. With a correction it is
    :math:`\hat\theta - b \pm z \sqrt{\mathrm{se}^2 + d^2}`, where :math:`d` is how far the bias :math:`b` may be off.

    Parameters
    ----------
    n : int, default 200
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

    n: int = 200
    level: float = 0.95
    bias: Literal["extrapolation", "shuffle"] | None = None
    repeats: int = 20

    fills: ClassVar[str] = "interval"

    def __post_init__(self) -> None:
        check_whole("Bootstrap(n=...)", self.n, 2)
        check_level("Bootstrap(level=...)", self.level)
        check_whole("Bootstrap(repeats=...)", self.repeats, 2)
        if self.bias not in (None, "extrapolation", "shuffle"):
            raise InputError("Bootstrap(bias=...)", "None, 'extrapolation' or 'shuffle'", repr(self.bias))

    def check(self, sample: Sample) -> None:
        """Refuse a sample that is too small to be quartered, or of which there is no table."""
        if self.bias and sample.n < 8:
            raise InputError(f"Bootstrap(bias={self.bias!r})", "at least 8 samples", str(sample.n))
        if self.bias == "shuffle" and not isinstance(sample, Counts):
            hint = "use bias='extrapolation'"
            raise InputError("Bootstrap(bias='shuffle')", "codes or counts", "samples without a table", hint)

    def count(self, sample: Sample) -> int:
        """How many resamples there are."""
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
        found: dict[str, Any] = {name: {} for name in ("interval", "se", *(("bias", "corrected") if self.bias else ()))}
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
                interval = _normal_interval(value - bias, math.hypot(se, doubt), self.level)
                found["bias"][name], found["corrected"][name] = bias, value - bias
            found["se"][name], found["interval"][name] = se, interval
        return found


@dataclass(frozen=True)
class Jackknife:
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

    level: float = 0.95

    fills: ClassVar[str] = "interval"

    def __post_init__(self) -> None:
        check_level("Jackknife(level=...)", self.level)

    def check(self, sample: Sample) -> None:
        """Refuse a sample of which none can be left out."""
        if sample.n < 2:
            raise InputError("Jackknife()", "at least 2 samples", str(sample.n))

    def count(self, sample: Sample) -> int:
        """How many kinds of sample there are."""
        return len(sample.multiplicity())

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """The sample without one of each kind."""
        return sample.left_out()

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """Interval, standard error and bias."""
        n, weight = sample.n, sample.multiplicity()
        found: dict[str, Any] = {"interval": {}, "se": {}, "bias": {}, "corrected": {}}
        for name, value in point.items():
            mean = float(weight @ values[name]) / n
            bias = (n - 1) * (mean - value)
            se = math.sqrt((n - 1) / n * float(weight @ (values[name] - mean) ** 2))
            found["bias"][name], found["se"][name], found["corrected"][name] = bias, se, value - bias
            found["interval"][name] = _normal_interval(value - bias, se, self.level)
        return found


@dataclass(frozen=True)
class Permutation:
    r"""The level that an atom keeps under independence: a quantile over ``n`` random shuffles.

    ``of="y"`` shuffles the labels, which leaves :math:`(T,S)` as it is and makes every true atom zero. ``of="t"`` and
    ``of="s"`` shuffle that source within each class, which leaves :math:`(Y,T)` and :math:`(Y,S)` as they are and makes
    T and S independent given Y. For a measure that sees only those two pairs, as BROJA, this moves the synergy and
    I(Y;T,S) alone, and it is these two that get a level; a synergy below it may be all due to sources that are
    independent within the classes, and to bias. On a table the two choices are the same in law.

    Parameters
    ----------
    n : int, default 100
    of : {"y", "t", "s"}
    level : float, default 0.95
        The quantile of the shuffled values that becomes ``PIDResult.null``; their mean and the p-values, the share of
        shuffles (the data among them) that reach the estimate, are in ``provenance["uncertainty"]``.

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> y, t, s = np.random.default_rng(0).integers(4, size=(3, 5000))  # independent: all there is, is bias
    >>> result = pidkd.decompose(y, t, s, uncertainty=pidkd.Permutation())
    >>> bool(0.003 < result.mi < 2 * result.null["mi"])
    True
    """

    n: int = 100
    of: Literal["y", "t", "s"] = "y"
    level: float = 0.95

    fills: ClassVar[str] = "null"

    def __post_init__(self) -> None:
        check_whole("Permutation(n=...)", self.n, 1)
        check_level("Permutation(level=...)", self.level)
        check_choice("Permutation(of=...)", self.of, ("y", "t", "s"))

    def check(self, sample: Sample) -> None:
        """Refuse a shuffle within classes where there are none."""
        sample.check_shuffle(self.of)

    def count(self, sample: Sample) -> int:
        """How many shuffles there are."""
        return self.n

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """The shuffled samples."""
        for _ in range(self.n):
            yield sample.shuffled(self.of, rng)

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """The level under independence, and for the record mean and p-value."""
        names = QUANTITIES if self.of == "y" else ("synergistic", "mi")
        null, mean, p_value = {}, {}, {}
        for name in names:
            shuffled = values[name][np.isfinite(values[name])]
            null[name] = float(np.quantile(shuffled, self.level)) if len(shuffled) else math.nan
            mean[name] = float(shuffled.mean()) if len(shuffled) else math.nan
            # What a solver leaves open must not decide between equal values.
            reached = int((shuffled >= point[name] - 1e-9).sum())
            p_value[name] = (1 + reached) / (1 + len(shuffled))
        return {"null": null, "mean": mean, "p_value": p_value}


Method: TypeAlias = Bootstrap | Jackknife | Permutation


def quantify(
    estimator: PIDEstimator,
    data: Input,
    uncertainty: Method | Iterable[Method],
    units: Units = "bits",
    ctx: Context | None = None,
) -> PIDResult:
    """Decompose sampled data and say how far sampling may have moved each atom.

    Parameters
    ----------
    estimator : PIDEstimator
    data : Codes, Pmf with n_samples, Activations or Posteriors
    uncertainty : Bootstrap, Jackknife, Permutation or a list of them
        At most one of ``Bootstrap`` and ``Jackknife``, which both fill the interval, and at most one ``Permutation``.
    units : {"bits", "nats"}
    ctx : Context, optional

    Returns
    -------
    PIDResult
        With ``interval``, ``se``, ``null`` and ``bias`` as the methods give them, for the four atoms and for "mi_t",
        "mi_s" and "mi"; ``provenance["uncertainty"]`` lists the methods with their parameters.

    Raises
    ------
    InputError
        When the data are no sample, or the methods cannot be used together.
    """
    ctx = ctx or Context()
    methods = as_methods(uncertainty)
    sample = as_sample(estimator._accept(data))
    for method in methods:
        if estimator.cross_fitted and method.fills == "interval":
            hint = "a row that is drawn twice would be scored by what has seen it"
            raise InputError(
                WHERE, f"none, as {estimator.name!r} has its own intervals", f"{type(method).__name__}()", hint
            )
        method.check(sample)
    result = estimator.decompose(data, units, dataclasses.replace(ctx, progress=None))
    point = {name: float(getattr(result, name)) for name in QUANTITIES}
    solved, finished_on_cpu = _solve(estimator, methods, sample, units, dataclasses.replace(ctx, keep=()))
    found: dict[str, Any] = {}
    record: list[dict[str, Any]] = []
    concerns: list[tuple[type[PidkdWarning], str]] = []
    for method, values in zip(methods, solved, strict=True):
        told = method.summarise(point, values, sample)
        found |= {name: told.pop(name) for name in FILLED if name in told}
        usable = np.isfinite(values["unique_t"])
        about = {"method": type(method).__name__, **dataclasses.asdict(method), "seed": ctx.seed, "units": units}
        record.append({**about, "resamples": len(usable), "unusable": int((~usable).sum()), **told})
        if not usable.all():
            lost = f"{estimator.name}: no finite answer on {(~usable).sum()} of {len(usable)} resamples"
            concerns.append((ConvergenceWarning, f"{lost} of {type(method).__name__}, which are left out"))
    if few := too_few_samples(data, result.to("bits").mi):
        concerns.append((SmallSampleWarning, few))
    for category, text in concerns:
        warnings.warn(text, category, stacklevel=3)
    return dataclasses.replace(
        result,
        **found,
        provenance={
            **(result.provenance or {}),
            "uncertainty": record,
            **({"resamples_finished_on_cpu": finished_on_cpu} if ctx.device != "cpu" else {}),
        },
        warnings=(*result.warnings, *(text for _, text in concerns)),
    )


# How it is done


def as_methods(uncertainty: Any) -> list[Method]:
    """The methods that a user named.

    Raises
    ------
    InputError
        When they are none, or cannot be used together.
    """
    methods = list(uncertainty) if isinstance(uncertainty, list | tuple) else [uncertainty]
    for method in methods:
        if not isinstance(method, Method):
            got = f"the class {method.__name__}" if isinstance(method, type) else repr(method)
            hint = f"make one: {method.__name__}()" if isinstance(method, type) else None
            raise InputError(WHERE, "Bootstrap(), Jackknife(), Permutation() or a list of them", got, hint)
    names = [type(method).__name__ for method in methods]
    fills = [method.fills for method in methods]
    if not methods or len(set(fills)) < len(fills):
        expected = "at most one of Bootstrap and Jackknife, and at most one Permutation"
        raise InputError(WHERE, expected, " and ".join(names) or "an empty list")
    return methods


def _solve(
    estimator: PIDEstimator, methods: Sequence[Method], sample: Sample, units: Units, ctx: Context
) -> tuple[list[Values], int]:
    """The quantities on the resamples of every method, in batches of bounded memory; and what no accelerator solved."""
    # A stream apart from that of a user who drew the data with the same seed, and the same in any list of methods.
    streams = [np.random.default_rng((ctx.seed, *method.fills.encode())) for method in methods]
    made = [method.resamples(sample, rng) for method, rng in zip(methods, streams, strict=True)]
    resamples = itertools.chain.from_iterable(made)
    counts = [method.count(sample) for method in methods]
    together = max(1, BATCH_BYTES // sample.bytes)
    results: list[PIDResult] = []
    finished_on_cpu = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        while batch := list(itertools.islice(resamples, together)):
            part = dataclasses.replace(ctx, progress=_part(ctx.progress, len(results), len(batch), sum(counts)))
            solved = estimator.decompose_batch(batch, units, part)
            results.extend(solved)
            finished_on_cpu += solved.finished_on_cpu
    columns = {name: np.array([getattr(result, name) for result in results]) for name in QUANTITIES}
    ends = np.cumsum(counts)
    values: list[Values] = [
        {name: column[end - count : end] for name, column in columns.items()}
        for end, count in zip(ends, counts, strict=True)
    ]
    return values, finished_on_cpu


def _part(
    progress: Callable[[float], None] | None, done: int, batch: int, total: int
) -> Callable[[float], None] | None:
    """The progress of one batch, as that of the whole."""
    return None if progress is None else lambda fraction: progress((done + fraction * batch) / total)


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


def _normal_interval(centre: float, se: float, level: float) -> tuple[float, float]:
    half = NormalDist().inv_cdf((1 + level) / 2) * se
    return centre - half, centre + half
