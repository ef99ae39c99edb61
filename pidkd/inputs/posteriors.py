"""Class probabilities of samples, checked at the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pidkd.arrays import (
    FloatArray,
    IntArray,
    as_array,
    as_labels,
    as_numbers,
    check_same_rows,
    read_only,
)
from pidkd.errors import Argument, InputError, of_call
from pidkd.groups import as_groups
from pidkd.inputs.pmf import SUM_TOLERANCE
from pidkd.parameters import check_whole


@dataclass(frozen=True, eq=False)
class Posteriors:
    r"""Class probabilities :math:`p(y|t)`, :math:`p(y|s)` and, if known, :math:`p(y|t,s)` of every sample.

    Parameters
    ----------
    y : array of integers from 0 to n_classes - 1, shape (n_samples,)
    p_t, p_s : array, shape (n_samples, n_classes)
    p_ts : array, shape (n_samples, n_classes), optional
        Rows are non-negative and sum to 1 within 1e-6; they are then renormalised in float64.
    groups : array of labels, shape (n_samples,), optional
        Rows that belong together, such as views of one image: only groups are independent of each other.
    classes, within, tail : arrays, optional
        Of ``from_topk``, where y and the posteriors are of groups of classes: the class of each row, shape
        (n_samples,); the logarithm of its probability within the group, by T, S and both, shape (n_samples, 3); and
        what the tail may hide of it, shape (n_samples, 2), or (n_samples, 3) where ``top_ts`` was given.

    Raises
    ------
    InputError
        When shapes disagree, a row does not sum to 1, or values are not finite.
    """

    y: IntArray
    p_t: FloatArray
    p_s: FloatArray
    p_ts: FloatArray | None = None
    groups: IntArray | None = None
    classes: IntArray | None = None
    within: FloatArray | None = None
    tail: FloatArray | None = None

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ("y", "p_t", "p_s", "p_ts", "groups")}
        check_same_rows(Argument("Posteriors", "y, p_t, p_s"), **columns)
        y = as_labels(Argument("Posteriors", "y"), self.y)
        tables: dict[str, FloatArray] = {}
        for name in ("p_t", "p_s", "p_ts") if self.p_ts is not None else ("p_t", "p_s"):
            where = Argument("Posteriors", name)
            p = as_numbers(where, getattr(self, name))
            if p.ndim != 2 or len(p) != len(y):
                raise InputError(where, f"shape ({len(y)}, n_classes)", f"{p.shape}")
            with np.errstate(over="ignore"):
                sums = p.sum(axis=1, keepdims=True)
            off = np.flatnonzero((p < 0).any(axis=1) | (np.abs(sums[:, 0] - 1.0) > SUM_TOLERANCE))
            if off.size:
                row = int(off[0])
                got = f"row {row} with sum {sums[row, 0]:.6g} and minimum {p[row].min():.6g}"
                logits = (p < 0).any() or p.max() > 1 + SUM_TOLERANCE
                hint = "these look like logits: Posteriors.from_logits(y, ...) takes those" if logits else None
                raise InputError(where, "rows of probabilities that sum to 1", got, hint)
            tables[name] = read_only(p / sums)
        sizes = {name: p.shape[1] for name, p in tables.items()}
        n_classes = sizes["p_t"]
        if set(sizes.values()) != {n_classes}:
            got = ", ".join(f"{name} with {size}" for name, size in sizes.items())
            raise InputError(f"Posteriors({', '.join(sizes)})", "one number of classes", got)
        wanted = f"integers from 0 to {n_classes - 1}"
        if y.dtype.kind not in "iub":
            raise InputError(Argument("Posteriors", "y"), wanted, f"dtype {y.dtype}")
        wrong = np.flatnonzero((y < 0) | (y >= n_classes))
        if wrong.size:
            raise InputError(Argument("Posteriors", "y"), wanted, f"{y[wrong[0]]} in row {wrong[0]}")
        object.__setattr__(self, "y", read_only(y.astype(np.int64)))
        for name, p in tables.items():
            object.__setattr__(self, name, p)
        if self.groups is not None:
            object.__setattr__(self, "groups", as_groups(Argument("Posteriors", "groups"), self.groups, self.n_samples))

    @classmethod
    def from_logits(
        cls,
        y: npt.ArrayLike,
        z_t: npt.ArrayLike,
        z_s: npt.ArrayLike,
        z_ts: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Posteriors:
        r"""From logits, :math:`p(y|t) = e^{z_y} / \sum_{y'} e^{z_{y'}}`, such as the outputs of teacher and student.

        Parameters
        ----------
        y : array of integers from 0 to n_classes - 1, shape (n_samples,)
        z_t, z_s : array of floats, shape (n_samples, n_classes)
        z_ts : array of floats, shape (n_samples, n_classes), optional
        groups : array of labels, shape (n_samples,), optional

        Raises
        ------
        InputError
            When shapes disagree, or values are not finite.
        """
        check_same_rows(
            Argument("Posteriors.from_logits", "y, z_t, z_s"), y=y, z_t=z_t, z_s=z_s, z_ts=z_ts, groups=groups
        )
        names = ("z_t", "z_s", "z_ts") if z_ts is not None else ("z_t", "z_s")
        tables = []
        for name, values in zip(names, (z_t, z_s, z_ts), strict=False):
            z = as_numbers(where := Argument("Posteriors.from_logits", name), values)
            if z.ndim != 2:
                raise InputError(where, "shape (n_samples, n_classes)", f"{z.shape}")
            p = np.exp(z - z.max(axis=1, keepdims=True))
            tables.append(p / p.sum(axis=1, keepdims=True))
        try:
            labels = as_array(Argument("Posteriors.from_logits", "y"), y)
            p_t, p_s, *p_ts = tables
            rows = None if groups is None else as_array("groups", groups)
            return cls(labels, p_t, p_s, p_ts[0] if p_ts else None, groups=rows)
        except InputError as error:
            raise error.at(of_call("Posteriors.from_logits", error.where).replace("p_", "z_")) from None

    @classmethod
    def from_topk(
        cls,
        y: npt.ArrayLike,
        top_t: tuple[npt.ArrayLike, npt.ArrayLike],
        top_s: tuple[npt.ArrayLike, npt.ArrayLike],
        top_ts: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        *,
        n_classes: int,
        n_groups: int = 100,
        groups: npt.ArrayLike | None = None,
    ) -> Posteriors:
        r"""From the k most probable of many classes, such as next tokens, as serving stacks store them.

        The other classes share :math:`1 - \sum_{j \le k} p_j` equally. Where there are more than ``n_groups`` classes,
        or labels that occur less than 10 times, classes are put into groups of what the sources confuse, by their
        posteriors alone: the sources are decomposed between groups, and within a group the better source stands for
        both, which bounds the union information from below. A label may occur once: it is answered within its group,
        and no fold needs to hold it. H(Y) is that of the labels seen, which is too low where most occur once, and Red
        with it; Uni T, Uni S and Syn do not depend on it.

        Parameters
        ----------
        y : array of integers from 0 to n_classes - 1, shape (n_samples,)
        top_t, top_s : pair (indices, logprobs) of arrays, shape (n_samples, k)
            Classes, and the natural logarithms of their probabilities among all classes.
        top_ts : pair (indices, logprobs), optional
            Without it, both together say what the log-linear pool of all classes does, p(y|t), p(y|s) and p(y) to the
            powers that fit the other half of the rows.
        n_classes : int
            All classes, listed or not.
        n_groups : int, default 100
            The most groups; more bound the union more tightly and take time by their square.
        groups : array of labels, shape (n_samples,), optional
            Rows that belong together.

        Raises
        ------
        InputError
            When shapes disagree, a class comes twice in a row, or a row sums to more than 1.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> y = rng.integers(50_000, size=500)
        >>> index = np.stack([y, (y + 1) % 50_000], axis=1)
        >>> top = index, np.log(np.full((500, 2), 0.4))
        >>> Posteriors.from_topk(y, top, top, n_classes=50_000).tail.mean()  # all labels are listed
        np.float64(0.0)
        """
        from pidkd.inputs.topk import Top, grouped

        call = "Posteriors.from_topk"
        check_whole(Argument(call, "n_classes"), n_classes, 2)
        check_whole(Argument(call, "n_groups"), n_groups, 2)
        labels = as_labels(Argument(call, "y"), y)
        if labels.dtype.kind not in "iub" or (len(wrong := np.flatnonzero((labels < 0) | (labels >= n_classes)))):
            got = f"dtype {labels.dtype}" if labels.dtype.kind not in "iub" else f"{labels[wrong[0]]} in row {wrong[0]}"
            raise InputError(Argument(call, "y"), f"integers from 0 to {n_classes - 1}", got)
        labels = labels.astype(np.int64)
        given = [("top_t", top_t), ("top_s", top_s), *([] if top_ts is None else [("top_ts", top_ts)])]
        tops = [Top.of(Argument(call, name), top, len(labels), n_classes) for name, top in given]
        rows = None if groups is None else as_groups(Argument(call, "groups"), groups, len(labels))
        of_row, tables, within, tail = grouped(tops, labels, n_classes, n_groups, rows)
        p_t, p_s, *p_ts = tables
        classes = None if within is None else labels
        return cls(of_row, p_t, p_s, p_ts[0] if p_ts else None, rows, classes, within, tail)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.y)

    def __repr__(self) -> str:
        return f"Posteriors(n_samples={self.n_samples}, n_classes={self.p_t.shape[1]})"
