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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from pidkd.arrays import Array, FloatArray, as_array
from pidkd.errors import ConvergenceWarning, InputError, PidkdWarning, SmallSampleWarning
from pidkd.estimator import Context, PIDEstimator
from pidkd.inputs import Activations, Codes, Gaussian, Input, Pmf, Posteriors
from pidkd.result import ATOMS, PIDResult, Units

QUANTITIES = (*ATOMS, "mi_t", "mi_s", "mi")
"""What every method speaks of: the four atoms and the three mutual informations."""

BATCH_BYTES = 2**28
"""Resamples are made and solved so many at a time that they take about this memory."""

TOLERATED_BIAS, TOLERATED_SHARE = 0.01, 0.1
"""Bias of I(Y;T,S), in bits and as a share of it, up to which samples are enough for a table."""

_WHERE = "decompose(..., uncertainty)"
_EXACT = "uncertainty is about sampling, and an exact table has none"

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
        as estimated; ``PIDResult.corrected`` subtracts the bias.
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
        _check_whole("Bootstrap(n=...)", self.n, 2)
        _check_level("Bootstrap(level=...)", self.level)
        _check_whole("Bootstrap(repeats=...)", self.repeats, 2)
        if self.bias not in (None, "extrapolation", "shuffle"):
            raise InputError("Bootstrap(bias=...)", "None, 'extrapolation' or 'shuffle'", repr(self.bias))

    def check(self, sample: Sample) -> None:
        """Refuse a sample that is too small to be quartered, or of which there is no table."""
        if self.bias and sample.n < 8:
            raise InputError(f"Bootstrap(bias={self.bias!r})", "at least 8 samples", str(sample.n))
        if self.bias == "shuffle" and not isinstance(sample, _Table):
            hint = "use bias='extrapolation'"
            raise InputError("Bootstrap(bias='shuffle')", "codes or counts", "samples without a table", hint)

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """First the ``n`` bootstrap samples, then what the bias is estimated from."""
        for _ in range(self.n):
            yield sample.drawn(rng)
        if self.bias == "extrapolation":
            for _ in range(self.repeats):
                yield from sample.quartered(rng)
        elif self.bias == "shuffle" and isinstance(sample, _Table):
            yield sample.model()
            for _ in range(self.repeats):
                yield sample.shuffled("t", rng)
                yield from (_Table(part).model() for part in sample.quartered(rng))

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """Interval, standard error and, where asked for, bias."""
        found: dict[str, Any] = {"interval": {}, "se": {}} | ({"bias": {}} if self.bias else {})
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
                found["bias"][name] = bias
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
        _check_level("Jackknife(level=...)", self.level)

    def check(self, sample: Sample) -> None:
        """Refuse a sample of which none can be left out."""
        if sample.n < 2:
            raise InputError("Jackknife()", "at least 2 samples", str(sample.n))

    def resamples(self, sample: Sample, rng: np.random.Generator) -> Iterator[Input]:
        """The sample without one of each kind."""
        return sample.left_out()

    def summarise(self, point: Mapping[str, float], values: Values, sample: Sample) -> dict[str, Any]:
        """Interval, standard error and bias."""
        n, weight = sample.n, sample.multiplicity()
        found: dict[str, Any] = {"interval": {}, "se": {}, "bias": {}}
        for name, value in point.items():
            mean = float(weight @ values[name]) / n
            bias = (n - 1) * (mean - value)
            se = math.sqrt((n - 1) / n * float(weight @ (values[name] - mean) ** 2))
            found["bias"][name], found["se"][name] = bias, se
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
        _check_whole("Permutation(n=...)", self.n, 1)
        _check_level("Permutation(level=...)", self.level)
        if self.of not in ("y", "t", "s"):
            raise InputError("Permutation(of=...)", "'y', 't' or 's'", repr(self.of))

    def check(self, sample: Sample) -> None:
        """Refuse a shuffle within classes where there are none."""
        sample.check_shuffle(self.of)

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
            # Rounding must not decide between equal values.
            reached = int((shuffled >= point[name] - 1e-12).sum())
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
    methods = _methods(uncertainty)
    sample = _sample(estimator._accept(data))
    for method in methods:
        method.check(sample)
    result = estimator.decompose(data, units, ctx)
    point = {name: float(getattr(result, name)) for name in QUANTITIES}
    solved = _solve(estimator, methods, sample, units, dataclasses.replace(ctx, keep=()))
    found: dict[str, Any] = {}
    record: list[dict[str, Any]] = []
    concerns: list[tuple[type[PidkdWarning], str]] = []
    for method, values in zip(methods, solved, strict=True):
        told = method.summarise(point, values, sample)
        found |= {name: told.pop(name) for name in ("interval", "se", "bias", "null") if name in told}
        usable = np.isfinite(values["unique_t"])
        about = {"method": type(method).__name__, **dataclasses.asdict(method), "seed": ctx.seed}
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
        provenance={**(result.provenance or {}), "uncertainty": record},
        warnings=(*result.warnings, *(text for _, text in concerns)),
    )


def too_few_samples(data: Input, mi: float) -> str | None:
    r"""What to tell who has too few samples for the table, with the number that would do; None where they suffice.

    Under independence the plug-in estimate of :math:`I(Y;T,S)` is biased upward by about
    :math:`(K_Y - 1)(K_{TS} - 1) / (2 n \ln 2)` bits, for :math:`K_Y` classes and :math:`K_{TS}`
    occupied pairs of cells. Samples are too few where that exceeds both ``TOLERATED_BIAS`` bits and ``TOLERATED_SHARE``
    of the estimate that is left without it.

    Parameters
    ----------
    data : Input
        Samples without a table, such as activations, are never too few by this rule.
    mi : float
        The plug-in estimate of I(Y;T,S), in bits.
    """
    table = data.pmf() if isinstance(data, Codes) else data
    if not isinstance(table, Pmf) or table.n_samples is None:
        return None
    n_y, n_ts = int((table.p.sum(axis=(1, 2)) > 0).sum()), int((table.p.sum(axis=0) > 0).sum())
    bias = (n_y - 1) * (n_ts - 1) / (2 * table.n_samples * math.log(2))
    tolerated = max(TOLERATED_BIAS, TOLERATED_SHARE * (mi - bias))
    if bias <= tolerated:
        return None
    enough = math.ceil(table.n_samples * bias / tolerated)
    digits = 10 ** max(0, len(str(enough)) - 2)
    return (
        f"{table.n_samples} samples for {n_y} classes and {n_ts} occupied pairs of cells: of the {mi:.3g} bits of "
        f"I(Y;T,S) up to {bias:.2g} may be bias; about {math.ceil(enough / digits) * digits} samples would do, "
        "or fewer cells"
    )


# How it is done


class _Table:
    """A table of counts, resampled without its rows: each draw has the law that drawing rows would give it."""

    def __init__(self, table: Pmf) -> None:
        if table.n_samples is None:
            raise InputError(_WHERE, "samples, or counts by Pmf.from_counts(c)", "an exact table", _EXACT)
        counts = table.p * table.n_samples
        self.counts = np.rint(counts).astype(np.int64)
        self.n: int = table.n_samples
        self.bytes = 8 * counts.size
        if np.abs(counts - self.counts).max() > 1e-6 * max(1.0, counts.max()) or self.counts.sum() != self.n:
            got = f"a table that {self.n} samples cannot give"
            raise InputError(_WHERE, "a table of whole counts", got, "counts go in by Pmf.from_counts(c)")

    def drawn(self, rng: np.random.Generator) -> Pmf:
        flat = rng.multinomial(self.n, (self.counts / self.n).ravel())
        return Pmf.from_counts(flat.reshape(self.counts.shape))

    def model(self) -> Pmf:
        """T and S independent within each class, with the pair marginals as they are."""
        yt, ys = self.counts.sum(axis=2), self.counts.sum(axis=1)
        y = np.maximum(yt.sum(axis=1), 1)
        return Pmf(yt[:, :, None] * (ys / y[:, None])[:, None, :], normalise=True)

    def quartered(self, rng: np.random.Generator) -> list[Pmf]:
        halves = _split(self.counts, rng)
        return [Pmf.from_counts(part) for part in (*halves, *_split(halves[0], rng), *_split(halves[1], rng))]

    def left_out(self) -> Iterator[Pmf]:
        for cell in np.argwhere(self.counts):
            rest = self.counts.copy()
            rest[tuple(cell)] -= 1
            yield Pmf.from_counts(rest)

    def multiplicity(self) -> FloatArray:
        return self.counts[self.counts > 0].astype(np.float64)

    def check_shuffle(self, of: str) -> None:
        """Every table can be shuffled."""

    def shuffled(self, of: str, rng: np.random.Generator) -> Pmf:
        if of == "y":
            pairs = self.counts.reshape(len(self.counts), -1)
            return Pmf.from_counts(_matched(pairs.sum(axis=1), pairs.sum(axis=0), rng).reshape(self.counts.shape))
        return Pmf.from_counts([_matched(table.sum(axis=1), table.sum(axis=0), rng) for table in self.counts])


class _Rows:
    """Samples of which no table is made, resampled row by row."""

    def __init__(self, data: Codes | Activations | Posteriors) -> None:
        self.data = data
        names = [field.name for field in dataclasses.fields(data)]
        # What only knows slices (chunked arrays) is read once, whole.
        self.columns = {
            name: column if isinstance(column, np.ndarray) else as_array(_WHERE, column)
            for name, column in ((name, getattr(data, name)) for name in names)
            if column is not None
        }
        self.n: int = data.n_samples
        self.bytes = sum(column.nbytes for column in self.columns.values())

    def _taken(self, rows: Array, names: Iterable[str] | None = None) -> Input:
        chosen = self.columns if names is None else names
        taken: dict[str, Any] = {name: self.columns[name][rows] for name in chosen}
        return dataclasses.replace(self.data, **taken)

    def drawn(self, rng: np.random.Generator) -> Input:
        return self._taken(rng.integers(self.n, size=self.n))

    def quartered(self, rng: np.random.Generator) -> list[Input]:
        half, rows = self.n // 2, rng.permutation(self.n)
        halves = rows[:half], rows[half:]
        quarters = [part for rows in halves for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :])]
        return [self._taken(part) for part in (*halves, *quarters)]

    def left_out(self) -> Iterator[Input]:
        rows = np.arange(self.n)
        return (self._taken(np.delete(rows, row)) for row in rows)

    def multiplicity(self) -> FloatArray:
        return np.ones(self.n)

    def check_shuffle(self, of: str) -> None:
        where = f"Permutation(of={of!r})"
        if of != "y" and "p_ts" in self.columns:
            raise InputError(where, "posteriors of each source alone", "p_ts, which no shuffle of one source keeps")
        if of != "y" and self.columns["y"].dtype.kind == "f":
            raise InputError(where, "labels, within which to shuffle", "a continuous target", "shuffle of='y'")

    def shuffled(self, of: str, rng: np.random.Generator) -> Input:
        if of == "y":
            return self._taken(rng.permutation(self.n), ["y"])
        labels = np.unique(self.columns["y"], return_inverse=True)[1]
        rows = np.empty(self.n, dtype=np.int64)
        rows[np.argsort(labels, kind="stable")] = np.lexsort((rng.random(self.n), labels))
        return self._taken(rows, [of if of in self.columns else f"p_{of}"])


Sample: TypeAlias = _Table | _Rows


def _sample(data: Input) -> Sample:
    if isinstance(data, Gaussian):
        raise InputError(_WHERE, "samples", "a covariance", f"{_EXACT.replace('table', 'covariance')}")
    return _Table(data) if isinstance(data, Pmf) else _Rows(data)


def _methods(uncertainty: Any) -> list[Method]:
    methods = list(uncertainty) if isinstance(uncertainty, list | tuple) else [uncertainty]
    for method in methods:
        if not isinstance(method, Method):
            got = f"the class {method.__name__}" if isinstance(method, type) else repr(method)
            hint = f"make one: {method.__name__}()" if isinstance(method, type) else None
            raise InputError(_WHERE, "Bootstrap(), Jackknife(), Permutation() or a list of them", got, hint)
    names = [type(method).__name__ for method in methods]
    fills = [method.fills for method in methods]
    if not methods or len(set(fills)) < len(fills):
        expected = "at most one of Bootstrap and Jackknife, and at most one Permutation"
        raise InputError(_WHERE, expected, " and ".join(names) or "an empty list")
    return methods


def _solve(
    estimator: PIDEstimator, methods: Sequence[Method], sample: Sample, units: Units, ctx: Context
) -> list[Values]:
    """The quantities on the resamples of every method, in batches of bounded memory."""
    owners: list[int] = []

    def made() -> Iterator[Input]:
        for index, method in enumerate(methods):
            # Apart from the stream of a user who drew the data with the same seed, and the same in any list.
            rng = np.random.default_rng((ctx.seed, *method.fills.encode()))
            for resample in method.resamples(sample, rng):
                owners.append(index)
                yield resample

    resamples = made()
    results: list[PIDResult] = []
    together = max(1, BATCH_BYTES // sample.bytes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PidkdWarning)
        while batch := list(itertools.islice(resamples, together)):
            results.extend(estimator.decompose_batch(batch, units, ctx))
    columns = {name: np.array([getattr(result, name) for result in results]) for name in QUANTITIES}
    owner = np.array(owners)
    return [{name: column[owner == index] for name, column in columns.items()} for index in range(len(methods))]


def _split(counts: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """A random half of the counted samples, and the rest."""
    flat = counts.ravel()
    half = rng.multivariate_hypergeometric(flat, int(flat.sum()) // 2, method="marginals").reshape(counts.shape)
    return half, counts - half


def _matched(rows: Array, columns: Array, rng: np.random.Generator) -> Array:
    """A table with these margins, of samples that were matched at random."""
    left = columns.copy()
    table = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for row, total in enumerate(rows):
        table[row] = rng.multivariate_hypergeometric(left, int(total), method="marginals")
        left -= table[row]
    return table


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


def _check_whole(where: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(where, f"a whole number >= {least}", repr(value))


def _check_level(where: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InputError(where, "a probability between 0 and 1", repr(value))
