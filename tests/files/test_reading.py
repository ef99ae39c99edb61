import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.errors import InputError
from pidkd.files.reading import open_layers, read_array, read_labels, read_samples
from pidkd.runs.output import save_layers, writing

RNG = np.random.default_rng(0)
CONV = RNG.normal(size=(20, 3, 4, 4)).astype(np.float32)
DENSE = RNG.normal(size=(20, 5))


def complaint(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture(params=["npz", "compressed npz", "folder", "mapping"])
def source(request, tmp_path):
    layers = {"conv": CONV, "dense": DENSE}
    if request.param == "mapping":
        return layers
    if request.param == "folder":
        save_layers(tmp_path / "layers", layers)
        return tmp_path / "layers"
    save = np.savez if request.param == "npz" else np.savez_compressed
    save(tmp_path / "layers.npz", **layers)
    return tmp_path / "layers.npz"


def test_every_source_gives_the_same_layers_flattened_per_sample(source):
    layers = open_layers(source, "teacher")
    assert {name: layer.shape for name, layer in layers.items()} == {"conv": CONV.shape, "dense": DENSE.shape}
    np.testing.assert_array_equal(layers["conv"].read(), CONV.reshape(20, 48))
    np.testing.assert_array_equal(layers["dense"].read(), DENSE)


def test_one_array_is_one_layer(tmp_path):
    np.save(tmp_path / "penultimate.npy", DENSE)
    assert list(open_layers(tmp_path / "penultimate.npy", "teacher")) == ["penultimate"]
    assert list(open_layers(DENSE, "teacher")) == ["teacher"]


def test_a_file_is_opened_where_it_is_read_and_not_shipped(source):
    if isinstance(source, dict):
        return
    layer = open_layers(source, "teacher")["conv"]
    shipped = pickle.dumps(layer)
    assert len(shipped) < 1000 < CONV.nbytes
    np.testing.assert_array_equal(pickle.loads(shipped).read(), CONV.reshape(20, 48))


def test_npy_is_memory_mapped(tmp_path):
    np.save(tmp_path / "a.npy", DENSE)
    assert isinstance(open_layers(tmp_path / "a.npy", "")["a"].load(), np.memmap)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "u1", "i8", "?"])
def test_every_kind_of_number_is_an_activation(tmp_path, dtype):
    values = (np.arange(12).reshape(6, 2) % 5).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(open_layers(tmp_path / "a.npy", "")["a"].read(), values)


@pytest.mark.parametrize("codes", [np.arange(4), np.array([True, False]), np.array(["cat", "dog"])])
def test_codes_stay_as_they_are(codes):
    layer = open_layers(codes, "teacher")["teacher"]
    assert layer.is_codes
    np.testing.assert_array_equal(layer.read(), codes)


def test_labels_and_ids_beside_layers_are_no_layers(tmp_path):
    np.savez(tmp_path / "a.npz", h=DENSE, labels=np.arange(20), ids=np.arange(20), y=np.arange(20))
    assert list(open_layers(tmp_path / "a.npz", "")) == ["h"]


def test_layers_of_a_folder_are_in_the_order_of_their_numbers(tmp_path):
    save_layers(tmp_path, dict.fromkeys(("h10", "h2", "h1", "out"), DENSE))
    assert list(open_layers(tmp_path, "")) == ["h1", "h2", "h10", "out"]


def test_tensors_are_layers():
    torch = pytest.importorskip("torch")
    layers = open_layers({"h": torch.tensor(DENSE, dtype=torch.bfloat16)}, "teacher")
    np.testing.assert_allclose(layers["h"].read(), DENSE, rtol=1e-2)


def test_labels_from_files(tmp_path):
    labels = np.array(["cat", "dog", "cat"])
    np.save(tmp_path / "y.npy", labels)
    np.savez(tmp_path / "one.npz", whatever=labels)
    np.savez(tmp_path / "several.npz", h=DENSE, labels=labels)
    for name in ("y.npy", "one.npz", "several.npz"):
        np.testing.assert_array_equal(read_labels(tmp_path / name, ""), labels)


# --- bad input


def test_missing_file(tmp_path):
    assert complaint(open_layers, tmp_path / "no.npz", "") == (
        f"{tmp_path / 'no.npz'}: expected an existing file or folder, got nothing by that name"
    )


def test_unknown_format_lists_the_known_ones(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    assert "or of shards, got suffix '.csv'" in complaint(open_layers, tmp_path / "a.csv", "")


def test_folder_without_layers(tmp_path):
    assert "got a folder without any" in complaint(open_layers, tmp_path, "")


def test_archive_without_layers(tmp_path):
    np.savez(tmp_path / "a.npz", labels=np.arange(3))
    assert "expected at least one layer, got none beside labels, label, targets, target, y, classes" in complaint(
        open_layers, tmp_path / "a.npz", ""
    )


@pytest.mark.parametrize("left", [0, 4, 60, 300])
def test_truncated_npy(tmp_path, left):
    np.save(tmp_path / "a.npy", DENSE)
    path = tmp_path / "a.npy"
    path.write_bytes(path.read_bytes()[:left])
    assert complaint(open_layers, path, "").startswith(f"{path}: expected ")


def test_truncated_npy_says_how_much_is_missing(tmp_path):
    np.save(tmp_path / "a.npy", DENSE)
    path = tmp_path / "a.npy"
    path.write_bytes(path.read_bytes()[:-300])
    assert complaint(open_layers, path, "").endswith(
        "expected 800 bytes of data for float64 of shape (20, 5), got 500; the file is truncated"
    )


def test_truncated_npz(tmp_path):
    np.savez(tmp_path / "a.npz", h=DENSE)
    path = tmp_path / "a.npz"
    path.write_bytes(path.read_bytes()[:-300])
    assert "not a zip file; it may be truncated or damaged" in complaint(open_layers, path, "")


def test_damaged_member_is_named(tmp_path):
    path = tmp_path / "a.npz"
    values = RNG.normal(size=(100, 100))  # so large that its header is read without its end
    np.savez(path, good=DENSE, bad=values)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(values.tobytes()) + 70000] ^= 1
    path.write_bytes(damaged)
    layers = open_layers(path, "")
    layers["good"].read()
    message = complaint(layers["bad"].read)
    assert message.startswith(f"{path}, layer 'bad': ")
    assert "Bad CRC-32" in message


def test_pickled_file(tmp_path):
    (tmp_path / "a.npy").write_bytes(pickle.dumps(DENSE))
    assert "expected an array in numpy's .npy format, got a pickle" in complaint(open_layers, tmp_path / "a.npy", "")


class Spy:
    """Something that would do harm if it were unpickled."""

    def __reduce__(self):
        return exec, ("raise AssertionError('unpickled')",)


def test_object_arrays_are_never_unpickled(tmp_path):
    values = np.array([Spy(), Spy()], dtype=object)
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    np.savez(tmp_path / "a.npz", allow_pickle=True, h=values)
    for name in ("a.npy", "a.npz"):
        [layer] = open_layers(tmp_path / name, "").values()
        assert "got Python objects (dtype object); pidkd never unpickles" in complaint(layer.read)
        assert "pidkd never unpickles" in complaint(read_array, tmp_path / name, ())


def test_foreign_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "expected arrays saved by numpy.savez, got a member 'readme.txt'" in complaint(
        open_layers, tmp_path / "a.npz", ""
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_layers_of_one_name(tmp_path):
    np.savez(tmp_path / "a.npz", h=DENSE)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("h.npy", archive.read("h.npy"))
    assert "expected layers of different names, got 'h' twice" in complaint(open_layers, tmp_path / "a.npz", "")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_names_file_layer_and_row(tmp_path, bad):
    values = CONV.copy()
    values[13, 1, 2, 3] = bad
    np.savez(tmp_path / "a.npz", h=values)
    message = complaint(open_layers(tmp_path / "a.npz", "")["h"].read)
    assert message == f"{tmp_path / 'a.npz'}, layer 'h': expected finite values, got NaN or infinity in row 13"


@pytest.mark.parametrize("values", [np.ones((5, 2)), np.zeros(5), np.full(5, 3), np.full(5, "cat")])
def test_constant_layer(values):
    message = complaint(open_layers({"h": values}, "teacher")["h"].read)
    assert (
        message
        == "teacher, layer 'h': expected samples that differ, got a constant layer; leave it out: it tells nothing"
    )


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,), ()])
def test_nothing_there(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    message = complaint(open_layers(tmp_path / "a.npy", "")["a"].read)
    assert message.endswith(f"expected at least one sample and one feature, got shape {shape}")


@pytest.mark.parametrize("dtype", ["c16", "M8[s]", "V2", "U3"])
def test_what_is_no_number(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.zeros((3, 2), dtype))
    assert "expected real numbers or codes, got dtype" in complaint(open_layers(tmp_path / "a.npy", "")["a"].read)


def test_float_labels_are_refused_with_the_cast_to_write(tmp_path):
    np.save(tmp_path / "y.npy", np.array([0.0, 1.0, 1.0]))
    message = complaint(read_labels, tmp_path / "y.npy", "")
    assert message.startswith(f"{tmp_path / 'y.npy'}: expected labels (integers, bools or strings), got dtype float64")
    assert ".astype(int)" in message


def test_which_of_several_arrays_are_the_labels(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.arange(3), two=np.arange(3))
    assert (
        "expected one array, or one named 'labels' or 'label' or 'targets' or 'target' or 'y', got arrays one, two"
        in complaint(read_labels, tmp_path / "a.npz", "")
    )


def test_layer_names_that_would_leave_the_folder(tmp_path):
    for name in ("../escaped", "a/b", ""):
        assert "expected names that can be file names" in complaint(save_layers, tmp_path, {name: DENSE})
    assert list(tmp_path.iterdir()) == []


def save(path: Path, layers: dict[str, np.ndarray]) -> None:
    if path.suffix == ".npy":
        np.save(path, layers["h1"])
    else:
        (np.savez_compressed if "compressed" in path.name else np.savez)(path, **layers)


@pytest.fixture(scope="module", params=["a.npy", "a.npz", "compressed.npz"])
def whole(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / request.param
    save(path, {"h1": DENSE, "h2": CONV})
    return path, path.read_bytes()


@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(whole, data):
    path, content = whole
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)), label="length")])
    # Headers and the directory of an archive lie at the ends.
    places = st.integers(0, len(content)) | st.integers(0, 150) | st.integers(len(content) - 150, len(content))
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4), label="damage"):
        if place < len(damaged):
            damaged[place] = byte
    hurt = path.with_stem("damaged")
    hurt.write_bytes(damaged)
    message = ""
    try:
        for layer in open_layers(hurt, "").values():
            assert np.isfinite(layer.read()).all()
    except InputError as error:
        message = str(error)
    assert message == "" or message.startswith(str(hurt))


# --- writing


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with writing(path) as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_write_leaves_nothing_and_the_old_file_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def interrupted():
        with writing(path, force=True) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_kept_without_force(tmp_path):
    path = tmp_path / "a.npy"
    path.write_text("old")
    assert complaint(save_layers, tmp_path, {"a": DENSE}) == (
        f"{path}: expected a new file, got one that exists; overwrite it with --force (force=True)"
    )
    assert path.read_text() == "old"
    save_layers(tmp_path, {"a": DENSE}, force=True)
    np.testing.assert_array_equal(np.load(path), DENSE)


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    assert "expected a place that can be written to" in complaint(save_layers, tmp_path / "file", {"a": DENSE})
    (tmp_path / "a.npy").mkdir()
    assert "expected the name of a file, got a folder" in complaint(save_layers, tmp_path, {"a": DENSE})


@pytest.mark.parametrize(
    ("ids_y", "ids_t", "message"),
    [
        (np.arange(3), None, "y.npz: expected ids of 4 samples, got 3"),
        (
            None,
            np.arange(5),
            "t.npz, layer 'ids': expected 4 rows, as in 't', got shape|t.npz: expected ids of 4 samples",
        ),
        (np.arange(4), np.arange(4)[::-1], "t.npz: expected the ids of .*y.npz, got the same ids in another order"),
        (np.arange(4), np.arange(4) + 1, "t.npz: expected the ids of .*y.npz, got others from row 0"),
    ],
)
def test_ids_beside_samples_are_those_of_their_rows(tmp_path, ids_y, ids_t, message):
    for name, ids in {"y": ids_y, "t": ids_t}.items():
        np.savez(tmp_path / f"{name}.npz", **{name: np.arange(4) % 2}, **({} if ids is None else {"ids": ids}))
    with pytest.raises(InputError, match=message):
        read_samples([(tmp_path / "y.npz", ("y",)), (tmp_path / "t.npz", ("t",))])


@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_text_of_pandas_is_codes_in_an_audit_too(dtype):
    pandas = pytest.importorskip("pandas")
    codes = pandas.Series(["a", "b"] * 20).astype(dtype)
    assert open_layers({"layer": codes}, "teacher")["layer"].is_codes
