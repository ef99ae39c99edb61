"""Arrays of any library: read exactly, or refused in one line that names the argument."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from pidkd.arrays import CHUNK_BYTES, as_activations, as_array, as_labels, as_numbers, check_activations, iter_chunks
from pidkd.errors import InputError

F = np.random.default_rng(0).normal(size=(4, 2))


class TestLabels:
    @pytest.mark.parametrize(
        "values",
        [
            [3, 1, 3],
            (3, 1, 3),
            np.array([3, 1, 3], dtype=np.uint8),
            np.array([2**63 + 3, 1, 2**63 + 3], dtype=np.uint64),
            np.array([-(2**63), 1, -(2**63)]),
            [True, False, True],
            ["a", "b", "a"],
            [b"a", b"b", b"a"],
            np.array(["a", "b", "a"], dtype=object),
            range(3, 6),
        ],
        ids=str,
    )
    def test_are_kept_as_they_are(self, values: object) -> None:
        assert as_labels("y", values).tolist() == list(values)

    def test_of_variable_length_are_read(self) -> None:
        string_dtype = pytest.importorskip("numpy", minversion="2.0").dtypes.StringDType
        labels = as_labels("y", np.array(["a", "long label"], dtype=string_dtype()))
        assert labels.tolist() == ["a", "long label"]

    def test_in_a_memory_map_or_read_only_are_read(self, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", np.array([0, 1, 1]))
        assert as_labels("y", np.load(tmp_path / "y.npy", mmap_mode="r")).tolist() == [0, 1, 1]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([], "y: expected at least one sample, got none"),
            (7, "y: expected shape (n_samples,), got ()"),
            (None, "y: expected a dense array, got NoneType"),
            ("abc", "y: expected shape (n_samples,), got ()"),
            (np.zeros((3, 2), int), "y: expected shape (n_samples,), got (3, 2)"),
            (np.zeros((3, 1), int), "y: expected shape (n_samples,), got (3, 1); flatten it with .ravel()"),
            (
                [0.0, 1.0],
                "y: expected labels (integers, bools or strings), got dtype float64; "
                "cast whole numbers with .astype(int); quantise continuous values with pidkd.Quantizer",
            ),
            ([1j, 0], "y: expected labels (integers, bools or strings), got dtype complex128"),
            (
                [2**70, 1],
                "y: expected labels (integers, bools or strings), got dtype object; "
                "cast them, and drop samples with missing labels",
            ),
            (
                np.array(["2026-01-01"], "M8[D]"),
                "y: expected labels (integers, bools or strings), got dtype datetime64[D]",
            ),
            (["a", None], "cast them, and drop samples with missing labels"),
            (["a", float("nan")], "y: expected entries of one type, got float and str"),
            ([1, "1"], "y: expected entries of one type, got int and str"),
            ([b"a", "a"], "y: expected entries of one type, got bytes and str"),
            (
                [[1], [2, 3]],
                "y: expected an array that can be read, got list (setting an array element with a sequence.",
            ),
            (
                np.ma.masked_array([0, 1, 2], mask=[0, 1, 1]),
                "y: expected no masked entries, got 2; drop those samples first",
            ),
        ],
        ids=str,
    )
    def test_of_any_other_type_or_shape_are_refused(self, values: object, message: str) -> None:
        with pytest.raises(InputError) as caught:
            as_labels("y", values)
        assert message in str(caught.value)
        assert caught.value.where == "y"

    def test_without_a_mask_in_a_masked_array_are_read(self) -> None:
        assert as_labels("y", np.ma.masked_array([0, 1], mask=[0, 0])).tolist() == [0, 1]


class TestNumbers:
    def test_are_a_new_array_of_float64(self) -> None:
        given = np.array([[1, 2]], dtype=np.float64)
        numbers = as_numbers("p", given)
        assert numbers.dtype == np.float64
        assert not np.shares_memory(numbers, given)

    @pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.longdouble])
    def test_of_every_real_type_are_read(self, dtype: type) -> None:
        assert as_numbers("p", np.array([0, 1], dtype=dtype)).tolist() == [0.0, 1.0]

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([], "p: expected at least one entry, got an empty array of shape (0,)"),
            (np.zeros((2, 0, 2)), "p: expected at least one entry, got an empty array of shape (2, 0, 2)"),
            ([1, np.nan], "p: expected finite values, got nan at (1,)"),
            ([[1, 2], [-np.inf, 0]], "p: expected finite values, got -inf at (1, 0)"),
            (["1"], "p: expected real numbers, got dtype <U1"),
            ([1j], "p: expected real numbers, got dtype complex128"),
            ([{"one": 1}], "p: expected real numbers, got dtype object"),
        ],
        ids=str,
    )
    def test_that_are_none_are_refused(self, values: object, message: str) -> None:
        with pytest.raises(InputError) as caught:
            as_numbers("p", values)
        assert str(caught.value) == message

    @pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(float).max, reason="no wider float on this platform")
    def test_beyond_float64_are_refused(self) -> None:
        with pytest.raises(InputError, match=r"finite values, got inf at \(0,\)"):
            as_numbers("p", np.array([np.finfo(np.longdouble).max]))


class TestActivations:
    def test_are_held_by_reference(self) -> None:
        assert as_activations("t", F) is F

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_of_every_float_are_accepted(self, dtype: type) -> None:
        check_activations("t", F.astype(dtype))
        check_activations("t", F[:, 0].astype(dtype))

    def test_in_a_memory_map_are_not_copied(self, tmp_path: Path) -> None:
        np.save(tmp_path / "t.npy", F)
        mapped = np.load(tmp_path / "t.npy", mmap_mode="r")
        assert as_activations("t", mapped) is mapped

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                F.reshape(2, 2, 2),
                "expected floats of shape (n_samples, n_features), got ndarray of float64 with shape (2, 2, 2)",
            ),
            (np.float64(3), "expected floats of shape (n_samples, n_features), got float64 of float64 with shape ()"),
            (np.zeros((0, 2)), "expected at least one sample and one feature, got shape (0, 2)"),
            (np.zeros((2, 0)), "expected at least one sample and one feature, got shape (2, 0)"),
            (np.arange(4), "got ndarray of int64 with shape (4,); cast numbers with .astype(float)"),
            (F + 1j, "got ndarray of complex128 with shape (4, 2); cast numbers with .astype(float)"),
            (F.astype(object), "got ndarray of object with shape (4, 2); cast numbers with .astype(float)"),
            (np.where(F[2, 1] == F, np.nan, F), "expected finite values, got NaN or infinity in row 2"),
            (np.where(F[3, 0] == F, -np.inf, F), "expected finite values, got NaN or infinity in row 3"),
            (np.ma.masked_array(F, mask=F > 0), "expected no masked entries"),
        ],
        ids=str,
    )
    def test_that_are_none_are_refused(self, values: object, message: str) -> None:
        with pytest.raises(InputError) as caught:
            check_activations("layer fc1", values)
        assert message in str(caught.value)
        assert caught.value.where == "layer fc1"

    def test_that_are_sparse_are_refused(self) -> None:
        sparse = pytest.importorskip("scipy.sparse").csr_array(F)
        with pytest.raises(InputError, match=r"t: expected a dense array, got csr_array of float64"):
            check_activations("t", sparse)

    def test_that_are_not_the_floats_they_say_are_refused(self) -> None:
        class Lying:
            dtype, shape = np.dtype(float), (4, 2)

            def __getitem__(self, rows: slice) -> np.ndarray:
                return np.full((4, 2), "text")[rows]

        with pytest.raises(InputError, match="t: expected a dense array of floats, got Lying of float64"):
            check_activations("t", Lying())

    def test_the_row_is_counted_over_all_chunks(self) -> None:
        wide = np.zeros((CHUNK_BYTES // 8 // 1000 + 3, 1000), dtype=np.float16)
        wide[-2, 5] = np.nan
        with pytest.raises(InputError, match=f"in row {len(wide) - 2}$"):
            check_activations("t", wide)


def test_chunks_cover_the_array_in_order_and_keep_to_the_budget() -> None:
    values = np.arange(3 * 2**22, dtype=np.float64).reshape(-1, 2**21)
    chunks = list(iter_chunks(values))
    assert len(chunks) > 1
    assert all(chunk.nbytes <= CHUNK_BYTES for _, chunk in chunks)
    assert [start for start, _ in chunks] == np.cumsum([0, *(len(chunk) for _, chunk in chunks[:-1])]).tolist()
    assert np.array_equal(np.concatenate([chunk for _, chunk in chunks]), values)


class TestChunkedArrays:
    def of_h5py(self, path: Path) -> Any:
        file = pytest.importorskip("h5py").File(path / "t.h5", "w")
        return file.create_dataset("t", data=F, chunks=(2, 2))

    def of_zarr(self, path: Path) -> Any:
        return pytest.importorskip("zarr").create_array(path / "t.zarr", data=F, chunks=(2, 2))

    def of_dask(self, path: Path) -> Any:
        return pytest.importorskip("dask.array").from_array(F, chunks=(2, 2))

    @pytest.mark.parametrize("library", ["h5py", "zarr", "dask"])
    def test_are_held_by_reference_and_read_piece_by_piece(self, library: str, tmp_path: Path) -> None:
        chunked = getattr(self, f"of_{library}")(tmp_path)
        assert as_activations("t", chunked) is chunked
        assert np.array_equal(np.concatenate([chunk for _, chunk in iter_chunks(chunked)]), F)


class TestTorch:
    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    def test_labels_of_any_integer_type_are_read(self, torch) -> None:
        for dtype in (torch.int64, torch.int32, torch.uint8, torch.bool):
            assert as_labels("y", torch.tensor([1, 0], dtype=dtype)).tolist() == [1, 0]

    def test_tensors_that_want_gradients_are_read(self, torch) -> None:
        tensor = torch.tensor(F, requires_grad=True)
        assert np.array_equal(as_array("t", tensor), F)
        assert as_activations("t", tensor) is tensor

    def test_bfloat16_is_read_exactly(self, torch) -> None:
        tensor = torch.tensor(F).bfloat16()
        check_activations("t", tensor)
        assert np.array_equal(as_array("t", tensor), tensor.double().numpy())

    def test_the_row_of_a_nan_is_named(self, torch) -> None:
        with pytest.raises(InputError, match="t: expected finite values, got NaN or infinity in row 1"):
            check_activations("t", torch.tensor([[0.0], [float("nan")]]).bfloat16())

    @pytest.mark.parametrize(
        "make", [lambda torch: torch.eye(4).to_sparse(), lambda torch: torch.ones(4, 2, device="meta")]
    )
    def test_tensors_without_dense_data_are_refused_in_one_short_line(self, torch, make) -> None:
        with pytest.raises(
            InputError, match=r"t: expected an array that can be read, got Tensor of torch.float32"
        ) as caught:
            check_activations("t", make(torch))
        assert len(str(caught.value)) < 250
        assert "\n" not in str(caught.value)


class TestPandas:
    @pytest.fixture
    def pd(self):
        return pytest.importorskip("pandas")

    def test_columns_of_labels_are_read_whatever_their_index(self, pd) -> None:
        for values in ([0, 1, 0], ["a", "b", "a"], [True, False, True]):
            for dtype in (None, "category"):
                column = pd.Series(values, index=[2.0, 0.0, 1.0], dtype=dtype)
                assert as_labels("y", column).tolist() == values

    def test_columns_of_nullable_types_are_read(self, pd) -> None:
        assert as_labels("y", pd.Series([0, 1], dtype="Int64")).tolist() == [0, 1]
        assert np.array_equal(as_activations("t", pd.Series([0.5, 1.5], dtype="Float64")), [0.5, 1.5])

    def test_activations_are_taken_by_position_not_by_index(self, pd) -> None:
        held = as_activations("t", pd.Series([0.5, 1.5, 2.5], index=[2.0, 0.0, 1.0]))
        assert np.concatenate([chunk for _, chunk in iter_chunks(held)]).tolist() == [0.5, 1.5, 2.5]

    def test_frames_of_floats_are_activations(self, pd) -> None:
        assert np.array_equal(as_activations("t", pd.DataFrame(F)), F)

    @pytest.mark.parametrize("values", [["a", None], [1, None]])
    def test_missing_labels_are_refused(self, pd, values) -> None:
        with pytest.raises(InputError, match="expected labels"):
            as_labels("y", pd.Series(values))

    def test_missing_activations_are_refused(self, pd) -> None:
        with pytest.raises(InputError):
            as_activations("t", pd.Series([0.5, None], dtype="Float64"))


READERS = (as_array, as_labels, as_numbers, as_activations)

ANY_ARRAY = arrays(
    scalar_dtypes() | st.just(np.dtype(object)),
    array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    fill=st.nothing(),
)


def outcome(read: Callable[[str, Any], Any], values: Any) -> Any:
    try:
        return read("here", values)
    except InputError as error:
        return error


@given(ANY_ARRAY)
def test_whatever_the_array_it_is_read_or_refused(values: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for result in [outcome(read, values) for read in READERS]:
            if isinstance(result, InputError):
                assert result.where == "here"
                assert "\n" not in str(result)
            else:
                assert result.shape == values.shape


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_whatever_the_list_it_is_read_or_refused(values: object) -> None:
    for read in READERS:
        assert isinstance(outcome(read, values), np.ndarray | InputError)
