"""Small data sets of every shape that people bring: what rows come, in which order, or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

pd = pytest.importorskip("pandas")

N, WIDTH = 50, 4
GENERATOR = torch.Generator().manual_seed(0)
Y = torch.arange(N) % 3
X = torch.randn(N, WIDTH, generator=GENERATOR) + Y[:, None] - 1.0
ROWS = list(range(N))


@dataclass(frozen=True)
class Data:
    """Data of the zoo.

    Parameters
    ----------
    name : str
    make : callable
        The data, fresh.
    rows : sequence of int
        Rows of ``X`` that are to be captured, in any order where that is drawn.
    ids : sequence of int or None
        What they are called; None where the order is not known.
    refused : str
        Part of the one line that refuses to capture it.
    refused_in_training : str
        Part of the one line that refuses to train on it in batches of 8.
    noted : str
        Part of a warning of ``capture``.
    drawn : bool
        Whether the order is drawn anew each time.
    options : mapping
        ``forward`` and ``collate``.
    """

    name: str
    make: Callable[[], Any]
    rows: Sequence[int] = tuple(range(50))
    ids: Sequence[int] | None = tuple(range(50))
    refused: str = ""
    refused_in_training: str = ""
    noted: str = ""
    drawn: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


class Mapped(Dataset[Any]):
    """Items by a function of the row."""

    def __init__(self, item: Callable[[int], Any]) -> None:
        self.item = item

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> Any:
        if not 0 <= row < N:
            raise IndexError(row)
        return self.item(int(row))


class Unsized(Dataset[Any]):
    """It forgot its length."""

    def __getitem__(self, row: int) -> Any:
        return X[row], Y[row]


class Stream(IterableDataset[Any]):
    """Samples one after the other."""

    def __iter__(self) -> Iterator[Any]:
        return iter(zip(X, Y, strict=True))


class Once(IterableDataset[Any]):
    """Samples that can be read once only."""

    def __init__(self) -> None:
        self.samples = iter(zip(X, Y, strict=True))

    def __iter__(self) -> Iterator[Any]:
        return self.samples


class SizedStream(Stream):
    """A stream that knows how long it is."""

    def __len__(self) -> int:
        return N


class Evens(SequentialSampler):
    """A sampler of one's own."""

    def __iter__(self) -> Iterator[int]:
        return iter(ROWS[::2])

    def __len__(self) -> int:
        return len(ROWS[::2])


PAIRS = TensorDataset(X, Y)


def broken(row: int) -> Any:
    if row == 37:
        raise OSError("picture 37 is damaged")
    return X[row], Y[row]


DATA = [
    Data("tensors", lambda: (X, Y)),
    Data("arrays", lambda: (X.numpy(), Y.numpy())),
    Data("a list", lambda: [X.tolist(), Y.tolist()]),
    Data("float64 and int32", lambda: (X.double().numpy(), Y.numpy().astype(np.int32))),
    Data("half and int16", lambda: (X.half(), Y.to(torch.int16))),
    Data("big-endian", lambda: (X.numpy().astype(">f4"), Y.numpy().astype(">i4"))),
    Data("reversed views", lambda: (X.numpy()[::-1], Y.numpy()[::-1]), rows=ROWS[::-1], ids=ROWS),
    Data("unsigned labels", lambda: (X, Y.numpy().astype(np.uint16))),
    Data("with a gradient", lambda: (X.clone().requires_grad_(), Y)),
    Data("a dict of arrays", lambda: ({"input": X}, Y)),
    Data("float labels", lambda: (X, Y.float()), refused="labels.long()", refused_in_training="labels.long()"),
    Data("labels in a column", lambda: (X, Y[:, None]), refused="squeeze(1)", refused_in_training="squeeze(1)"),
    Data("one-hot labels", lambda: (X, torch.eye(3, dtype=torch.long)[Y]), refused="argmax(1)",
         refused_in_training="argmax(1)"),
    Data("text labels", lambda: (X, list("abc" * 16 + "ab")), refused="integers from 0",
         refused_in_training="integers from 0"),
    Data("too few labels", lambda: (X, Y[:-1]), refused="one class label", refused_in_training="one class label"),
    Data("labels from 1", lambda: (X, Y + 1), refused_in_training="labels from 0 to 2"),
    Data("ragged rows", lambda: ([[1.0], [2.0, 3.0]] * 25, Y), refused="rows of one shape",
         refused_in_training="rows of one shape"),
    Data("a triple", lambda: (X, Y, Y), refused="(x, y), a torch", refused_in_training="(x, y), a torch"),
    Data("a data set", lambda: PAIRS),
    Data("items of float64", lambda: Mapped(lambda r: (X[r].double().numpy(), int(Y[r])))),
    Data("labels of int32", lambda: Mapped(lambda r: (X[r], np.int32(Y[r])))),
    Data("labels of bool", lambda: Mapped(lambda r: (X[r], bool(Y[r] > 0)))),
    Data("labels of float", lambda: Mapped(lambda r: (X[r], float(Y[r]))), refused="labels.long()",
         refused_in_training="labels.long()"),
    Data("dicts", lambda: Mapped(lambda r: {"input": X[r], "labels": Y[r]})),
    Data("dicts with another name", lambda: Mapped(lambda r: {"image": X[r], "target": Y[r]})),
    Data("dicts without labels", lambda: Mapped(lambda r: {"input": X[r]}), refused="one of labels",
         refused_in_training="one of labels"),
    Data("dicts with text", lambda: Mapped(lambda r: {"input": X[r], "y": Y[r], "path": f"{r}.png"}),
         refused="forward=", refused_in_training="forward="),
    Data("triples", lambda: Mapped(lambda r: (X[r], Y[r], r)), refused="collate=", refused_in_training="collate="),
    Data("triples, and how to read them", lambda: Mapped(lambda r: (X[r], Y[r], r)),
         options={"collate": lambda batch: (batch[0], batch[1])}),
    Data("dicts, and how to run them", lambda: Mapped(lambda r: {"a": X[r, :2], "b": X[r, 2:], "y": Y[r]}),
         options={"forward": lambda network, x: network(torch.cat([x["a"], x["b"]], 1))}),
    Data("ragged items", lambda: Mapped(lambda r: (X[r, : 1 + r % 3], Y[r])), refused="put into batches",
         refused_in_training="put into batches"),
    Data("an item that fails", lambda: Mapped(broken), refused="OSError: picture 37 is damaged (datasets.py, line"),
    Data("no length", Unsized, refused="without __len__; give it one", refused_in_training="without __len__"),
    Data("empty", lambda: TensorDataset(X[:0], Y[:0]), refused="at least one sample",
         refused_in_training="at least one sample"),
    Data("a stream", Stream, ids=None, noted="no ids are written", refused_in_training="give its data set a __len__"),
    Data("a stream that is read once", Once, ids=None, noted="no ids are written",
         refused_in_training="give its data set a __len__"),
    Data("a stream with a length", SizedStream, ids=None, noted="no ids are written"),
    Data("a subset", lambda: Subset(PAIRS, [40, 3, 7]), rows=[40, 3, 7], ids=[40, 3, 7],
         refused_in_training="at most as many as there are samples"),
    Data("a subset of a subset", lambda: Subset(Subset(PAIRS, ROWS[::-1]), ROWS[:20]), rows=ROWS[::-1][:20],
         ids=ROWS[::-1][:20]),
    Data("two in a row", lambda: ConcatDataset([Subset(PAIRS, ROWS[:20]), Subset(PAIRS, ROWS[20:])])),
    Data("a loader", lambda: DataLoader(PAIRS, 8)),
    Data("a loader that leaves one", lambda: DataLoader(PAIRS, 7)),
    Data("a loader that drops the rest", lambda: DataLoader(PAIRS, 8, drop_last=True), rows=ROWS[:48], ids=ROWS[:48],
         noted="gives 48 samples of the 50"),
    Data("a loader that shuffles", lambda: DataLoader(PAIRS, 8, shuffle=True), refused="set shuffle=False"),
    Data("a batch sampler that shuffles", lambda: DataLoader(PAIRS, batch_sampler=BatchSampler(
        RandomSampler(PAIRS), 8, drop_last=False)), refused="set shuffle=False"),
    Data("a part at random", lambda: DataLoader(PAIRS, 8, sampler=SubsetRandomSampler(ROWS[:20])), rows=ROWS[:20],
         ids=None, noted="gives 20 samples of the 50", drawn=True),
    Data("a batch sampler that drops the rest", lambda: DataLoader(PAIRS, batch_sampler=BatchSampler(
        SequentialSampler(PAIRS), 8, drop_last=True)), rows=ROWS[:48], ids=ROWS[:48],
         noted="gives 48 samples of the 50"),
    Data("dicts with ids", lambda: Mapped(lambda r: {"input": X[r], "labels": Y[r], "id": r})),
    Data("frames of the same rows in another order", lambda: (pd.DataFrame(X.numpy()), pd.Series(Y.numpy())[::-1]),
         refused="the same index in the same order", refused_in_training="the same index in the same order"),
    Data("sparse tensors", lambda: (X.to_sparse(), Y), refused="write x.to_dense()",
         refused_in_training="write x.to_dense()"),
    Data("sparse matrices", lambda: (scipy.sparse.csr_matrix(X.numpy()), Y), refused="write x.toarray()",
         refused_in_training="write x.toarray()"),
    Data("a sampler of one's own", lambda: DataLoader(PAIRS, 8, sampler=Evens(PAIRS)), rows=ROWS[::2], ids=None,
         noted="gives 25 samples of the 50"),
    Data("weighted", lambda: DataLoader(PAIRS, 8, sampler=WeightedRandomSampler([1.0] + [0.0] * 49, 12)),
         rows=[0] * 12, ids=None, noted="gives 12 samples of the 50"),
    Data("batches by hand", lambda: DataLoader(PAIRS, batch_sampler=[[5, 1], [2, 2, 9]]), rows=[5, 1, 2, 2, 9],
         ids=None, noted="no ids are written"),
    Data("a data set of batches", lambda: DataLoader([(X[:20], Y[:20]), (X[20:], Y[20:])], batch_size=None),
         ids=None, noted="no ids are written"),
    Data("neither", lambda: "cifar10", refused="(x, y), a torch Dataset", refused_in_training="(x, y), a torch Data"),
]  # fmt: skip
