"""Columns of tables that others write: every type that they come in, or one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError
from pidkd.files.reading import open_layers, read_labels, read_layers, stored

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

N = 30
Y = np.arange(N) % 3
H = (np.random.default_rng(0).normal(size=(N, 4)) + np.eye(3, 4)[Y]).astype(np.float32)
ROWS = H.tolist()
TEXTS = [f"s{i}" for i in range(N)]


def write_parquet(path: Path, columns: dict[str, Any]) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=11)


def write_stream(path: Path, columns: dict[str, Any]) -> None:
    held = pa.table(columns)
    with pa.ipc.new_stream(path, held.schema) as stream:
        stream.write_table(held, max_chunksize=11)


def write_file(path: Path, columns: dict[str, Any]) -> None:
    held = pa.table(columns)
    with pa.ipc.new_file(path, held.schema) as file:
        file.write_table(held, max_chunksize=11)


WRITE: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "parquet": write_parquet,
    "arrow": write_stream,
    "feather": write_file,
}


@pytest.fixture(params=WRITE)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    def written(**columns: Any) -> Path:
        path = tmp_path / f"a.{request.param}"
        WRITE[request.param](path, columns)
        return path

    return written


READ = {
    "lists": (pa.array(ROWS, pa.list_(pa.float32())), H),
    "large lists": (pa.array(ROWS, pa.large_list(pa.float32())), H),
    "lists of fixed length": (pa.array(ROWS, pa.list_(pa.float32(), 4)), H),
    "doubles": (pa.array(H.astype(float).tolist(), pa.list_(pa.float64())), H.astype(float)),
    "half precision": (pa.array(list(H.astype(np.float16)), pa.list_(pa.float16())), H.astype(np.float16)),
    "tokens": (pa.array(np.stack([H, -H], 1).tolist(), pa.list_(pa.list_(pa.float32()), 2)), np.stack([H, -H], 1)),
    "bits": (pa.array((H > 0).tolist(), pa.list_(pa.bool_())), H > 0),
    "numbers": (pa.array(H[:, 0]), H[:, 0]),
    "codes": (pa.array(Y, pa.int8()), Y.astype(np.int8)),
    "categories": (pa.array([f"c{y}" for y in Y]).dictionary_encode(), np.array([f"c{y}" for y in Y])),
    "text": (pa.array(TEXTS, pa.large_string()), np.array(TEXTS)),
}


@pytest.mark.parametrize("kind", READ)
def test_types_of_columns(write: Callable[..., Path], kind: str) -> None:
    column, values = READ[kind]
    layer = open_layers(write(h=column), "")["h"]
    assert layer.shape == values.shape
    read = layer.array()
    assert read.dtype.kind == values.dtype.kind
    assert np.array_equal(read, values)
    assert values.dtype.kind == "U" or read.dtype == layer.dtype == values.dtype


def test_a_column_is_known_by_its_name_alone(write: Callable[..., Path]) -> None:
    path = write(**{"layers.0": ROWS, "layers": Y, "layers.0.attn": (-H).tolist()})
    layers = {layer.name: layer.array() for layer in read_layers(path)}
    assert np.array_equal(layers["layers.0"], H.astype(float))
    assert np.array_equal(layers["layers"], Y)
    assert np.array_equal(layers["layers.0.attn"], -H.astype(float))


def test_other_columns_are_no_layers(write: Callable[..., Path]) -> None:
    path = write(
        h=ROWS,
        image=pa.array([{"bytes": b"x", "path": "a"}] * N),
        date=pa.array(np.arange(N), pa.timestamp("s")),
        words=pa.array([["a", "b"]] * N),
        label=Y,
        id=TEXTS,
        __index_level_0__=np.arange(N),
    )
    assert list(open_layers(path, "")) == ["h"]
    assert np.array_equal(read_labels(path, ""), Y)
    ids = stored(path, "", ("ids", "id"))
    assert ids is not None
    assert ids.tolist() == TEXTS


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            [*ROWS[:17], [1.0], *ROWS[18:]],
            "expected lists of length 4, as in the first row, got 1 in row 17; pad or pool",
        ),
        ([*ROWS[:17], None, *ROWS[18:]], "expected a value in every row, got none in row 17"),
        ([*ROWS[:17], [1.0, None, 2.0, 3.0], *ROWS[18:]], "expected a value in every row, got none in row 17"),
        ([None, *ROWS[1:]], "expected a value in every row, got none in row 0"),
        ([*TEXTS[:-1], None], "expected a value in every row, got none in row 29"),
        (pa.array([1, None, *range(N - 2)]), "expected a value in every row, got none in row 1"),
    ],
)
def test_rows_that_no_array_holds(write: Callable[..., Path], column: Any, message: str) -> None:
    path = write(h=column)
    with pytest.raises(InputError, match=message) as caught:
        open_layers(path, "")["h"].array()
    assert str(caught.value).startswith(f"{path}, layer 'h'")
    assert "\n" not in str(caught.value)


def test_a_table_without_layers_or_rows(write: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="expected at least one layer"):
        open_layers(write(label=Y, image=pa.array([{"a": 1}] * N)), "")
    empty = open_layers(write(h=pa.array([], pa.list_(pa.float32()))), "")["h"]
    with pytest.raises(InputError, match="expected at least one sample"):
        empty.read()


def test_a_column_larger_than_allowed_is_refused_unread(write: Callable[..., Path]) -> None:
    path = write(h=pa.array(np.zeros((N, 1000)).tolist(), pa.list_(pa.float64(), 1000)))
    with pytest.raises(InputError, match=r"at most 100,000 bytes in memory, got 240,000"):
        open_layers(path, "", 100_000)["h"].read()


def test_an_audit_of_tables_is_that_of_arrays(write: Callable[..., Path]) -> None:
    path = write(t=pa.array(ROWS, pa.list_(pa.float32())), s=pa.array(ROWS, pa.list_(pa.float32())), labels=Y)
    quantize = pidkd.Quantizer(2, 2)
    report = pidkd.audit(path, path, path, [("t", "s")], quantize=quantize)
    assert (
        report.results["t", "s"].atoms == pidkd.audit({"t": H}, {"s": H}, Y, quantize=quantize).results["t", "s"].atoms
    )


def test_a_folder_of_splits_names_them(tmp_path: Path) -> None:
    """As ``datasets`` saves a dictionary of data sets."""
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        write_stream(tmp_path / split / "data-00000-of-00001.arrow", {"h": ROWS})
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(InputError, match="a folder without any; name one of the folders in it: test, train"):
        open_layers(tmp_path, "")
    assert list(open_layers(tmp_path / "train", "")) == ["h"]
