"""The five kinds of data: what they hold, and the one line that each bad argument gets."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pidkd.errors import InputError
from pidkd.inputs import Activations, Codes, Gaussian, Input, Pmf, Posteriors, as_input
from pidkd.inputs.codes import MAX_CELLS

UNIFORM = np.full((2, 2, 2), 1 / 8)
RNG = np.random.default_rng(0)
Y, T, S = [0, 1, 1, 0], ["a", "b", "b", "c"], [True, True, False, False]
F = RNG.normal(size=(4, 3))
HALVES = np.full((4, 2), 0.5)


def refused(make: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            make(*args, **kwargs)
    return str(caught.value)


class TestPmf:
    def test_holds_a_renormalised_read_only_copy(self) -> None:
        given = UNIFORM * (1 + 5e-7)
        pmf = Pmf(given)
        assert pmf.p.sum() == pytest.approx(1.0, abs=1e-15)
        assert pmf.shape == (2, 2, 2)
        assert not pmf.p.flags.writeable
        assert given.flags.writeable

    @pytest.mark.parametrize("scale", [3.0, 1e-300, 1e300, 5e-324])
    def test_any_positive_total_can_be_normalised(self, scale: float) -> None:
        assert np.allclose(Pmf(np.full((2, 2, 2), scale), normalise=True).p, UNIFORM, rtol=1e-15)

    def test_integers_and_bools_are_masses_too(self) -> None:
        assert np.array_equal(Pmf(np.ones((2, 2, 2), bool), normalise=True).p, UNIFORM)
        assert Pmf([[[1]]]).shape == (1, 1, 1)

    @pytest.mark.parametrize(
        ("p", "message"),
        [
            (np.full(4, 1 / 4), "Pmf(p): expected an axis of y and one of each source, got an array of shape (4,)"),
            (np.zeros((2, 0, 2)), "Pmf(p): expected at least one entry, got an empty array of shape (2, 0, 2)"),
            (
                np.where(np.arange(8).reshape(2, 2, 2) == 5, np.nan, 0.1),
                "Pmf(p): expected finite values, got nan at (1, 0, 1)",
            ),
            (
                np.where(np.arange(8).reshape(2, 2, 2) == 3, -0.25, 0.2),
                "Pmf(p): expected entries >= 0, got -0.25 at (0, 1, 1)",
            ),
            (
                UNIFORM * 1.001,
                "Pmf(p): expected a sum of 1 within 1e-06, got 1.001; "
                "counts go in by Pmf.from_counts(c), other totals by Pmf(p, normalise=True)",
            ),
            ("table.npy", "Pmf(p): expected real numbers, got dtype <U9"),
            (None, "Pmf(p): expected a dense array, got NoneType"),
        ],
        ids=str,
    )
    def test_bad_tables_are_refused(self, p: Any, message: str) -> None:
        assert refused(Pmf, p) == message

    def test_totals_that_cannot_be_divided_by_are_refused(self) -> None:
        zeros = "Pmf(p): expected a positive finite sum, got 0"
        assert refused(Pmf, np.zeros((2, 2, 2)), normalise=True) == zeros
        huge = "Pmf(p): expected a positive finite sum, got inf"
        assert refused(Pmf, np.full((2, 2, 2), 1e308), normalise=True) == huge

    @pytest.mark.parametrize("n_samples", [0, -1, 2.5, "many", True])
    def test_the_number_of_samples_is_a_whole_number(self, n_samples: Any) -> None:
        message = f"Pmf(n_samples): expected a whole number >= 1, or None, got {n_samples!r}"
        assert refused(Pmf, UNIFORM, n_samples=n_samples) == message

    def test_counts_remember_their_total(self) -> None:
        pmf = Pmf.from_counts([[[3, 0], [1, 0]], [[0, 0], [0, 4]]])
        assert pmf.n_samples == 8
        assert pmf.p[0, 0, 0] == 3 / 8
        assert repr(pmf) == "Pmf(shape=(2, 2, 2), n_samples=8)"

    @pytest.mark.parametrize(
        ("counts", "message"),
        [
            (UNIFORM, "Pmf.from_counts(c): expected whole numbers, got 0.125; probabilities go in by Pmf(p)"),
            (-np.ones((2, 2, 2)), "Pmf.from_counts(c): expected entries >= 0, got -1 at (0, 0, 0)"),
            (np.zeros((2, 2, 2)), "Pmf.from_counts(c): expected a positive finite sum, got 0"),
            (
                np.ones(4),
                "Pmf.from_counts(c): expected an axis of y and one of each source, got an array of shape (4,)",
            ),
            (np.full((2, 2, 2), np.inf), "Pmf.from_counts(c): expected finite values, got inf at (0, 0, 0)"),
        ],
        ids=str,
    )
    def test_bad_counts_are_refused(self, counts: Any, message: str) -> None:
        assert refused(Pmf.from_counts, counts) == message


class TestCodes:
    def test_count_into_a_table_over_the_labels_that_occur_in_sorted_order(self) -> None:
        pmf = Codes(Y, T, S).pmf()
        assert pmf.shape == (2, 3, 2)
        assert pmf.n_samples == 4
        assert pmf.p[0, 0, 1] == pmf.p[1, 1, 1] == pmf.p[1, 1, 0] == pmf.p[0, 2, 0] == 1 / 4

    def test_keep_a_copy(self) -> None:
        y = np.array(Y)
        codes = Codes(y, T, S)
        y[:] = 7
        assert codes.y.tolist() == Y
        assert not codes.y.flags.writeable

    @given(st.lists(st.tuples(*(st.integers(-(2**63), 2**63 - 1),) * 3), min_size=1))
    def test_the_size_of_a_label_does_not_matter(self, rows: list[tuple[int, int, int]]) -> None:
        y, t, s = (np.array(column) for column in zip(*rows, strict=True))
        pmf = Codes(y, t, s).pmf()
        assert pmf.p.max() * len(rows) == pytest.approx(max(rows.count(row) for row in rows))

    def test_of_unequal_lengths_are_refused(self) -> None:
        message = "Codes(y, t, s): expected equal lengths, got y 3, t 4, s 4"
        assert refused(Codes, Y[:3], T, S) == message

    @pytest.mark.parametrize("name", ["y", "t", "s"])
    def test_the_bad_argument_is_named(self, name: str) -> None:
        args = {"y": Y, "t": T, "s": S} | {name: [0.5, 1.0, 2.0, 3.0]}
        assert refused(Codes, **args).startswith(f"Codes({name}): expected labels (integers, bools or strings), got")

    def test_with_a_table_beyond_memory_are_refused(self) -> None:
        identifiers = np.arange(3000)
        assert refused(Codes(identifiers, identifiers, identifiers).pmf) == (
            f"Codes(y, t, s): expected a joint table of at most {MAX_CELLS} cells, "
            "got 3000 x 3000 x 3000 different labels of y, t, s; quantise more coarsely"
        )


class TestActivations:
    def test_hold_by_reference(self) -> None:
        data = Activations(Y, F, F[:, 0])
        assert data.t is F
        assert data.discrete_target
        assert data.n_samples == 4
        assert repr(data) == "Activations(n_samples=4, t=(4, 3), s=(4,))"

    def test_lists_are_converted(self) -> None:
        data = Activations(F[:, 0].tolist(), F.tolist(), F.tolist())
        assert np.array_equal(data.t, F)
        assert not data.discrete_target

    def test_a_target_of_many_columns_is_continuous(self) -> None:
        assert not Activations(F, F, F).discrete_target

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ((Y[:3], F, F), "Activations(y, t, s): expected equal lengths, got y 3, t 4, s 4"),
            ((Y, F[:2], F), "Activations(y, t, s): expected equal lengths, got y 4, t 2, s 4"),
            (
                (Y, F, np.where(F[2, 0] == F, np.nan, F)),
                "Activations(s): expected finite values, got NaN or infinity in row 2",
            ),
            ((F[:, 0] * np.inf, F, F), "Activations(y): expected finite values, got NaN or infinity in row 0"),
            (
                (Y, np.array(Y), F),
                "Activations(t): expected floats of shape (n_samples, n_features), "
                "got ndarray of int64 with shape (4,); cast numbers with .astype(float)",
            ),
            (
                (np.array(Y, float), F, F),
                "Activations(y): expected labels (integers, bools, strings) or a continuous target, "
                "got float64 that holds whole numbers only; if these are labels, write y.astype(int) "
                "or target='discrete'; if numbers, target='continuous'",
            ),
            (
                (np.eye(4), F, F),
                "Activations(y): expected labels (integers, bools, strings) or a continuous target, "
                "got float64 that holds whole numbers only; if these are labels, write y.argmax(axis=1); "
                "if numbers, target='continuous'",
            ),
            (
                (np.zeros((4, 2), int), F, F),
                "Activations(y): expected shape (n_samples,), got (4, 2); "
                "of one-hot rows write .argmax(axis=1); cast features of integers with .astype(float)",
            ),
            (
                (0.5, F, F),
                "Activations(y): expected floats of shape (n_samples, n_features), "
                "got ndarray of float64 with shape ()",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_bad_ones_are_refused(self, args: tuple[Any, ...], message: str) -> None:
        assert refused(Activations, *args) == message


class TestGaussian:
    def test_holds_a_symmetric_read_only_copy(self) -> None:
        cov = np.eye(4)
        cov[0, 1] = cov[1, 0] = 0.5
        cov[0, 1] += 1e-12
        data = Gaussian(cov, [1, 2, np.int64(1)])
        assert np.array_equal(data.cov, data.cov.T)
        assert not data.cov.flags.writeable
        assert data.dims == (1, 2, 1)
        assert repr(data) == "Gaussian(dims=(1, 2, 1))"

    def test_a_singular_joint_is_accepted(self) -> None:
        Gaussian([[1, 1, 0], [1, 1, 0], [0, 0, 1]], (1, 1, 1))  # Y = T

    @given(st.lists(st.integers(-150, 150), min_size=4, max_size=4))
    def test_the_units_of_a_column_decide_nothing(self, exponents: list[int]) -> None:
        cov = np.full((4, 4), 0.5) + 0.5 * np.eye(4)
        scale = 10.0 ** np.array(exponents)
        assert Gaussian(cov * scale * scale[:, None], (1, 2, 1)).dims == (1, 2, 1)

    @pytest.mark.parametrize(
        ("cov", "dims", "message"),
        [
            (np.ones((2, 3)), (1, 1, 1), "Gaussian(cov, dims): expected a square covariance, got shape (2, 3)"),
            (np.ones(9), (1, 1, 1), "Gaussian(cov, dims): expected a square covariance, got shape (9,)"),
            (
                np.zeros((0, 0)),
                (0, 0, 0),
                "Gaussian(cov, dims): expected at least one entry, got an empty array of shape (0, 0)",
            ),
            (np.full((3, 3), np.nan), (1, 1, 1), "Gaussian(cov, dims): expected finite values, got nan at (0, 0)"),
            *(
                (
                    np.eye(3),
                    dims,
                    f"Gaussian(cov, dims): expected dims >= 1 (d_y, d_t, d_s) with sum 3, got {dims}",
                )
                for dims in [(1, 1), (1, 1, 2), (0, 1, 2), (1.5, 0.5, 1), 3, "111", ("a", 1, 1), (True, 1, 1), None]
            ),
            (
                [[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]],
                (1, 1, 1),
                "Gaussian(cov, dims): expected a symmetric covariance, "
                "got correlations that differ from their mirror by 0.1",
            ),
            (
                np.diag([1.0, 0.0, 1.0]),
                (1, 1, 1),
                "Gaussian(cov, dims): expected positive variances, got 0 at (1, 1); remove constant columns",
            ),
            (
                np.diag([1.0, 1.0, -2.0]),
                (1, 1, 1),
                "Gaussian(cov, dims): expected positive variances, got -2 at (2, 2)",
            ),
            (
                [[1, 2, 0], [2, 1, 0], [0, 0, 1]],
                (1, 1, 1),
                "Gaussian(cov, dims): expected a positive semidefinite covariance, got a correlation of 2",
            ),
            (
                np.full((3, 3), -0.6) + 1.6 * np.eye(3),
                (1, 1, 1),
                "Gaussian(cov, dims): expected a positive semidefinite covariance, "
                "got correlations with smallest eigenvalue -0.2",
            ),
            (
                [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]],
                (1, 2, 1),
                "Gaussian(cov, dims), block of t: expected positive definite, "
                "got correlations with smallest eigenvalue 0; remove collinear columns",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_bad_ones_are_refused(self, cov: Any, dims: Any, message: str) -> None:
        assert refused(Gaussian, cov, dims) == message

    def test_a_tolerance_that_is_none_is_refused(self) -> None:
        message = "Gaussian(tolerance): expected a number from 0 up to 1, got nan"
        assert refused(Gaussian, np.eye(3), (1, 1, 1), tolerance=np.nan) == message


class TestPosteriors:
    def test_are_renormalised_read_only_copies(self) -> None:
        data = Posteriors([0, 1, 1, 0], HALVES * (1 + 5e-7), HALVES, HALVES)
        assert np.array_equal(data.p_t, HALVES)
        assert data.p_ts is not None
        assert not data.p_ts.flags.writeable
        assert repr(data) == "Posteriors(n_samples=4, n_classes=2)"

    def test_bools_are_two_classes(self) -> None:
        assert Posteriors([False, True, True, False], HALVES, HALVES).y.tolist() == [0, 1, 1, 0]

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            ((Y, HALVES[:3], HALVES), "Posteriors(p_t): expected shape (4, n_classes), got (3, 2)"),
            ((Y, HALVES, HALVES[:, 0]), "Posteriors(p_s): expected shape (4, n_classes), got (4,)"),
            ((Y, None, HALVES), "Posteriors(p_t): expected a dense array, got NoneType"),
            ((Y, HALVES, HALVES, HALVES + np.nan), "Posteriors(p_ts): expected finite values, got nan at (0, 0)"),
            (
                (Y, HALVES, np.full((4, 3), 1 / 3)),
                "Posteriors(p_t, p_s): expected one number of classes, got p_t with 2, p_s with 3",
            ),
            (
                (Y, HALVES, HALVES, np.ones((4, 1))),
                "Posteriors(p_t, p_s, p_ts): expected one number of classes, got p_t with 2, p_s with 2, p_ts with 1",
            ),
            (
                (Y, HALVES * np.array([[1], [1], [1.5], [1]]), HALVES),
                "Posteriors(p_t): expected rows of probabilities that sum to 1, "
                "got row 2 with sum 1.5 and minimum 0.75",
            ),
            (
                (Y, HALVES * np.array([[4, -2]]), HALVES),
                "Posteriors(p_t): expected rows of probabilities that sum to 1, got row 0 with sum 1 and minimum -1; "
                "these look like logits: Posteriors.from_logits(y, ...) takes those",
            ),
            (
                (Y, HALVES * 2 * 1.7e308, HALVES),
                "Posteriors(p_t): expected rows of probabilities that sum to 1, got row 0 with sum inf",
            ),
            (([0, 1, 2, 0], HALVES, HALVES), "Posteriors(y): expected integers from 0 to 1, got 2 in row 2"),
            (([0, -1, 1, 0], HALVES, HALVES), "Posteriors(y): expected integers from 0 to 1, got -1 in row 1"),
            ((["a"] * 4, HALVES, HALVES), "Posteriors(y): expected integers from 0 to 1, got dtype <U1"),
            (
                (Y, np.zeros((4, 0)), HALVES),
                "Posteriors(p_t): expected at least one entry, got an empty array of shape (4, 0)",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_bad_ones_are_refused(self, args: tuple[Any, ...], message: str) -> None:
        assert refused(Posteriors, *args).startswith(message)


class TestAsInput:
    @pytest.mark.parametrize(
        ("arguments", "kind"),
        [
            ((Y, T, S), Codes),
            ((np.array(Y, np.uint8), np.array(T), np.array(S)), Codes),
            ((Y, F, F[:, 0]), Activations),
            ((F[:, 0], F.astype(np.float16), F), Activations),
            ((Pmf(UNIFORM),), Pmf),
            ((Codes(Y, T, S),), Codes),
        ],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_the_sources_choose_the_kind(self, arguments: tuple[Any, ...], kind: type) -> None:
        assert type(as_input(*arguments)) is kind

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "decompose(y, t, s): expected three arrays, or one input object alone, got 0 arguments"),
            ((Y, T), "decompose(y, t, s): expected three arrays, or one input object alone, got 2 arguments"),
            (
                (Pmf(UNIFORM), T, S),
                "decompose(y, t, s): expected three arrays, or one input object alone, "
                "got 3 arguments, with Pmf among them",
            ),
            (
                (UNIFORM,),
                "decompose(data): expected a Pmf, Codes, Activations, Gaussian or Posteriors, "
                "got a bare ndarray of float64 with shape (2, 2, 2); "
                "a table of probabilities goes in as decompose(pidkd.Pmf(p)), samples as decompose(y, t, s)",
            ),
            (
                (Y, F, S),
                "decompose(y, t, s): expected t and s of one kind, "
                "both codes (integers, bools, strings) or both floats, "
                "got t of float64 and s of bool; "
                "make codes of t by pidkd.Quantizer, or cast the other one by .astype(float)",
            ),
            ((Y, T[:2], S), "decompose(y, t, s): expected equal lengths, got y 4, t 2, s 4"),
            ((Y, [[0], [1, 2]], S), "decompose(t): expected an array that can be read, got list"),
            (
                ([0.5] * 4, T, S),
                "decompose(y): expected labels (integers, bools or strings), got dtype float64; cast whole",
            ),
            ((Y, F * np.nan, F), "decompose(t): expected finite values, got NaN or infinity in row 0"),
            ((1, 2, 3), "decompose(y): expected shape (n_samples,), got ()"),
            (([], [], []), "decompose(y): expected at least one sample and one feature, got shape (0,)"),
            ((Y, T, object()), "decompose(s): expected a dense array, got object"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_message_names_the_call_as_the_user_wrote_it(self, arguments: tuple[Any, ...], message: str) -> None:
        assert refused(as_input, *arguments).startswith(message)


ANY_FLOAT = st.floats(width=64) | st.floats(0, 1)


@given(arrays(np.float64, st.tuples(*(st.integers(0, 3),) * 3), elements=ANY_FLOAT), st.booleans())
def test_whatever_the_table_a_pmf_is_a_law_or_refused(p: np.ndarray, normalise: bool) -> None:
    try:
        pmf = Pmf(p, normalise=normalise)
    except InputError:
        return
    assert pmf.p.sum() == pytest.approx(1.0, abs=1e-12)
    assert (pmf.p >= 0).all()
    assert (pmf.p[p > p.max() * 1e-300] > 0).all()


@given(arrays(np.float64, (3, 3), elements=ANY_FLOAT), st.tuples(*(st.integers(-1, 3),) * 3))
def test_whatever_the_matrix_a_gaussian_is_one_or_refused(matrix: np.ndarray, dims: tuple[int, int, int]) -> None:
    with np.errstate(all="ignore"):
        candidates = (matrix, matrix @ matrix.T, matrix + matrix.T)
    for cov in candidates:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                data = Gaussian(cov, dims)
            except InputError:
                continue
        assert np.array_equal(data.cov, data.cov.T)
        assert (np.diag(data.cov) > 0).all()


@given(
    st.lists(st.integers(-1, 3), max_size=3),
    arrays(np.float64, st.tuples(st.integers(0, 3), st.integers(0, 3)), elements=ANY_FLOAT),
    st.booleans(),
)
def test_whatever_the_rows_posteriors_are_probabilities_or_refused(
    y: list[int], p: np.ndarray, normalise: bool
) -> None:
    with np.errstate(all="ignore"):
        p = p / p.sum(axis=1, keepdims=True) if normalise else p
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            data = Posteriors(y, p, p, p)
        except InputError:
            return
    assert np.allclose(data.p_t.sum(axis=1), 1.0, atol=1e-12)


@given(
    st.lists(
        arrays(
            st.sampled_from([np.float16, np.float64, np.int8, bool, "U1"]), st.sampled_from([(3,), (3, 2), (2,), ()])
        ),
        max_size=4,
    )
)
def test_whatever_the_arguments_they_are_one_kind_or_refused(arguments: list[np.ndarray]) -> None:
    try:
        data: Any = as_input(*arguments)
    except InputError as error:
        data = error
    assert isinstance(data, Input) or str(data).startswith("decompose(")
