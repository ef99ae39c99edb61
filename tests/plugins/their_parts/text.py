"""Numbers as text."""

from __future__ import annotations

import numpy as np

from pidkd.files.format import Entry, Format


class Text(Format):
    """One array of numbers as text, a line for each row."""

    name = "text"
    suffixes = (".numbers",)

    def entries(self, file):
        values = self.load(file, file.path.stem)
        return [Entry(file.path.stem, values.shape, values.dtype)]

    def load(self, file, name):
        return np.loadtxt(file.path, ndmin=2)

    def write(self, path, arrays):
        np.savetxt(path, next(iter(arrays.values())))
