"""Labelled samples in memory, as training takes them, and the registry of their readers. Nothing here needs torch.

A reader is a module ``pidkd/distill/data/<name>.py`` with a function ``read(path, **options)`` that gives the training
and the test set, or such a function that an entry point in the group ``pidkd.data`` names. No list is edited anywhere
to add one.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from pidkd.arrays import Array, IntArray, as_array, as_labels, describe, read_only
from pidkd.errors import InputError, quote
from pidkd.parameters import SEED, Fraction, Whole, check_options
from pidkd.registry import Registry
from pidkd.runs.output import PathLike, as_path

DATA = Registry("a data set", "pidkd.distill.data", "pidkd.data", "a function read(path, **options)", "read")


class LabelledData(abc.ABC):
    """Samples in memory with their labels: what images and texts share.

    A kind of samples is a frozen dataclass of this class. It has ``labels`` of shape (n,), ``n_classes``, ``ids`` and
    ``name`` among its fields, and in those that ``of_samples`` names one entry for each sample.
    """

    of_samples: ClassVar[tuple[str, ...]]
    """Fields with one entry for each sample, beside labels and ids."""
    noun: ClassVar[str]
    """A sample in messages."""
    position: ClassVar[Literal["mean"] | None] = None
    """The state of a tapped layer that stands for a sample in audits, as ``capture`` takes it."""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    labels: IntArray
    n_classes: int
    ids: Array
    name: str

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of a sample, as ``build_model`` takes it."""

    @property
    @abc.abstractmethod
    def inputs(self) -> Any:
        """Arrays that networks are called with: one, or a mapping of keyword arguments."""

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of samples, labels and classes, in hexadecimal: equal for equal content."""

    def _check(self, n: int) -> None:
        """Check labels, classes and ids against the number of samples, and keep labels and ids as arrays."""
        labels = as_labels(f"{self.name}: labels", self.labels)
        if labels.shape != (n,) or labels.dtype.kind not in "iu":
            got = f"{labels.dtype} of shape {labels.shape}"
            raise InputError(f"{self.name}: labels", f"{n} integers, one for each {self.noun}", got)
        if isinstance(self.n_classes, bool) or not isinstance(self.n_classes, int | np.integer) or self.n_classes < 1:
            raise InputError(f"{self.name}: n_classes", "a whole number >= 1", quote(self.n_classes))
        odd = np.flatnonzero((labels < 0) | (labels >= self.n_classes))
        if len(odd):
            got = f"{labels[odd[0]]} in row {odd[0]}"
            raise InputError(f"{self.name}: labels", f"classes from 0 to {self.n_classes - 1}", got)
        ids = np.arange(n) if self.ids is None else as_array(f"{self.name}: ids", self.ids)
        if ids.shape != labels.shape:
            raise InputError(f"{self.name}: ids", f"{n} of them, one for each {self.noun}", f"shape {ids.shape}")
        self._keep(labels=read_only(labels.astype(np.int64)), ids=ids)

    def _keep(self, **values: Any) -> None:
        """Set fields of a frozen dataclass while it is made."""
        for field, value in values.items():
            object.__setattr__(self, field, value)

    def _with(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]  # every kind is a dataclass

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Any) -> Self:
        """The samples of these rows."""
        rows = np.asarray(rows)
        return self._with(**{field: getattr(self, field)[rows] for field in (*self.of_samples, "labels", "ids")})

    def per_class(self, n: int, seed: int = 0) -> Self:
        """``n`` samples of each class, drawn without replacement, in their order.

        Raises
        ------
        InputError
            When a class has fewer.
        """
        Whole(1).check("samples_per_class", n)
        SEED.check("seed", seed)
        counts = np.bincount(self.labels, minlength=self.n_classes)
        rarest = int(counts.argmin())
        if n > counts[rarest]:
            expected = f"a number from 1 to {counts[rarest]}, as many as class {rarest} of {self.name} has"
            raise InputError("samples_per_class", expected, quote(n))
        rng = np.random.default_rng([seed, 1])
        chosen = [rng.permutation(np.flatnonzero(self.labels == c))[:n] for c in range(self.n_classes)]
        return self.take(np.sort(np.concatenate(chosen)))

    def split(self, fraction: float, seed: int = 0) -> tuple[Self, Self]:
        """The samples without, and those in, a held-out ``fraction`` of each class, both in their order.

        Raises
        ------
        InputError
            When one of the two would be empty.
        """
        Fraction().check("held_out", fraction)
        SEED.check("seed", seed)
        rng = np.random.default_rng([seed, 2])
        held_out = np.zeros(len(self), dtype=bool)
        for c in range(self.n_classes):
            rows = rng.permutation(np.flatnonzero(self.labels == c))
            held_out[rows[: round(fraction * len(rows))]] = True
        if not held_out.any() or held_out.all():
            expected = f"a fraction that leaves samples of {self.name} on both sides"
            raise InputError("held_out", expected, quote(fraction))
        return self.take(np.flatnonzero(~held_out)), self.take(np.flatnonzero(held_out))

    def with_label_noise(self, fraction: float, seed: int = 0) -> Self:
        """The same with a ``fraction`` of the labels, rounded, replaced by another class each, all others alike likely.

        Raises
        ------
        InputError
            When ``fraction`` is not between 0 and 1.
        """
        Fraction().check("label_noise", fraction)
        SEED.check("seed", seed)
        rng = np.random.default_rng([seed, 3])
        rows = rng.permutation(len(self))[: round(fraction * len(self))]
        labels = self.labels.copy()
        labels[rows] = (labels[rows] + rng.integers(1, self.n_classes, len(rows))) % self.n_classes
        return self._with(labels=labels)


@dataclass(frozen=True, eq=False)
class ImageData(LabelledData):
    r""":math:`(x_i, y_i)`, i = 1..n: images as bytes, with their labels.

    Parameters
    ----------
    images : array of uint8, shape (n, height, width, channels)
    labels : array of int, shape (n,)
        Classes, from 0 to ``n_classes`` - 1.
    n_classes : int
    mean, std : tuple of float, length channels, optional
        What a pixel is normalised by after division by 255. Those of ``images`` unless given; what is made from a data
        set, a subset say, keeps those of the whole.
    ids : array of int or str, shape (n,), optional
        What a sample is called wherever it appears; its row unless given.
    name : str
        What messages and records call it.

    Raises
    ------
    InputError
        When shapes, types or classes do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> data = ImageData(np.zeros((6, 8, 8, 1), np.uint8), [0, 1, 2, 0, 1, 2], 3, mean=(0.5,), std=(1.0,))
    >>> len(data), data.per_class(1).ids.tolist()
    (6, [0, 4, 5])
    """

    images: Array
    labels: IntArray
    n_classes: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    ids: Array = None  # type: ignore[assignment]
    name: str = "images"

    of_samples = ("images",)
    noun = "image"

    def __post_init__(self) -> None:
        images = self.images
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape:
            got = describe(images)
            raise InputError(f"{self.name}: images", "bytes (uint8) of shape (n, height, width, channels)", got)
        self._check(len(images))
        given = [_numbers(f"{self.name}: {name}", getattr(self, name)) for name in ("mean", "std")]
        mean, std = given if all(given) else _moments(images)
        if len(mean) != images.shape[3] or len(std) != images.shape[3] or not all(s > 0 for s in std):
            expected = f"{images.shape[3]} of each, one for each channel, std above 0"
            raise InputError(f"{self.name}: mean, std", expected, f"{mean}, {std}")
        self._keep(mean=mean, std=std)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        _, height, width, channels = self.images.shape
        return height, width, channels

    @property
    def inputs(self) -> Array:
        """The images."""
        return self.images

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of images, labels, classes and normalisation, in hexadecimal: equal for equal content."""
        about = (self.images.shape, self.n_classes, self.mean, self.std)
        digest = hashlib.sha256(repr(about).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()


def list_data() -> list[str]:
    """Names of the data sets and layouts that can be read, built in and from other packages, in alphabetic order.

    Examples
    --------
    >>> "digits" in list_data()
    True
    """
    return DATA.names()


def load_data(name: str, path: PathLike | None = None, /, **options: Any) -> tuple[LabelledData, LabelledData]:
    """The training and the test set of a data set; images are normalised by the moments of the training set.

    Parameters
    ----------
    name : str
        One of ``list_data()``.
    path : path, optional
        Where it lies. pidkd downloads nothing; "digits" needs no path.
    **options
        Those of ``read`` in ``pidkd.distill.data.<name>``.

    Raises
    ------
    UnknownNameError
        When there is no such data set or option.
    InputError
        When files are missing or damaged; the message says what is expected where.

    Examples
    --------
    >>> train, test = load_data("digits")
    >>> len(train), len(test), train.shape, train.n_classes
    (1078, 719, (8, 8, 1), 10)
    """
    read: Callable[..., tuple[LabelledData, LabelledData]] = DATA.get(name, "data")
    check_options(f"data {quote(name)}", read, options)
    try:
        return read(None if path is None else as_path("data.path", path), **options)
    except (TypeError, AttributeError) as error:
        raise InputError(
            f"data {quote(name)}", f"to be read with {quote(options) if options else 'no options'}", str(error)
        ) from error


def _numbers(where: str, values: Any) -> tuple[float, ...]:
    """Finite numbers, one for each channel, or none."""
    sequence = isinstance(values, tuple | list | np.ndarray)
    if not sequence or not all(isinstance(v, int | float | np.number) and np.isfinite(v) for v in values):
        raise InputError(where, "finite numbers, one for each channel", quote(values))
    return tuple(float(value) for value in values)


def _moments(images: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel on the scale from 0 to 1, from the counts of its 256 values."""
    values = np.arange(256) / 255
    moments = []
    for c in range(images.shape[3]):
        p = np.bincount(images[..., c].ravel(), minlength=256) / images[..., c].size
        mean = float(p @ values)
        # An empty channel is normalised by 1: it has nothing to scale.
        moments.append((mean, float(np.sqrt(p @ (values - mean) ** 2)) or 1.0))
    means, stds = zip(*moments, strict=True)
    return means, stds
