"""Small files that claim much, and formats whose own checks were not asked."""

import gzip
import io
import json
import os
import pickle
import struct
import threading
import zipfile

import numpy as np
import pytest

from pidkd.errors import InputError
from pidkd.files.opening import existing, read_content, read_text
from pidkd.files.reading import open_layers, read_array, read_labels, read_samples

BUDGET = 2**24


def complaint(call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def read_all(path, max_memory=BUDGET):
    return {name: layer.array() for name, layer in open_layers(path, "", max_memory).items()}


# --- what formats promise


def test_a_tensor_with_a_wrong_check_sum(tmp_path):
    torch = pytest.importorskip("torch")
    values = torch.arange(3000.0).reshape(1000, 3)
    torch.save({"h": values}, tmp_path / "a.pt")
    content = bytearray((tmp_path / "a.pt").read_bytes())
    content[content.index(values.numpy().tobytes()) + 5000] ^= 1
    (tmp_path / "a.pt").write_bytes(content)
    assert "Bad CRC-32" in complaint(read_all, tmp_path / "a.pt")


def repacked(path, change, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, change(name, data))


def test_tensors_of_an_archive_that_was_packed_again(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"h": torch.arange(12.0).reshape(6, 2)}, tmp_path / "a.pt")
    repacked(tmp_path / "a.pt", lambda _, data: data, zipfile.ZIP_DEFLATED)
    assert "expected stored members, got" in complaint(read_all, tmp_path / "a.pt")


def test_a_storage_that_is_shorter_than_its_tensor(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.arange(12.0), "b": torch.arange(50.0)}, tmp_path / "a.pt")
    repacked(tmp_path / "a.pt", lambda name, data: data[:8] if name.endswith("data/0") else data)
    assert "expected 48 bytes in member data/0, got 8" in complaint(read_all, tmp_path / "a.pt")


def write_safetensors(path, header: str, data: bytes):
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)


@pytest.mark.parametrize(
    "header",
    [
        '{"h": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "h": {"dtype": "F32", "shape": [2, 1], '
        '"data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [1], '
        '"data_offsets": [4, 8]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
        '{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}',
    ],
    ids=["one name twice", "overlapping", "bytes of nobody", "too short"],
)
def test_ranges_of_safetensors(tmp_path, header):
    pytest.importorskip("safetensors")
    write_safetensors(tmp_path / "a.safetensors", header, bytes(8))
    assert complaint(read_all, tmp_path / "a.safetensors").startswith(str(tmp_path / "a.safetensors"))


def test_a_chunk_that_is_missing_is_no_zeros(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("h", data=np.arange(40.0).reshape(20, 2), chunks=(5, 2))
    (tmp_path / "a.zarr" / "h" / "c" / "1" / "0").unlink()
    assert "expected 4 chunks, got fewer" in complaint(read_all, tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "h" / "c" / "9").mkdir()
    (tmp_path / "a.zarr" / "h" / "c" / "9" / "0").write_bytes(b"")  # as many files, another chunk
    assert "expected 4 chunks, got fewer" in complaint(read_all, tmp_path / "a.zarr")


def test_rows_that_were_never_written_to_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("h", (500_000_000,), "i8")
    assert "never written" in complaint(read_all, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("h", (1000, 3), "f4", chunks=(100, 3))[:900] = 1.0
    assert "expected 10 chunks, got 9" in complaint(read_all, tmp_path / "a.h5")


def test_groups_that_lie_in_themselves(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a/h"] = np.arange(3)
        file["a/b"] = file["/"]
    assert "leads back to itself" in complaint(read_all, tmp_path / "a.h5")


# --- claims


def test_an_archive_that_inflates(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", h=np.zeros((BUDGET // 4, 1)))
    assert "expected data of at most 16,777,216 bytes in memory" in complaint(read_all, tmp_path / "a.npz")


def test_a_stored_archive_is_mapped_whatever_its_size(tmp_path):
    values = np.arange(BUDGET // 4.0).reshape(-1, 4)
    np.savez(tmp_path / "a.npz", h=values, labels=np.arange(len(values)))
    assert isinstance(open_layers(tmp_path / "a.npz", "", BUDGET)["h"].load(), np.memmap)
    np.testing.assert_array_equal(read_all(tmp_path / "a.npz")["h"], values)
    np.savez(tmp_path / "f.npz", h=np.asfortranarray(values))
    np.testing.assert_array_equal(read_all(tmp_path / "f.npz")["h"], values)


def test_a_header_that_inflates(tmp_path):
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**28) + b" " * 2**26
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("h.npy", header)
    assert "a damaged one" in complaint(read_all, tmp_path / "a.npz")


@pytest.mark.parametrize("dtype", ["<U0", "|S0", "|V0"])
def test_entries_of_no_bytes(tmp_path, dtype):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": (500_000_000,)})
    (tmp_path / "y.npy").write_bytes(stream.getvalue())
    assert "expected entries of at least one byte" in complaint(read_labels, tmp_path / "y.npy", "")


def test_a_tensor_that_repeats_one_value(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.zeros(1, dtype=torch.int64).expand(500_000_000), tmp_path / "y.pt")
    assert "expected data of at most 2,147,483,648 bytes" in complaint(read_labels, tmp_path / "y.pt", "")
    torch.save(torch.arange(6.0).reshape(6, 1).expand(6, 3), tmp_path / "few.pt")
    np.testing.assert_array_equal(read_array(tmp_path / "few.pt", ())[:, 2], np.arange(6.0))


def test_lists_in_lists(tmp_path):
    torch = pytest.importorskip("torch")
    laughs: list = [0] * 10
    for _ in range(9):
        laughs = [laughs] * 10
    torch.save({"h": laughs}, tmp_path / "a.pt")
    assert "expected a tensor, or a list of labels, got list" in complaint(read_all, tmp_path / "a.pt")


def test_long_texts_repeated(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(["x" * 10_000] * 10_000, tmp_path / "y.pt")
    assert "bytes in memory" in complaint(read_all, tmp_path / "y.pt")


def test_an_index_that_would_fill_the_memory(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"h": torch.arange(3.0)}, tmp_path / "a.pt")
    bomb = b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b"."
    repacked(tmp_path / "a.pt", lambda name, data: bomb if name.endswith("data.pkl") else data)
    with pytest.raises(InputError):
        read_all(tmp_path / "a.pt")


def test_text_of_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("y", data=np.array(["cat", "dog", "cat"], dtype=object), dtype=h5py.string_dtype())
    assert read_labels(tmp_path / "y.h5", "").tolist() == ["cat", "dog", "cat"]
    with h5py.File(tmp_path / "y.h5", "w") as file:
        data = ["x" * 100_000, *["y"] * 999]
        file.create_dataset("y", data=np.array(data, dtype=object), dtype=h5py.string_dtype())
    assert "bytes in memory" in complaint(read_labels, tmp_path / "y.h5", "", max_memory=BUDGET)


def test_what_is_stored_as_npy_is_not_asked_to_be(tmp_path):
    np.save(tmp_path / "y.npy", np.zeros(BUDGET // 8 + 1, np.int64))
    said = complaint(read_labels, tmp_path / "y.npy", "", max_memory=BUDGET)
    assert "bytes in memory" in said
    assert "store it as" not in said


def test_one_huge_chunk(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("h", (2**22, 1), "f8", chunks=(2**22, 1), compression="gzip")[:] = 0
    assert "bytes in memory" in complaint(read_all, tmp_path / "a.h5")


def test_a_zarr_that_claims_more_chunks_than_could_be_counted(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w").create_array("h", data=np.arange(6), chunks=(3,))
    header = tmp_path / "a.zarr" / "h" / "zarr.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "shape": [10**15]}))
    assert "chunks, got fewer" in complaint(read_all, tmp_path / "a.zarr")


def test_shapes_are_compared_before_values_are_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    np.save(tmp_path / "s.npy", np.arange(10))
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("y", (50_000_000,), "i1", chunks=(10**6,), compression="gzip")[:] = 0
    [layer] = open_layers(tmp_path / "s.npy", "").values()
    assert "expected 50000000 samples, as in" in complaint(read_labels, tmp_path / "y.h5", "", like=layer)
    files = [(tmp_path / "s.npy", ("s",)), (tmp_path / "y.h5", ("y",))]
    assert "expected 10 samples, as in" in complaint(read_samples, files)


def test_ids_that_are_not_as_many_as_the_rows(tmp_path):
    np.savez(tmp_path / "a.npz", h=np.arange(20.0).reshape(10, 2), ids=np.arange(9))
    assert "expected 10 rows, as in 'h', got shape (9,)" in complaint(open_layers, tmp_path / "a.npz", "")


# --- what is no file


def test_files_that_inflate(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(2**26)))
    assert "bytes in memory" in complaint(read_content, tmp_path / "a.gz", BUDGET)
    assert read_content(tmp_path / "a.gz", 2**28) == bytes(2**26)


def test_text_that_is_none(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    assert "expected text in UTF-8" in complaint(read_text, tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "a/" * 3000])
def test_names_that_no_system_takes(name):
    assert "expected an existing file or folder" in complaint(existing, name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "y.csv")
    done = threading.Thread(target=complaint, args=(read_labels, tmp_path / "y.csv", ""), daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()


def test_an_old_file_of_torch_that_claims_too_much(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"h": torch.arange(3000.0)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    np.testing.assert_array_equal(read_all(tmp_path / "a.pt")["h"], np.arange(3000.0))
    content = (tmp_path / "a.pt").read_bytes()
    for keep in range(0, len(content), 997):
        (tmp_path / "a.pt").write_bytes(content[:keep])
        complaint(read_all, tmp_path / "a.pt")


def test_pickles_are_refused(tmp_path):
    (tmp_path / "a.pt").write_bytes(pickle.dumps(np.arange(3)))
    complaint(read_all, tmp_path / "a.pt")


def test_a_shard_that_was_copied_over_another_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        np.savez(tmp_path / f"shard-{i}.npz", h=rng.normal(size=(20, 4)), labels=np.zeros(20, int))
    assert read_all(tmp_path)["h"].shape == (60, 4)
    (tmp_path / "shard-2.npz").write_bytes((tmp_path / "shard-0.npz").read_bytes())
    said = complaint(open_layers, tmp_path, "", BUDGET)
    assert said.startswith(str(tmp_path / "shard-2.npz"))
    assert "other samples than in shard-0.npz" in said


def test_shards_of_codes_may_be_alike(tmp_path):
    for i in range(2):
        np.savez(tmp_path / f"shard-{i}.npz", codes=np.zeros(20, int))
    assert read_all(tmp_path)["codes"].shape == (40,)
