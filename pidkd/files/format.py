"""The contract of a file format: it reads headers and values of a file that ``opening`` has checked."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from pidkd.arrays import Array
from pidkd.errors import import_extra
from pidkd.registry import Registry


@dataclass(frozen=True)
class Source:
    """A file (or a folder, for formats that are one) that exists and is regular.

    Parameters
    ----------
    path : Path
    max_memory : int
        Bytes that an array may take in memory; arrays that are mapped or read in slices take none.
    """

    path: Path
    max_memory: int

    @property
    def where(self) -> str:
        """Name of the file, for messages."""
        return str(self.path)

    def layer(self, name: str) -> str:
        """Name of one of its arrays, for messages."""
        return f"{self.path}, layer {name!r}"


@dataclass(frozen=True)
class Entry:
    """Name, shape and dtype of one array, from the header of a file.

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : numpy.dtype
        Of the values as they are read.
    in_memory : int, default 0
        Bytes that ``Format.load`` holds at once: of a whole array that has to be inflated, of one chunk of others, and
        0 where the file is mapped.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_memory: int = 0


class Format(ABC):
    """A format of files of arrays, one module ``pidkd/files/formats/<name>.py`` each.

    A format never opens what the user named: it gets a ``Source``. It raises what its library raises;
    ``opening.faults`` stands around it. What the format promises, a check sum or that all pieces are there, is verified
    before ``load`` returns, or as slices are read.

    Attributes
    ----------
    name : str
        Name of the module.
    suffixes : tuple of str
        Suffixes of file names, in lower case.
    folder : bool
        Whether it is a folder.
    check_sum : bool
        Whether values that ``write`` wrote are known to be right when they are read.
    requires : mapping
        Modules that it needs, with the extra that brings each.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    folder: ClassVar[bool] = False
    check_sum: ClassVar[bool] = False
    requires: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @abstractmethod
    def entries(self, file: Source) -> Sequence[Entry]:
        """Arrays of the file by name, shape and type, without reading values."""

    @abstractmethod
    def load(self, file: Source, name: str) -> Any:
        """Values of one array: in memory, mapped, or a ``Sliced`` that reads rows when asked."""

    @abstractmethod
    def write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        """Write arrays, as the contract test of formats damages them."""

    def check_installed(self, where: str) -> None:
        """Refuse to go on where a package is missing; the message names the extra."""
        for module, extra in self.requires.items():
            import_extra(module, extra, needed_by=where)


def _is_format(cls: Any, name: str) -> bool:
    return issubclass(cls, Format) and getattr(cls, "name", None) == name


FORMATS = Registry(
    "a file format",
    "pidkd.files.formats",
    "pidkd.formats",
    "a subclass of Format with name = {name!r}",
    fits=_is_format,
)
"""Formats of files of arrays: a folder of modules, and the entry points of other packages."""


def get_format(name: str) -> Format:
    """A format, by name."""
    cls: type[Format] = FORMATS.get(name)
    return cls()


def format_of(path: Path) -> Format | None:
    """The format that a file has by its suffix, or None."""
    suffix = path.suffix.lower()
    if suffix in _by_suffix():
        return _by_suffix()[suffix]
    return next((format_ for format_ in map(get_format, FORMATS.plugins()) if suffix in format_.suffixes), None)


@functools.cache
def _by_suffix() -> Mapping[str, Format]:
    """Formats that come with pidkd."""
    names = [name for name in FORMATS.names() if name not in FORMATS.plugins()]
    return {suffix: format_ for format_ in map(get_format, names) for suffix in format_.suffixes}


def list_suffixes() -> list[str]:
    """Suffixes of all formats."""
    return [suffix for name in FORMATS.names() for suffix in get_format(name).suffixes]
