"""Columns of an Arrow file, as ``datasets`` keeps its data sets and Feather is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pidkd.arrays import Array
from pidkd.files.columns import arrow, entry_of, table_of, values_of
from pidkd.files.format import Entry, Format, Source

MAGIC = b"ARROW1"
"""How the format with a footer begins; the other one is a stream."""


class Arrow(Format):
    """Columns of numbers, text, and lists of numbers of one length; others are none. The file is mapped."""

    name = "arrow"
    suffixes = (".arrow", ".feather")
    requires = MappingProxyType({"pyarrow": "io"})

    def entries(self, file: Source) -> Sequence[Entry]:
        """Columns in their order, each with the length of its first row's lists."""
        with _batches(file) as (schema, batches):
            held = [batch for batch in batches if len(batch)]
            n_rows, empty = sum(map(len, held)), arrow(file.where, "").array
            firsts = held[0].slice(0, 1).columns if held else [empty([], field.type) for field in schema]
            entries = [entry_of(field.name, field.type, n_rows, one) for field, one in zip(schema, firsts, strict=True)]
        return [entry for entry in entries if entry is not None]

    def load(self, file: Source, name: str) -> Any:
        """Values of a column in memory."""
        entry = next(entry for entry in self.entries(file) if entry.name == name)
        with _batches(file) as (schema, batches):
            place = schema.get_field_index(name)
            return values_of(file, entry, (batch.column(place) for batch in batches))

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write each array as a column of a stream."""
        table = table_of(str(path), arrays)
        with arrow(str(path), "ipc").new_stream(path, table.schema) as stream:
            stream.write_table(table)


@contextmanager
def _batches(file: Source) -> Iterator[tuple[Any, Iterator[Any]]]:
    """Schema, and batches of rows one after the other."""
    with file.path.open("rb") as stream:
        footer = stream.read(len(MAGIC)) == MAGIC
    with arrow(file.where, "").memory_map(str(file.path)) as mapped:
        if footer:
            reader = arrow(file.where, "ipc").open_file(mapped)
            yield reader.schema, map(reader.get_batch, range(reader.num_record_batches))
        else:
            reader = arrow(file.where, "ipc").open_stream(mapped)
            yield reader.schema, iter(reader)
