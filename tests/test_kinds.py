"""Kinds of data as people bring them: no guess from values, rows by their names, tables of other libraries."""

from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.feature_selection import mutual_info_classif

import pidkd
from pidkd import Activations, Codes, Pmf, Posteriors
from pidkd.errors import InputError
from pidkd.inputs import as_input
from pidkd.synthetic import gate

pd = pytest.importorskip("pandas")
xr = pytest.importorskip("xarray")
dit = pytest.importorskip("dit")

N = 400
RNG = np.random.default_rng(0)
LABELS = RNG.integers(4, size=N)
X = RNG.normal(size=N)
WIDE = RNG.normal(size=(N, 3))

FLOAT_CODES = {
    "numpy": LABELS.astype(float),
    "column": LABELS.astype(float)[:, None],
    "single precision": LABELS.astype(np.float32),
    "pandas after a missing value": pd.Series([*LABELS, None])[:-1].astype(float),
    "pandas Float64": pd.Series(LABELS, dtype="Float64"),
    "of many values": np.arange(N) % 150 + 1.0,
    "xarray": xr.DataArray(LABELS.astype(float), dims="sample"),
}


@pytest.mark.parametrize("name", FLOAT_CODES)
def test_codes_that_arrive_as_floats_are_refused_with_both_ways_out(name: str) -> None:
    codes = FLOAT_CODES[name]
    calls = {
        "t": (lambda: pidkd.decompose(LABELS, codes, X), "decompose(pidkd.Activations(y, t, s))"),
        "s": (lambda: pidkd.decompose(LABELS, X, codes), "decompose(pidkd.Activations(y, t, s))"),
        "x": (lambda: pidkd.mutual_information(codes, LABELS), "standardise them"),
        "y": (lambda: pidkd.mutual_information(X, codes), "target='continuous'"),
        "target": (lambda: pidkd.decompose(codes, X, WIDE), "target='continuous'"),
    }
    for call, measured in calls.values():
        with pytest.raises(InputError, match="holds whole numbers only") as caught:
            call()
        assert "astype(int)" in str(caught.value)
        assert measured in str(caught.value)


def test_both_ways_out_lead_out() -> None:
    codes = FLOAT_CODES["numpy"]
    assert pidkd.decompose(LABELS, codes.astype(int), LABELS).mi_t == pytest.approx(
        pidkd.decompose(LABELS, LABELS, LABELS).mi_t
    )
    assert pidkd.mutual_information((codes - codes.mean()) / codes.std(), LABELS).value > 1
    assert Activations(LABELS, codes, X).n_samples == N


@pytest.mark.parametrize("values", [np.zeros(N), (X > 0).astype(float), RNG.poisson(3, size=(N, 4)).astype(float)])
def test_what_is_the_same_as_codes_and_as_numbers_is_no_doubt(values: Any) -> None:
    assert isinstance(as_input(LABELS, values, X), Activations)


@pytest.mark.parametrize("target", ["auto", "discrete", "continuous"])
@pytest.mark.parametrize(
    "y", [LABELS, LABELS.astype(float), X, LABELS.astype(str), LABELS > 1, LABELS.astype(float)[:, None], WIDE]
)
def test_a_target_is_what_it_is_said_to_be(y: Any, target: Any) -> None:
    for take in (
        lambda: Activations(y, WIDE, WIDE, target=target),
        lambda: pidkd.decompose(y, WIDE, WIDE, target=target),
    ):
        try:
            data = take()
        except InputError as error:
            whole = y.dtype.kind == "f" and bool((y == np.floor(y)).all())
            refused = {"auto": whole, "discrete": y.dtype.kind == "f" and not whole, "continuous": y.dtype.kind in "US"}
            without_estimator = "estimator" in str(error)  # a continuous target has none by itself
            assert refused[target] or without_estimator, error  # noqa: PT017
            continue
        if isinstance(data, Activations) and target != "auto":
            assert data.discrete_target == (target == "discrete")


def test_ages_and_counts_can_be_continuous() -> None:
    age = RNG.integers(18, 90, size=N)
    x = (age - 50) / 20 + RNG.normal(size=N)
    continuous = pidkd.mutual_information(x, age, target="continuous")
    assert continuous.method == "ksg"
    assert continuous.value == pytest.approx(pidkd.mutual_information(x, age + 0.25, estimator="ksg").value, abs=1e-9)
    assert pidkd.mutual_information(x, LABELS.astype(float), target="discrete").method == "classifier"
    with pytest.raises(InputError, match=r"target\): expected 'discrete' or 'auto', got 'continuous' with codes"):
        pidkd.decompose(LABELS, LABELS, LABELS, target="continuous")
    with pytest.raises(InputError, match=r"target\): expected one of 'auto', 'discrete', 'continuous', got 'ordinal'"):
        pidkd.mutual_information(X, LABELS, target="ordinal")  # type: ignore[arg-type]


# Columns of frames

LOADERS = ["load_iris", "load_digits", "load_wine", "load_breast_cancer", "load_diabetes", "load_linnerud"]


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("loader", LOADERS)
def test_scores_of_bundled_data_sets(loader: str, as_frame: bool) -> None:
    x, y = getattr(datasets, loader)(return_X_y=True, as_frame=as_frame)
    scores = pidkd.mi_score(x, y)
    assert scores.shape == (x.shape[1],)
    assert np.isfinite(scores).all()
    if loader in ("load_iris", "load_wine", "load_breast_cancer"):
        peer = mutual_info_classif(np.asarray(x), np.asarray(y), random_state=0) / np.log(2)
        assert scores == pytest.approx(peer, abs=0.12)


def test_each_column_of_a_frame_goes_by_its_own_type() -> None:
    frame = pd.DataFrame(
        {
            "float": X,
            "whole": LABELS.astype(float),
            "bool": LABELS > 1,
            "int": LABELS,
            "text": LABELS.astype(str),
            "category": pd.Categorical(LABELS.astype(str)),
            "nullable": pd.Series(LABELS, dtype="Int64"),
            "constant": np.zeros(N),
            "one-hot": (LABELS == 2).astype(float),
        }
    )
    scores = dict(zip(frame.columns, pidkd.mi_score(frame, LABELS), strict=True))
    entropy = pidkd.mutual_information(LABELS, LABELS).value
    for name in ("int", "text", "category", "nullable"):
        assert scores[name] == pytest.approx(entropy)
    assert scores["whole"] == pytest.approx(entropy, abs=0.02)
    assert scores["bool"] == pytest.approx(1, abs=0.02)
    assert scores["one-hot"] == pytest.approx(pidkd.mutual_information(LABELS == 2, LABELS).value, abs=0.02)
    assert abs(scores["constant"]) < 0.01
    assert abs(scores["float"]) < 0.1
    frame.loc[3, "float"] = np.nan
    with pytest.raises(InputError, match=r"mi_score\(x\), column 'float': expected finite values"):
        pidkd.mi_score(frame, LABELS)
    with pytest.raises(InputError, match=r"mi_score\(x\), column 1: expected finite values"):
        pidkd.mi_score(np.stack([X, np.full(N, np.nan)], axis=1), LABELS)


# Names of rows

FRAMES = {
    "series": lambda values, index: pd.Series(values, index=index),
    "frame": lambda values, index: pd.DataFrame({"a": values}, index=index),
    "xarray": lambda values, index: xr.DataArray(values, dims="sample", coords={"sample": index}),
}
CALLS = {
    "decompose": lambda y, t: pidkd.decompose(y, t, X),
    "activations": lambda y, t: Activations(y, X, t),
    "mutual information": lambda y, t: pidkd.mutual_information(t, y),
    "score": lambda y, t: pidkd.mi_score(t, y),
}


@pytest.mark.parametrize("make", FRAMES)
@pytest.mark.parametrize("call", CALLS)
def test_rows_of_the_same_names_in_another_order_are_refused(call: str, make: str) -> None:
    names = np.array([f"img{i}" for i in range(N)])
    order = RNG.permutation(N)
    with pytest.raises(InputError, match=r"rows with the same index in the same order, got .*'img0'.* in row 0"):
        CALLS[call](pd.Series(LABELS, index=names), FRAMES[make](X, names[order]))


def test_names_of_rows_that_say_nothing_against_each_other_pass() -> None:
    test_rows = np.sort(RNG.permutation(5 * N)[:N])
    for y_index, t_index in [
        (test_rows, test_rows),
        (np.arange(N), test_rows),  # a default index beside that of a test set
        ([f"y{i}" for i in range(N)], [f"t{i}" for i in range(N)]),
    ]:
        y, t = pd.Series(LABELS, index=y_index), pd.DataFrame(WIDE, index=t_index)
        assert Activations(y, t, WIDE).n_samples == N
        assert np.isfinite(pidkd.mi_score(t, y)).all()
    with pytest.raises(InputError, match="same index in the same order"):
        Activations(pd.Series(LABELS, index=test_rows[::-1]), pd.DataFrame(WIDE, index=test_rows), WIDE)
    with pytest.raises(InputError, match="same index in the same order"):
        Codes(LABELS, pd.Series(LABELS, index=np.arange(N)), pd.Series(LABELS, index=np.arange(N)[::-1]))
    p = RNG.dirichlet(np.ones(4), size=N)
    with pytest.raises(InputError, match="same index in the same order"):
        Posteriors(pd.Series(LABELS, index=test_rows), pd.DataFrame(p, index=test_rows[::-1]), p)
    with pytest.raises(InputError, match="same index in the same order"):
        pidkd.mi_score(pd.DataFrame(WIDE, index=test_rows), pd.Series(LABELS, index=np.roll(test_rows, 1)))


# Tables of other libraries


def and_table() -> Any:
    return gate("and").pmf.p


TABLES = {
    "dit, target last": lambda: dit.Distribution(["000", "010", "100", "111"], [1 / 4] * 4),
    "dit, by names": lambda: gate("and").pmf.to_dit(),
    "xarray in order": lambda: xr.DataArray(and_table(), dims=("y", "t", "s")),
    "xarray in another order": lambda: xr.DataArray(and_table().transpose(1, 2, 0), dims=("T", "S", "Y")),
    "xarray without our names": lambda: xr.DataArray(and_table(), dims=("label", "teacher", "student")),
    "pandas series": lambda: pd.Series(
        1 / 4, index=pd.MultiIndex.from_tuples([(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)], names=["t", "s", "y"])
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_other_libraries(name: str) -> None:
    table = TABLES[name]()
    assert pidkd.decompose(Pmf(table)).redundant == pytest.approx(0.311278, abs=1e-6)
    if name.startswith("dit"):
        assert pidkd.decompose(table).redundant == pytest.approx(0.311278, abs=1e-6)


def test_tables_that_cannot_be_told_are_refused() -> None:
    four = dit.Distribution(["0000", "0110", "1010", "1101"], [1 / 4] * 4)
    for take in (pidkd.decompose, Pmf.from_dit):
        with pytest.raises(InputError, match="expected y, t and s, positions or names of variables, got 4 variables"):
            take(four)
    twice = pd.Series(1 / 2, index=pd.MultiIndex.from_tuples([(0, 0, 0), (0, 0, 0)]))
    with pytest.raises(InputError, match="expected each cell once"):
        Pmf(twice)
    counts = pd.Series(50, index=TABLES["pandas series"]().index)
    assert Pmf.from_counts(counts).n_samples == 200


# What is not there


@pytest.mark.parametrize("estimator", ["mmi", "i_min", "broja", "gk"])
def test_what_an_estimator_does_not_have_is_refused_by_name(estimator: str) -> None:
    result = pidkd.decompose(gate("and").pmf, estimator=estimator)
    for name in ("plan", "potentials", "local"):
        try:
            kept = pidkd.decompose(gate("and").pmf, estimator=estimator, keep=[name])
        except InputError as error:
            assert f"got {name!r}, which {estimator!r} does not have" in str(error)  # noqa: PT017
        else:
            assert getattr(kept, name) is not None
            assert kept.atoms == result.atoms


def test_codes_of_few_samples_are_warned_of_without_being_asked() -> None:
    unique, y = np.arange(500), RNG.integers(2, size=500)
    with pytest.warns(pidkd.errors.SmallSampleWarning, match="500 samples for 2 classes and 500 occupied pairs"):
        result = pidkd.decompose(y, unique, np.zeros(500, int))
    assert "may be bias" in result.warnings[0]
    with pytest.warns(pidkd.errors.SmallSampleWarning, match="carry a SmallSampleWarning"):
        batch = pidkd.decompose_batch([Codes(y, unique, y)])
    assert "may be bias" in batch[0].warnings[0]
    assert not pidkd.decompose(y, y, 1 - y).warnings


@pytest.mark.parametrize("scale", [1e-300, 1e300])
@pytest.mark.parametrize("call", ["mi_score", "mutual_information", "decompose", "audit"])
def test_columns_whose_squares_are_no_numbers_are_refused(call: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    x, y = scale * rng.normal(size=(200, 2)), np.arange(200) % 2
    calls: dict[str, Any] = {
        "mi_score": lambda: pidkd.mi_score(x, y),
        "mutual_information": lambda: pidkd.mutual_information(x, y),
        "decompose": lambda: pidkd.decompose(y, x, x),
        "audit": lambda: pidkd.audit({"a": x}, {"a": x}, y),
    }
    with pytest.raises(InputError, match=r"columns? .*within 1e-150 to 1e\+150, got .*; take another unit"):
        calls[call]()


def test_a_distribution_of_dit_goes_in_everywhere() -> None:
    """The last variable is the target, as dit has it, unless another one is named Y."""
    dit = pytest.importorskip("dit")
    three = dit.Distribution(["0000", "0010", "0100", "1111"], [0.25] * 4)  # the target is the AND of the others
    table = pidkd.Pmf(three)
    assert table.shape == (2, 2, 2, 2)
    assert table.p[1, 1, 1, 1] == 0.25
    for call in (pidkd.union_information, pidkd.decompose_lattice):
        assert call(three).to_dict().keys() == call(table).to_dict().keys()
    assert pidkd.union_information(three).value == pytest.approx(pidkd.union_information(table).value)
    named = three.copy()
    named.set_rv_names("YABC")
    assert pidkd.Pmf(named).p[0, 0, 0, 0] == 0.25
