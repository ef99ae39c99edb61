"""Sampling uncertainty: exact laws of each method, the paper's numbers, and what is refused."""

import json
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pidkd import Activations, Bootstrap, Codes, Gaussian, Jackknife, Permutation, PIDResult, Pmf, decompose
from pidkd.errors import ConvergenceWarning, InputError, SmallSampleWarning
from pidkd.estimator import Context
from pidkd.inputs import Input
from pidkd.pid import PIDEstimator, Raw
from pidkd.result import Certificate, Information
from pidkd.synthetic import gate, histogram, random_pmf
from pidkd.uncertainty import Method, quantify
from pidkd.uncertainty.method import QUANTITIES

Z = NormalDist().inv_cdf(0.975)
SAMPLE = histogram(random_pmf((3, 3, 3), rng=1), 2000, 1)
METHODS: list[Method] = [
    Bootstrap(n=20),
    Bootstrap(n=20, bias="extrapolation", repeats=2),
    Bootstrap(n=20, bias="shuffle", repeats=2),
    Jackknife(),
    Permutation(n=20),
    Permutation(n=20, of="t"),
    Permutation(n=20, of="s"),
]


@dataclass(frozen=True)
class Statistic(PIDEstimator):
    """An estimator whose unique atoms are one statistic of the data, and the others zero."""

    of: Callable[[Any], float] = lambda data: float(data.p[0, 0, 0])
    name = "statistic"
    measure = reference = "a statistic"
    accepts = (Pmf, Activations)
    certifies = True
    laws = frozenset()

    def _decompose(self, data: Any, ctx: Context) -> Raw:
        value = self.of(data)
        return Raw(value, Information(value, value, 2 * value), Certificate(value, value, "exact"))


def assess(data: Input, of: Callable[[Any], float], method: Method, seed: int = 0) -> PIDResult:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallSampleWarning)
        return quantify(Statistic(of), data, method, "nats", Context(seed=seed))


def share(table: Pmf) -> float:
    return float(table.p[0, 0, 0])


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40))
def test_the_jackknife_is_exact_for_a_mean(inside: int, outside: int) -> None:
    n, p = inside + outside, inside / (inside + outside)
    result = assess(Pmf.from_counts([[[inside, outside]], [[0, 0]]]), share, Jackknife())
    assert result.bias["unique_t"] == pytest.approx(0.0, abs=1e-9)
    assert result.se["unique_t"] == pytest.approx(math.sqrt(p * (1 - p) / (n - 1)))
    assert result.interval["unique_t"] == pytest.approx((p - Z * result.se["unique_t"], p + Z * result.se["unique_t"]))


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40))
def test_the_jackknife_makes_a_variance_unbiased(inside: int, outside: int) -> None:
    n, p = inside + outside, inside / (inside + outside)
    table = Pmf.from_counts([[[inside, outside]], [[0, 0]]])
    result = assess(table, lambda data: share(data) * (1 - share(data)), Jackknife())
    assert result.corrected["unique_t"] == pytest.approx(n / (n - 1) * p * (1 - p))


def test_the_jackknife_of_rows_is_that_of_their_table() -> None:
    y = np.random.default_rng(0).integers(2, size=25)
    rows = Activations(y, y + 0.5, y + 0.5)
    by_row = assess(rows, lambda data: float(np.mean(data.t)) ** 2, Jackknife())
    table = Pmf.from_counts(np.bincount(y).reshape(2, 1, 1))
    by_cell = assess(table, lambda data: float(data.p[0, 0, 0] * 0.5 + data.p[1, 0, 0] * 1.5) ** 2, Jackknife())
    assert by_row.se == pytest.approx(by_cell.se)
    assert by_row.bias == pytest.approx(by_cell.bias)


@settings(max_examples=25)
@given(st.integers(8, 5000), st.floats(10, 20), st.floats(-9, 9), st.floats(-9, 9))
def test_extrapolation_removes_a_bias_of_two_orders(n: int, truth: float, a: float, b: float) -> None:
    table = Pmf.from_counts([[[n // 2, n - n // 2]]])
    method = Bootstrap(n=2, bias="extrapolation", repeats=2)
    result = assess(table, lambda data: truth + a / data.n_samples + b / data.n_samples**2, method)
    assert result.corrected["unique_t"] == pytest.approx(truth, abs=1e-9)


def test_an_interval_widens_by_what_the_extrapolation_leaves_open() -> None:
    table, method = Pmf.from_counts([[[50, 50]]]), Bootstrap(n=2, bias="extrapolation", repeats=2)
    for b, open_ in ((0.0, False), (40.0, True)):
        result = assess(table, lambda data, b=b: 1 + 1 / data.n_samples + b / data.n_samples**2, method)
        low, high = result.interval["unique_t"]
        assert result.se["unique_t"] == 0.0
        assert (high - low > 1e-6) == open_
        assert low - 1e-12 <= 1.0 <= high + 1e-12


def test_the_bootstrap_error_of_a_mean() -> None:
    table, p = Pmf.from_counts([[[30, 70]]]), 0.3
    result = assess(table, share, Bootstrap(n=4000))
    error = math.sqrt(p * (1 - p) / 100)
    assert result.se["unique_t"] == pytest.approx(error, rel=5 / math.sqrt(2 * 4000))
    assert result.interval["unique_t"] == pytest.approx((p - Z * error, p + Z * error), abs=0.02)


def test_the_basic_interval_mirrors_the_quantiles() -> None:
    """A statistic that no resample can raise has an interval above it."""
    table = Pmf.from_counts([[[5, 5, 5, 5]]])
    result = assess(table, lambda data: float((data.p > 0).sum()), Bootstrap(n=200))
    low, high = result.interval["unique_t"]
    assert low == 4.0 <= high


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_the_seed_decides(method: Method) -> None:
    one, same, other = (decompose(SAMPLE, uncertainty=method, seed=seed) for seed in (3, 3, 4))
    assert (one.interval, one.null, one.bias) == (same.interval, same.null, same.bias)
    if not isinstance(method, Jackknife):
        assert (one.interval, one.null) != (other.interval, other.null)


def test_a_list_is_each_alone() -> None:
    boot, null = Bootstrap(n=20), Permutation(n=20)
    both = [decompose(SAMPLE, uncertainty=methods) for methods in ([boot, null], (null, boot))]
    for result in both:
        assert result.interval == decompose(SAMPLE, uncertainty=boot).interval
        assert result.null == decompose(SAMPLE, uncertainty=null).null


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_the_answer_itself_stays(method: Method) -> None:
    plain, result = decompose(SAMPLE), decompose(SAMPLE, uncertainty=method)
    assert result.atoms == plain.atoms
    assert result.certificate == plain.certificate
    assert PIDResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    (record,) = result.provenance["uncertainty"]
    assert record["method"] == type(method).__name__
    assert record["unusable"] == 0


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_units_are_only_units(method: Method) -> None:
    bits, nats = (decompose(SAMPLE, uncertainty=method, units=units) for units in ("bits", "nats"))
    for field in ("interval", "se", "null", "bias", "corrected"):
        one, other = getattr(bits.to("nats"), field), getattr(nats, field)
        assert (one is None) == (other is None)
        for name in one or ():
            assert one[name] == pytest.approx(other[name], abs=1e-8)


@pytest.mark.parametrize("method", METHODS[:4], ids=repr)
def test_the_identities_hold_for_what_is_corrected(method: Method) -> None:
    corrected = decompose(SAMPLE, uncertainty=method).corrected
    if corrected is None:
        return
    assert corrected["redundant"] + corrected["unique_t"] == pytest.approx(corrected["mi_t"])
    assert corrected["redundant"] + corrected["unique_s"] == pytest.approx(corrected["mi_s"])
    assert sum(corrected[atom] for atom in QUANTITIES[:4]) == pytest.approx(corrected["mi"])


@pytest.mark.parametrize("method", METHODS[:4], ids=repr)
def test_what_cannot_vary_has_no_width(method: Method) -> None:
    """Y = T = S: whatever is drawn, nothing is unique and nothing synergistic."""
    result = decompose(histogram(gate("rdn").pmf, 1000), uncertainty=method)
    for atom in ("unique_t", "unique_s", "synergistic"):
        assert result.interval[atom] == pytest.approx((0.0, 0.0), abs=1e-8)
    low, high = result.interval["redundant"]
    assert low <= 1.0 <= high + 1e-3


@pytest.mark.parametrize("bias", ["extrapolation", "shuffle"])
def test_a_corrected_interval_is_centred_on_the_corrected_value(bias: Any) -> None:
    result = decompose(SAMPLE, uncertainty=Bootstrap(n=20, bias=bias, repeats=2))
    for name in QUANTITIES:
        low, high = result.interval[name]
        assert (low + high) / 2 == pytest.approx(result.corrected[name], abs=1e-12)
        assert getattr(result, name) - result.bias[name] == pytest.approx(result.corrected[name], abs=1e-12)


def test_a_table_says_why_an_interval_leaves_out_its_atom() -> None:
    told = "an interval that leaves out its atom is less the bias of the estimate"
    with pytest.warns(SmallSampleWarning):
        biased = decompose(histogram(random_pmf((6, 6, 6)), 300), uncertainty=Bootstrap(n=50))
    assert biased.synergistic > biased.interval["synergistic"][1]
    assert told in str(biased)
    assert told not in str(decompose(SAMPLE, uncertainty=Bootstrap(n=50)))
    assert told not in str(decompose(SAMPLE))


def test_the_procedure_of_the_paper_under_independence() -> None:
    """Ten classes, ten clusters each, 10,000 samples of nothing: Miller and Madow expect 9 * 99 / 2N nats."""
    expected = 9 * 99 / 20_000
    nothing = Pmf(np.ones((10, 10, 10)), normalise=True)
    for seed in range(3):
        sample = histogram(nothing, 10_000, seed)
        for method in (Bootstrap(n=50), Bootstrap(n=50, bias="extrapolation"), Bootstrap(n=50, bias="shuffle")):
            with pytest.warns(SmallSampleWarning, match="may be bias"):
                result = decompose(sample, estimator="mmi", units="nats", uncertainty=method)
            assert result.mi == pytest.approx(expected, abs=0.007)
            low, high = result.interval["mi"]
            assert low <= 0 <= high
            if method.bias:
                assert abs(result.corrected["mi"]) < 0.2 * expected


def test_the_null_of_independent_variables_is_their_bias() -> None:
    sample = histogram(Pmf(np.ones((3, 4, 4)), normalise=True), 5000, 2)
    result = decompose(sample, estimator="mmi", units="nats", uncertainty=Permutation(n=200))
    (record,) = result.provenance["uncertainty"]
    for name, freedom in (("mi", 2 * 15), ("mi_t", 2 * 3), ("mi_s", 2 * 3)):
        # 2N times the estimate is chi-squared.
        error = math.sqrt(2 * freedom) / 10_000 / math.sqrt(200)
        assert record["mean"][name] == pytest.approx(freedom / 10_000, abs=5 * error)
        assert record["mean"][name] < result.null[name]
        assert 1 / 201 <= record["p_value"][name] <= 1


def test_the_null_of_a_strong_dependence_is_far_below() -> None:
    result = decompose(histogram(gate("rdn").pmf, 500), uncertainty=Permutation(n=50))
    assert result.null["redundant"] < 0.02
    assert result.provenance["uncertainty"][0]["p_value"]["redundant"] == 1 / 51


def test_shuffles_within_classes_tell_synergy_from_independent_looks() -> None:
    """An xor is all synergy; two independent looks have some, and keep it when they are shuffled."""
    for name, significant in (("xor", True), ("bsc", False)):
        result = decompose(histogram(gate(name).pmf, 2000, 5), uncertainty=Permutation(n=50, of="t"))
        assert set(result.null) == {"synergistic", "mi"}
        p_value = result.provenance["uncertainty"][0]["p_value"]["synergistic"]
        assert (p_value < 0.05) == significant
        assert (result.synergistic > result.null["synergistic"]) == significant


def test_resamples_without_an_answer_are_left_out_and_counted() -> None:
    def sometimes(data: Pmf) -> float:
        return share(data) if share(data) >= 0.5 else math.nan

    table = Pmf.from_counts([[[100, 100]]])
    with pytest.warns(ConvergenceWarning, match="no finite answer on .* of 50 resamples of Bootstrap"):
        result = quantify(Statistic(sometimes), table, Bootstrap(n=50), "nats")
    assert 0 < result.provenance["uncertainty"][0]["unusable"] < 50
    assert all(math.isfinite(end) for end in result.interval["unique_t"])


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    decompose(SAMPLE, uncertainty=[Bootstrap(n=10), Permutation(n=19)], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = decompose(SAMPLE, uncertainty=Bootstrap(n=10))
    monkeypatch.setattr("pidkd.uncertainty.resampling.BATCH_BYTES", 3 * 8 * 27)
    seen: list[float] = []
    parts = decompose(SAMPLE, uncertainty=Bootstrap(n=10), progress=seen.append)
    for name, interval in whole.interval.items():
        assert parts.interval[name] == pytest.approx(interval, abs=1e-8)
    assert seen == sorted(seen)


def test_too_few_samples_are_told_where_uncertainty_is_asked_for() -> None:
    codes = Codes(*np.random.default_rng(0).integers(5, size=(3, 100)))
    with pytest.warns(SmallSampleWarning, match="100 samples for 5 classes and .* samples would do, or fewer cells"):
        result = decompose(codes, uncertainty=Bootstrap(n=2))
    assert any("samples would do" in text for text in result.warnings)


def test_a_quantile_of_few_shuffles_is_said_to_be_none() -> None:
    with pytest.warns(SmallSampleWarning, match="the 0.95 quantile of 2 shuffles is no more than .* at least 19"):
        decompose(SAMPLE, uncertainty=Permutation(n=2))
    decompose(SAMPLE, uncertainty=Permutation(n=19))
    decompose(SAMPLE, uncertainty=Permutation(n=9, level=0.9))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bootstrap(n=1), "Bootstrap(n=...): expected a whole number from 2 to 1,000,000, got 1"),
        (lambda: Bootstrap(n=20.0), "Bootstrap(n=...): expected a whole number from 2 to 1,000,000, got 20.0"),
        (lambda: Bootstrap(level=95), "Bootstrap(level=...): expected a probability between 0 and 1, got 95"),
        (
            lambda: Bootstrap(bias="jack"),
            "Bootstrap(bias=...): expected one of 'extrapolation', 'shuffle', or None, got 'jack'",
        ),
        (lambda: Bootstrap(repeats=1), "Bootstrap(repeats=...): expected a whole number from 2 to 100,000, got 1"),
        (lambda: Jackknife(level=1), "Jackknife(level=...): expected a probability between 0 and 1, got 1"),
        (lambda: Permutation(n=0), "Permutation(n=...): expected a whole number from 1 to 1,000,000, got 0"),
        (lambda: Permutation(of="x"), "Permutation(of=...): expected one of 'y', 't', 's', got 'x'"),
    ],
)
def test_bad_parameters(make: Callable[[], Method], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("uncertainty", "got"),
    [
        ("bootstrap", "expected Bootstrap(), Jackknife(), Permutation() or a list of them, got 'bootstrap'"),
        (Bootstrap, "got the class Bootstrap; make one: Bootstrap()"),
        ([], "got an empty list"),
        (
            [Bootstrap(), Jackknife()],
            "at most one of Bootstrap and Jackknife, and at most one Permutation, got Bootstrap",
        ),
        ([Permutation(), Permutation(of="t")], "got Permutation and Permutation"),
    ],
)
def test_methods_that_cannot_be_used(uncertainty: Any, got: str) -> None:
    with pytest.raises(InputError, match=re.escape(got)) as caught:
        decompose(SAMPLE, uncertainty=uncertainty)
    assert caught.value.where == "decompose(..., uncertainty)"


@pytest.mark.parametrize(
    ("data", "method", "message"),
    [
        (gate("and").pmf, Bootstrap(), "expected samples or counts, got an exact table (n_samples None); an exact"),
        (Pmf.from_counts([[[3, 4]]]), Bootstrap(bias="shuffle"), "expected at least 8 samples, got 7"),
        (Pmf.from_counts([[[1]]]), Jackknife(), "Jackknife(): expected at least 2 samples, got 1"),
    ],
)
def test_samples_that_cannot_be_used(data: Pmf, method: Method, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        decompose(data, uncertainty=method)


def test_rows_have_no_shuffle_correction() -> None:
    f = np.random.default_rng(0).normal(size=(10, 1))
    rows = Activations(np.arange(10) % 2, f, f)
    message = "Bootstrap(bias='shuffle'): expected codes or counts, got samples without a table; use bias='extrapo"
    with pytest.raises(InputError, match=re.escape(message)):
        assess(rows, lambda data: float(np.mean(data.t)), Bootstrap(bias="shuffle"))


def test_a_covariance_cannot_be_resampled() -> None:
    cov = Gaussian(np.eye(3) + 0.5, (1, 1, 1), n_samples=100)
    with pytest.raises(InputError, match="expected samples or counts, got a covariance"):
        decompose(cov, estimator="gaussian", uncertainty=Bootstrap())
