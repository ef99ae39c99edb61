import csv
import importlib
import json
import pickle

import numpy as np
import pytest

import pidkd
from pidkd.arrays import iter_chunks
from pidkd.errors import InputError, MissingDependencyError
from pidkd.files.reading import open_layers, read_array, read_labels, stored

RNG = np.random.default_rng(0)
N = 120
Y = np.arange(N) % 4
LAYERS = {
    "h1": RNG.normal(size=(N, 7)).astype(np.float32),
    "h2": (RNG.normal(size=(N, 3, 4, 4)) + Y[:, None, None, None]).astype(np.float32),
}


def save_npy_folder(path, layers):
    path.mkdir()
    for name, values in layers.items():
        np.save(path / f"{name}.npy", values)


def save_torch(path, layers):
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(values) for name, values in layers.items()}, path)


def save_safetensors(path, layers):
    pytest.importorskip("safetensors.numpy").save_file(layers, path)


def save_hdf5(path, layers):
    with pytest.importorskip("h5py").File(path, "w") as file:
        for name, values in layers.items():
            file.create_dataset(name, data=values, chunks=(50, *values.shape[1:]), compression="gzip")


def save_zarr(path, layers):
    group = pytest.importorskip("zarr").open_group(str(path), mode="w")
    for name, values in layers.items():
        group.create_array(name, data=values, chunks=(50, *values.shape[1:]))


def table(layers):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table(
        {name: pyarrow.array(values.tolist(), nested(pyarrow, values)) for name, values in layers.items()}
    )


def nested(pyarrow, values):
    """Lists whose length the type does not say."""
    kind = pyarrow.from_numpy_dtype(values.dtype)
    for _ in values.shape[1:]:
        kind = pyarrow.list_(kind)
    return kind


def save_parquet(path, layers):
    pytest.importorskip("pyarrow.parquet").write_table(table(layers), path, row_group_size=50)


def save_feather(path, layers):
    pytest.importorskip("pyarrow.feather").write_feather(table(layers), path, compression="zstd", chunksize=50)


def save_arrow_shards(path, layers):
    """As ``datasets`` saves a data set."""
    pyarrow = pytest.importorskip("pyarrow")
    path.mkdir()
    (path / "state.json").write_text("{}")
    for i in range(3):
        part = table(layers)[i * 40 : i * 40 + 40]
        with pyarrow.ipc.new_stream(path / f"data-{i:05d}-of-00003.arrow", part.schema) as stream:
            stream.write_table(part, max_chunksize=16)


def save_npz_shards(path, layers):
    path.mkdir()
    for i in range(4):
        np.savez(path / f"shard-{i}.npz", **{name: values[i * 30 : i * 30 + 30] for name, values in layers.items()})


def save_npy_shards(path, layers):
    for name, values in layers.items():
        (path / name).mkdir(parents=True)
        for i in range(12):
            np.save(path / name / f"{i:05d}.npy", values[i * 10 : i * 10 + 10])


SAVE = {
    "a.npz": lambda path, layers: np.savez(path, **layers),
    "folder": save_npy_folder,
    "a.pt": save_torch,
    "a.pth": save_torch,
    "a.safetensors": save_safetensors,
    "a.h5": save_hdf5,
    "a.hdf5": save_hdf5,
    "a.zarr": save_zarr,
    "a.parquet": save_parquet,
    "a.feather": save_feather,
    "arrow_shards": save_arrow_shards,
    "npz_shards": save_npz_shards,
    "npy_shards": save_npy_shards,
}


@pytest.fixture(params=SAVE)
def saved(request, tmp_path):
    path = tmp_path / request.param
    SAVE[request.param](path, LAYERS)
    return path


def test_each_format_gives_the_same_numbers(saved):
    layers = open_layers(saved, "")
    assert list(layers) == ["h1", "h2"]
    for name, layer in layers.items():
        assert layer.shape == LAYERS[name].shape
        assert layer.dtype == np.float32
        assert layer.nbytes == LAYERS[name].nbytes
        values = pickle.loads(pickle.dumps(layer)).read()  # as a worker gets it
        flat = LAYERS[name].reshape(N, -1)
        assert values.shape == flat.shape
        np.testing.assert_array_equal(np.concatenate([chunk for _, chunk in iter_chunks(values)]), flat)
        np.testing.assert_array_equal(values[np.array([3, 40, 41, 110])], flat[[3, 40, 41, 110]])


def test_pooling_is_the_mean_over_places(saved):
    pooled = open_layers(saved, "")["h2"].read("mean")
    np.testing.assert_allclose(np.asarray(pooled), LAYERS["h2"].mean(axis=(2, 3)), atol=1e-6)


def test_each_format_gives_the_same_audit(saved):
    quantize = pidkd.Quantizer(3, 4)
    truth = pidkd.audit(LAYERS, LAYERS, Y, [("h2", "h1")], quantize=quantize).results["h2", "h1"]
    found = pidkd.audit(saved, saved, Y, [("h2", "h1")], quantize=quantize).results["h2", "h1"]
    assert found.atoms == truth.atoms


def test_tokens_are_averaged():
    tokens = RNG.normal(size=(10, 5, 3))
    layer = open_layers({"h": tokens}, "t")["h"]
    np.testing.assert_allclose(np.asarray(layer.read("mean")), tokens.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_half_precision_is_read(tmp_path, kind, suffix):
    torch = pytest.importorskip("torch")
    values = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)).to(getattr(torch, kind))
    path = tmp_path / f"a.{suffix}"
    if suffix == "pt":
        torch.save({"h": values}, path)
    else:
        pytest.importorskip("safetensors.torch").save_file({"h": values}, path)
    np.testing.assert_array_equal(np.asarray(open_layers(path, "")["h"].read(), np.float32), values.float().numpy())


@pytest.mark.parametrize(
    "save", ["a.npz", "a.h5", "a.zarr", "a.safetensors", "a.pt", "a.parquet", "a.feather", "arrow_shards", "npz_shards"]
)
def test_ids_and_labels_beside_the_layers(tmp_path, save):
    SAVE[save](tmp_path / save, {**LAYERS, "ids": np.arange(N), "labels": Y})
    assert list(open_layers(tmp_path / save, "")) == ["h1", "h2"]
    np.testing.assert_array_equal(stored(tmp_path / save, "", ("ids",)), np.arange(N))
    np.testing.assert_array_equal(stored(tmp_path / save, "", ("labels", "y")), Y)
    assert stored(tmp_path / save, "", ("other",)) is None


# --- damage and traps


def complaint(function, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors", "a.h5", "a.npz"])
@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, 0.98])
def test_a_truncated_file_is_refused(tmp_path, name, keep):
    path = tmp_path / name
    SAVE[name](path, LAYERS)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    message = complaint(lambda: [np.asarray(layer.read()) for layer in open_layers(path, "").values()])
    assert message.startswith(f"{path}")


def test_a_zarr_without_its_metadata_is_refused(tmp_path):
    save_zarr(tmp_path / "a.zarr", LAYERS)
    (tmp_path / "a.zarr" / "h1" / "zarr.json").write_text("{")
    assert str(tmp_path / "a.zarr") in complaint(open_layers, tmp_path / "a.zarr", "")


def read_all(path, pool):
    for layer in open_layers(path, pool).values():
        layer.read()


def test_a_pickle_that_runs_code_does_not_run(tmp_path):
    pytest.importorskip("torch")

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    for suffix in ("pt", "npy"):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(pickle.dumps(Evil()))
        complaint(open_layers, path, "")
    assert not (tmp_path / "ran").exists()


def test_a_zarr_whose_chunks_are_pickles_is_refused_and_not_run(tmp_path):
    pytest.importorskip("zarr")

    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    group = tmp_path / "a.zarr"
    (group / "h").mkdir(parents=True)
    (group / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    array = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "order": "C", "fill_value": 0}
    (group / "h" / ".zarray").write_text(json.dumps(array | {"compressor": None, "filters": [{"id": "pickle"}]}))
    (group / "h" / "0").write_bytes(pickle.dumps(Evil()))
    assert str(group) in complaint(read_all, group, "")
    assert not (tmp_path / "ran").exists()


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["h"] = h5py.ExternalLink("other.h5", "h")
    assert "expected data in the file itself, got a link" in complaint(open_layers, tmp_path / "a.h5", "")


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_bytes(b"x")
    real = importlib.import_module

    def absent(name):
        if name == "h5py":
            raise ModuleNotFoundError("no", name="h5py")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"pip install -e '\.\[io\]'"):
        open_layers(tmp_path / "a.h5", "")


def test_a_missing_shard_is_named(tmp_path):
    save_npz_shards(tmp_path / "s", LAYERS)
    (tmp_path / "s" / "shard-2.npz").unlink()
    assert "expected shards up to number 3, got 3 of them, without number 2" in complaint(
        open_layers, tmp_path / "s", ""
    )


def _write_of(folder, whole, total, first):
    """Shards by the names that say of how many each is one, as published data sets and models have them."""
    safetensors = pytest.importorskip("safetensors.numpy")
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(np.array_split(np.arange(60), total), first):
        arrays = {name: np.ascontiguousarray(layer[rows]) for name, layer in LAYERS.items()}
        safetensors.save_file(arrays, folder / f"{whole}-{number:05d}-of-{total:05d}.safetensors")


@pytest.mark.parametrize("first", [0, 1])
def test_shards_that_say_how_many_they_are(tmp_path, first):
    _write_of(tmp_path / "s", "model", 4, first)
    layers = open_layers(tmp_path / "s", "")
    for name, layer in LAYERS.items():
        np.testing.assert_array_equal(layers[name].load()[:], layer[:60])
    (tmp_path / "s" / f"model-{3 + first:05d}-of-00004.safetensors").unlink()
    expected = f"expected 4 shards, as model-{first:05d}-of-00004.safetensors says, got 3"
    assert expected in complaint(open_layers, tmp_path / "s", "")


def test_shards_of_two_wholes_are_refused(tmp_path):
    _write_of(tmp_path / "s", "train", 2, 0)
    _write_of(tmp_path / "s", "test", 2, 0)
    assert "expected shards of one whole" in complaint(open_layers, tmp_path / "s", "")


def test_a_shard_of_another_type_is_named(tmp_path):
    save_npy_shards(tmp_path / "s", LAYERS)
    np.save(tmp_path / "s" / "h1" / "00003.npy", LAYERS["h1"][:10].astype(np.float64))
    message = complaint(open_layers, tmp_path / "s", "")
    assert "00003.npy: expected float32" in message
    assert "got float64" in message


def test_a_shard_without_a_layer_is_named(tmp_path):
    save_npz_shards(tmp_path / "s", LAYERS)
    np.savez(tmp_path / "s" / "shard-1.npz", h1=LAYERS["h1"][:30])
    assert "shard-1.npz: expected the layers of shard-0.npz, got a difference in 'h2'" in complaint(
        open_layers, tmp_path / "s", ""
    )


def test_layers_beside_shards_are_refused(tmp_path):
    save_npz_shards(tmp_path / "s", LAYERS)
    np.save(tmp_path / "s" / "h3.npy", Y)
    assert "got h3.npy beside shard-0.npz" in complaint(open_layers, tmp_path / "s", "")


# --- labels


@pytest.mark.parametrize("heading", [None, "label", "species"])
def test_a_column_of_integers(tmp_path, heading):
    lines = ([] if heading is None else [heading]) + [str(label) for label in Y]
    (tmp_path / "y.csv").write_text("\n".join(lines) + "\n")
    labels = read_labels(tmp_path / "y.csv", "")
    np.testing.assert_array_equal(labels, Y)
    assert labels.dtype == np.int64


@pytest.mark.parametrize("heading", [None, "target"])
def test_a_column_of_numbers_is_no_text(tmp_path, heading):
    values = [0.25, -3.0, 1e-3]
    (tmp_path / "y.csv").write_text("\n".join(map(str, [*([heading] if heading else []), *values])))
    np.testing.assert_array_equal(read_array(tmp_path / "y.csv", ()), values)
    assert "got dtype float64" in complaint(read_labels, tmp_path / "y.csv", "")


def test_a_column_of_whole_numbers_is_one_of_integers(tmp_path):
    (tmp_path / "y.csv").write_text("label\n1.0\n2.0\n1.0\n")
    assert read_labels(tmp_path / "y.csv", "").tolist() == [1, 2, 1]


def test_a_column_of_words_with_a_heading(tmp_path):
    with (tmp_path / "y.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["id", "label"], ["0", "a cat, big"], ["1", "dog"]])
    assert list(read_labels(tmp_path / "y.csv", "")) == ["a cat, big", "dog"]


def test_empty_lines_at_the_end_are_no_labels(tmp_path):
    (tmp_path / "y.csv").write_text("label\n1\n2\n\n\n")
    assert read_labels(tmp_path / "y.csv", "").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "got an empty file"),
        ("\n\n", "got an empty file"),
        ("a,b\n1,2\n", "got columns a, b"),
        ("label\n1\n \n2\n", "got none in line 3"),
        ("label\n1\n\n2\n", "got none in line 3"),
        ("id,label\n1,cat\n\n2,dog\n", "got none in line 3"),
        ('id,label\n"1\n2",cat\n2,\n', "got none in line 4"),
        ("label\n1\nnan\n2\n", "expected finite numbers, got 'nan' in line 3"),
        ("0.5\n-inf\n", "expected finite numbers, got '-inf' in line 2"),
    ],
)
def test_tables_that_are_no_labels(tmp_path, text, expected):
    (tmp_path / "y.csv").write_text(text)
    assert expected in complaint(read_labels, tmp_path / "y.csv", "")


def test_labels_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.from_numpy(Y), tmp_path / "y.pt")
    np.testing.assert_array_equal(read_labels(tmp_path / "y.pt", ""), Y)
    torch.save(["cat", "dog"], tmp_path / "words.pt")
    assert list(read_labels(tmp_path / "words.pt", "")) == ["cat", "dog"]


@pytest.mark.parametrize("place", ["start", "end"])
def test_a_chunk_that_its_shard_lacks_is_no_zeros(tmp_path, place):
    zarr = pytest.importorskip("zarr")
    values = np.arange(1.0, 302.0).reshape(301, 1)  # the last shard is half outside of the array
    for name, rows in {"whole": [(0, 301)], "part": [(0, 50), (100, 301)]}.items():
        path = str(tmp_path / f"{name}.zarr")
        options = {"chunks": (50, 1), "shards": {"shape": (100, 1), "index_location": place}}
        array = zarr.create_array(path, shape=values.shape, dtype="f8", **options)
        for start, stop in rows:
            array[start:stop] = values[start:stop]
    assert np.array_equal(read_array(tmp_path / "whole.zarr", ()), values)
    with pytest.raises(InputError, match="expected 4 chunks, got fewer"):
        read_array(tmp_path / "part.zarr", ())
    (tmp_path / "whole.zarr" / "c" / "1" / "0").write_bytes(b"")
    with pytest.raises(InputError, match="bytes of an index in 0, got 0; it is damaged"):
        read_array(tmp_path / "whole.zarr", ())


@pytest.mark.parametrize("kind", [list, tuple])
def test_hidden_states_are_layers_by_their_index(tmp_path, kind):
    torch = pytest.importorskip("torch")
    states = kind(torch.full((6, 4, 3), float(i)) for i in range(11))
    torch.save(states, tmp_path / "states.pt")
    for source in (states, tmp_path / "states.pt"):
        layers = open_layers(source, "teacher")
        assert list(layers) == [f"hidden_states.{i}" for i in range(11)]
        assert layers["hidden_states.10"].array().tolist() == np.full((6, 4, 3), 10.0).tolist()


def test_a_list_of_rows_is_one_layer():
    assert list(open_layers([np.zeros(3), np.ones(3)], "teacher")) == ["teacher"]
