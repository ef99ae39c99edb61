"""Columns of a Parquet file, as pandas, ``datasets`` and Spark write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pidkd.arrays import Array
from pidkd.files.columns import arrow, entry_of, table_of, values_of
from pidkd.files.format import Entry, Format, Source

ROWS = 4_096
"""Rows that are decoded at a time."""


class Parquet(Format):
    """Columns of numbers, text, and lists of numbers of one length; others are none. Check sums of pages count."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    requires = MappingProxyType({"pyarrow": "io"})

    def entries(self, file: Source) -> Sequence[Entry]:
        """Columns in their order, each with the length of its first row's lists."""
        with _opened(file) as held:
            entries = []
            for field in held.schema_arrow:
                first = next(_pieces(held, field.name, 1), None)
                if first is None:
                    first = arrow(file.where, "").array([], field.type)
                entries.append(entry_of(field.name, field.type, held.metadata.num_rows, first))
        return [entry for entry in entries if entry is not None]

    def load(self, file: Source, name: str) -> Any:
        """Values of a column in memory."""
        entry = next(entry for entry in self.entries(file) if entry.name == name)
        with _opened(file) as held:
            return values_of(file, entry, _pieces(held, name, ROWS))

    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write each array as a column, with check sums of its pages."""
        table = table_of(str(path), arrays)
        arrow(str(path), "parquet").write_table(table, path, write_page_checksum=True)


def _opened(file: Source) -> Any:
    return arrow(file.where, "parquet").ParquetFile(file.path, memory_map=True, page_checksum_verification=True)


def _pieces(held: Any, name: str, n_rows: int) -> Iterator[Any]:
    """Pieces of a column, which by its name alone may come with others."""
    for batch in held.iter_batches(n_rows, columns=[name], use_threads=False):
        yield batch.column(batch.schema.get_field_index(name))
