"""Union information and contributions: truths, laws, and what is refused."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pidkd
from pidkd.errors import InputError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:.*may be bias:pidkd.errors.SmallSampleWarning")
"""Rows here are exact tables, written as samples."""

TOL = 1e-9
PROVEN = 2e-9
"""Twice the tolerance: what two certified numbers may differ by."""


def of_bits(f, n: int) -> pidkd.Pmf:
    rows = list(itertools.product((0, 1), repeat=n))
    values = sorted({f(row) for row in rows})
    p = np.zeros((len(values), *(2,) * n))
    for row in rows:
        p[(values.index(f(row)), *row)] += 1 / len(rows)
    return pidkd.Pmf(p)


def random_joint(seed: int, n: int) -> pidkd.Pmf:
    rng = np.random.default_rng(seed)
    shape = tuple(int(m) for m in rng.integers(2, 4, size=n + 1))
    mass = rng.gamma(float(rng.choice([0.2, 1.0])), size=shape) * (rng.random(shape) < rng.uniform(0.4, 1.0))
    mass.flat[0] += 1e-3
    return pidkd.Pmf(mass, normalise=True)


def value(data, *args, **params) -> float:
    result = pidkd.union_information(data, *args, **params)
    assert result.certificate.status in ("optimal", "exact")
    assert result.certificate.lower - 1e-12 <= result.value <= result.certificate.upper + 1e-12
    assert result.certificate.gap <= TOL
    return result.value


AND3 = 0.13792538097
AND4 = 0.06550784502
"""The logical and of independent bits: each source alone knows as much as the union, H(1/2^n) - H(1/2^(n-1)) / 2."""


@pytest.mark.parametrize(
    ("f", "n", "truth"),
    [
        (lambda r: sum(r) % 2, 3, 0.0),
        (lambda r: r, 3, 3.0),
        (lambda r: (r[0] ^ r[1], r[2]), 3, 1.0),
        (lambda r: r[0] & r[1] & r[2], 3, AND3),
        (lambda r: r[0] & r[1] & r[2] & r[3], 4, AND4),
        (lambda r: sum(r) % 2, 5, 0.0),
    ],
    ids=["xor", "copies", "xor-and-copy", "and-3", "and-4", "parity-5"],
)
def test_gates_have_their_closed_forms(f, n, truth):
    assert value(of_bits(f, n)) == pytest.approx(truth, abs=TOL)


def test_the_and_gates_are_what_one_source_knows():
    def entropy(q: float) -> float:
        return -q * math.log2(q) - (1 - q) * math.log2(1 - q)

    assert pytest.approx(entropy(1 / 8) - entropy(1 / 4) / 2, abs=1e-10) == AND3
    assert pytest.approx(entropy(1 / 16) - entropy(1 / 8) / 2, abs=1e-10) == AND4


@given(st.integers(0, 2**32 - 1))
def test_two_sources_are_those_of_broja(seed):
    data = random_joint(seed, 2)
    assert value(data) == pytest.approx(pidkd.decompose(data, estimator="broja").union, abs=PROVEN)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
@settings(max_examples=40)
def test_laws(seed, n):
    data = random_joint(seed, n)
    names = [f"s{i}" for i in range(n)]
    result = pidkd.union_information(data, names)
    tables = {name: data.p.sum(axis=tuple(j + 1 for j in range(n) if j != i)) for i, name in enumerate(names)}
    union = result.value
    # symmetric; a copy and a constant add nothing
    assert value(dict(reversed(tables.items()))) == pytest.approx(union, abs=PROVEN)
    assert value({**tables, "copy": tables["s0"]}) == pytest.approx(union, abs=PROVEN)
    assert value({**tables, "constant": data.p.sum(axis=tuple(range(1, n + 1)))[:, None]}) == pytest.approx(
        union, abs=PROVEN
    )
    # monotone, and between the largest information and what there is
    if n > 2:
        assert value({name: tables[name] for name in names[1:]}) <= union + PROVEN
    h_y = -sum(q * math.log2(q) for q in data.p.sum(axis=tuple(range(1, n + 1))).tolist() if q > 0)
    informations = result.information.values()
    assert max(informations) - PROVEN <= union <= min(h_y, sum(informations), result.mi) + PROVEN


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_two_classes_are_submodular(seed):
    rng = np.random.default_rng(seed)
    mass = rng.gamma(0.5, size=(2, 3, 3, 3, 3))
    data = pidkd.Pmf(mass / mass.sum())
    result = pidkd.contributions(data, list("abcd"), subsets=map(list, ["ab", "abc", "ac"]))
    single = {name: quantity.value for name, quantity in result.information.items()}
    u = {name: quantity.value for name, quantity in result.subsets.items()}
    # what c adds to a, at least what it adds to a and b
    assert u["a, c"] - single["a"] >= u["a, b, c"] - u["a, b"] - PROVEN


def test_independent_components_add():
    rng = np.random.default_rng(0)
    channels = [rng.dirichlet(np.ones(3), size=2) for _ in range(3)]
    p = np.einsum("ax,by,cz->abcxyz", *channels).reshape(8, 3, 3, 3) / 8
    apart = sum(pidkd.union_information(pidkd.Pmf(p)).information.values())
    assert value(pidkd.Pmf(p)) == pytest.approx(apart, abs=TOL)


def sources(n: int = 2000, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A student, a better teacher, and two specialists, one of the first classes and one of the last."""
    rng = np.random.default_rng(seed)
    y = rng.integers(6, size=n)

    def noisy(q: float) -> np.ndarray:
        return np.where(rng.random(n) < q, y, rng.integers(6, size=n))

    return y, {"student": noisy(0.5), "teacher": noisy(0.9), "low": np.minimum(y, 3), "high": np.maximum(y, 3)}


def test_contributions_are_differences_of_unions():
    y, named = sources()
    result = pidkd.contributions(y, named, given="student", subsets=[["low", "high"]])
    names = ("teacher", "low", "high")
    assert result.sources == names
    union = value(y, named)
    assert result.union.value == pytest.approx(union, abs=PROVEN)
    for name in names:
        rest = value(y, {other: x for other, x in named.items() if other != name})
        assert result.without[name].value == pytest.approx(rest, abs=PROVEN)
        assert result.unique[name].value == pytest.approx(union - rest, abs=PROVEN)
        alone = pidkd.decompose(y, named[name], named["student"], estimator="broja")
        assert result.against[name].value == pytest.approx(alone.unique_t, abs=PROVEN)
        assert result.unique[name].lower <= union - rest + PROVEN
        assert result.unique[name].upper - result.unique[name].lower <= PROVEN + 1e-12
    assert result.subsets["low, high"].value == pytest.approx(
        value(y, {k: named[k] for k in ("low", "high")}), abs=PROVEN
    )
    left = union - result.information["student"].value
    assert result.remaining.value == pytest.approx(left, abs=PROVEN)
    assert sum(share.value for share in result.shapley.values()) == pytest.approx(left, abs=1e-8)
    assert sum(step.gain.value for step in result.order) == pytest.approx(left, abs=1e-8)
    gains = [step.gain.value for step in result.order]
    assert result.order[0].gain.value == pytest.approx(max(result.against[n].value for n in names), abs=PROVEN)
    assert gains[0] >= max(gains) - PROVEN
    assert result.synergy.value == pytest.approx(pidkd.union_information(y, named).synergy, abs=PROVEN)


def test_shapley_shares_are_mean_gains_over_orders():
    y, named = sources(400)
    del named["high"]
    result = pidkd.contributions(y, named)
    gains = dict.fromkeys(named, 0.0)
    for order in itertools.permutations(named):
        before = 0.0
        for k in range(1, len(order) + 1):
            subset = {name: named[name] for name in order[:k]}
            now = value(y, subset) if k > 1 else result.information[order[0]].value
            gains[order[k - 1]] += (now - before) / 6
            before = now
    for name, gain in gains.items():
        assert result.shapley[name].value == pytest.approx(gain, abs=1e-8)


def test_results_travel_and_change_units():
    y, named = sources(500)
    result = pidkd.contributions(y, named, given="student")
    assert pidkd.ContributionResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    nats = result.to("nats")
    assert nats.union.value == pytest.approx(result.union.value * math.log(2))
    assert nats.order[0].gain.upper == pytest.approx(result.order[0].gain.upper * math.log(2))
    union = pidkd.union_information(y, named, keep=["potentials"])
    assert pidkd.UnionResult.from_dict(json.loads(json.dumps(union.to_dict()))) == union
    assert set(union.potentials) == set(named)
    assert pidkd.union_information(y, named, units="nats").value == pytest.approx(union.value * math.log(2))
    assert "teacher" in str(result)
    assert "<td>teacher</td>" in result._repr_html_()
    assert "I_union" in str(union)


def test_a_frame_has_a_row_for_each_source():
    pytest.importorskip("pandas")
    y, named = sources(300)
    frame = pidkd.contributions(y, named, given="student").to_dataframe()
    assert list(frame["source"]) == ["teacher", "low", "high"]
    assert {"unique", "unique_lower", "unique_upper", "against", "shapley", "gain", "place"} <= set(frame.columns)


def test_the_picture_has_bars_and_a_matrix():
    y, named = sources(300)
    figure = pidkd.contributions(y, named, given="student").plot()
    bars, matrix, *_ = figure.axes
    assert next(label.get_text() for label in bars.get_xticklabels()) == "student"
    assert len(matrix.get_xticklabels()) == 4


def test_merged_cells_are_a_bound_and_say_so():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=5000)
    named = {name: y * 20 + rng.integers(40, size=5000) for name in "abc"}
    exact, coarse = pidkd.union_information(y, named), pidkd.union_information(y, named, max_cells=8)
    assert coarse.certificate.status == "bound"
    assert coarse.certificate.lower - 1e-9 <= coarse.value <= exact.value + 1e-9 <= coarse.certificate.upper + 2e-9
    assert "merged" in coarse.certificate.message


def call(y, *args, **params):
    return lambda: pidkd.union_information(y, *args, **params)


Y = np.arange(8) % 3
TABLE = np.full((2, 2), 0.25)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (call(Y, {"a": Y}), "expected two sources or more, got one"),
        (call(Y, {}), "expected two sources or more, got none"),
        (call(Y, []), "got none"),
        (call(pidkd.Pmf(TABLE)), "got one"),
        (call(Y, {"a": Y, "b": Y[1:]}), "equal lengths, got y 8, a 8, b 7"),
        (call(Y, [("a", Y), ("a", Y)]), "'a' twice"),
        (call(pidkd.Pmf(np.full((2, 2, 2), 1 / 8)), ["a", "a"]), "'a' twice"),
        (call(pidkd.Pmf(np.full((2, 2, 2), 1 / 8)), ["a"]), "a list of 2 names"),
        (call([TABLE, np.array([[0.3, 0.3], [0.2, 0.2]])]), "differ by 0.1 at y = 0"),
        (call([TABLE, np.full((3, 2), 1 / 6)]), "one number of values of y"),
        (call([TABLE, TABLE / 2]), "a sum of 1"),
        (call([TABLE, -TABLE]), "entries >= 0"),
        (call(Y, {"a": Y, "b": Y * 1.5}), "sources of one kind"),
        (call(Y, Y), "a mapping from names to arrays"),
        (call(Y, {1: Y, 2: Y}), "names that are strings"),
        (call(Y, {"a": Y, "b": Y}, measure="sx"), "lattice of more than two sources"),
        (call(Y, {"a": Y, "b": Y}, kind="tables"), "kind"),
        (call(Y, {"a": Y, "b": Y}, estimator="gaussian"), "estimators that accept PairTables: broja"),
        (call(Y, {"a": Y, "b": Y}, tol=0.0), "broja"),
    ],
)
def test_what_cannot_be_used_is_refused(refused, message):
    with pytest.raises(InputError, match=r"^[a-z_]+.*: expected") as error:
        refused()
    assert message in str(error.value)


def test_more_cells_than_memory_names_the_size_that_fits():
    rng = np.random.default_rng(0)
    y, named = rng.integers(3, size=900), {name: rng.integers(60, size=900) for name in "abc"}
    with pytest.raises(InputError, match=r"max_cells=(\d+) fits") as error:
        pidkd.union_information(y, named, max_memory=10_000_000)
    most = int(str(error.value).partition("max_cells=")[2].partition(" ")[0])
    result = pidkd.union_information(y, named, max_memory=10_000_000, max_cells=most)
    assert result.certificate.status == "bound"


def test_contributions_refuse_names_and_numbers_that_are_not_there():
    y, named = sources(50)
    with pytest.raises(UnknownNameError, match="given"):
        pidkd.contributions(y, named, given="nobody")
    with pytest.raises(UnknownNameError, match="subsets"):
        pidkd.contributions(y, named, subsets=[["teacher", "nobody"]])
    with pytest.raises(InputError, match="whose subsets are 4096"):
        pidkd.contributions(y, {f"s{i}": y for i in range(12)}, shapley=True)


def test_decompose_names_the_calls_for_more_sources():
    data = of_bits(lambda r: r[0], 3)
    for decompose in (pidkd.decompose, lambda data: pidkd.decompose_batch([data])):
        with pytest.raises(InputError, match=r"union_information.*contributions"):
            decompose(data)
    with pytest.raises(InputError, match="union_information"):
        pidkd.decompose(pidkd.Gaussian(np.eye(4), dims=(1, 1, 1, 1)))


def noisy(n: int = 600, n_y: int = 3, told: float = 1.0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels, two noisy copies of them, and a specialist of the last class."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_y, size=n)
    copies = {name: np.where(rng.random(n) < q, y, rng.integers(n_y, size=n)) for name, q in (("a", 0.8), ("b", 0.5))}
    return y, copies | {"c": (y == n_y - 1) & (rng.random(n) < told)}


def test_contributions_by_class_average_to_the_whole():
    y, named = noisy()
    result = pidkd.contributions(y, named, given="a", by=y)
    share = {label: np.mean(y == int(label)) for label in result.by}
    for get in (lambda r: r.union, lambda r: r.remaining, lambda r: r.unique["c"], lambda r: r.against["b"]):
        mean = sum(share[label] * get(part).value for label, part in result.by.items())
        assert mean == pytest.approx(get(result).value, abs=PROVEN)
    assert max(result.by, key=lambda label: result.by[label].unique["c"].value) == "2"
    assert pidkd.ContributionResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert result.to("nats").by["2"].units == "nats"


def test_a_bootstrap_pairs_the_errors_and_draws_groups_as_one():
    y, named = noisy(n_y=2, told=0.5)
    alone = pidkd.contributions(y, named, given="a", uncertainty=pidkd.Bootstrap(n=60))
    assert alone.unique["c"].se < math.hypot(alone.union.se, alone.without["c"].se)  # paired
    low, high = alone.union.interval
    assert low < alone.union.value < high
    copied = np.repeat(np.arange(len(y)), 3)
    rows = y[copied], {name: codes[copied] for name, codes in named.items()}
    views = pidkd.contributions(*rows, given="a", uncertainty=pidkd.Bootstrap(n=60), groups=copied)
    assert views.union.se == pytest.approx(alone.union.se)  # copies say nothing new
    ignored = pidkd.contributions(*rows, given="a", uncertainty=pidkd.Bootstrap(n=60))
    assert ignored.union.se < 0.8 * alone.union.se


@pytest.mark.slow
def test_the_bootstrap_error_is_the_spread_over_samples():
    rng = np.random.default_rng(1)
    values, errors = [], []
    for _ in range(60):
        y = rng.integers(2, size=300)
        named = {f"s{i}": np.where(rng.random(300) < q, y, 1 - y) for i, q in enumerate((0.9, 0.8, 0.7))}
        result = pidkd.union_information(y, named, uncertainty=pidkd.Bootstrap(n=40))
        values.append(result.value)
        errors.append(result.se)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.35)


@pytest.mark.slow
def test_groups_of_posteriors_count_for_the_error():
    y, named = noisy(400)
    rows = np.repeat(np.arange(400), 2)
    probs = {name: 0.7 * np.eye(3)[codes][rows] + 0.1 for name, codes in named.items() if name != "c"}
    plain, grouped = (
        pidkd.union_information(y[rows], probs, kind="posteriors", scaling="temperature", groups=groups)
        for groups in (None, rows)
    )
    assert grouped.se == pytest.approx(plain.se * np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": [0, 1]}, "one label for each of 600"),
        ({"by": np.r_[9, np.zeros(599, dtype=int)]}, "one of 9"),
        ({"groups": np.arange(600) // 2}, r"Bootstrap\(\) beside groups of codes"),
        ({"groups": np.arange(5), "uncertainty": pidkd.Bootstrap()}, "one group for each of 600"),
        ({"uncertainty": pidkd.Bootstrap(bias="extrapolation")}, "without bias"),
        ({"uncertainty": "bootstrap"}, "without bias"),
    ],
)
def test_unusable_rows_are_refused(options, message):
    y, named = noisy()
    with pytest.raises(InputError, match=message):
        pidkd.contributions(y, named, **options)


def test_tables_and_covariances_have_no_rows():
    with pytest.raises(InputError, match="exact tables"):
        pidkd.union_information(of_bits(all, 3), uncertainty=pidkd.Bootstrap())
    with pytest.raises(InputError, match="beside a table"):
        pidkd.contributions(of_bits(all, 3), by=[0, 1])
    with pytest.raises(InputError, match="groups beside a table"):
        pidkd.contributions(of_bits(all, 3), groups=[0, 1])
    counts = pidkd.Pmf.from_counts(np.random.default_rng(0).integers(1, 20, size=(2, 2, 2, 2)))
    assert pidkd.union_information(counts, uncertainty=pidkd.Bootstrap(n=10)).se > 0
