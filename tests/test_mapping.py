"""Arrays mapped from files."""

import re
from pathlib import Path

import numpy as np
import pytest

from pidkd.arrays import iter_chunks
from pidkd.mapping import mapped, release

STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes of files that count as memory of this process."""
    return 1024 * int(re.search(r"RssFile:\s+(\d+)", STATUS.read_text())[1])


@pytest.mark.skipif(not STATUS.exists(), reason="needs Linux to say what is in memory")
def test_a_pass_over_a_mapped_file_leaves_none_of_it_in_memory(tmp_path):
    np.save(tmp_path / "h.npy", np.ones(2**23))
    values = np.load(tmp_path / "h.npy", mmap_mode="r")
    values = mapped(tmp_path / "h.npy", np.float64, "r", values.offset, values.shape)
    before = resident()
    assert values.sum() == 2**23
    assert resident() - before > 2**25
    assert sum(chunk.sum() for _, chunk in iter_chunks(values)) == 2**23
    assert resident() - before < 2**22


def test_what_was_written_is_not_lost(tmp_path):
    with (tmp_path / "file").open("w+b") as stream:
        stream.truncate(8 * 2**16)
        values = mapped(stream, np.float64, "r+", 0, (2**16,))
    values[:] = np.arange(2**16)
    release()
    np.testing.assert_array_equal(values, np.arange(2**16))
    values.base.close()
    release()
