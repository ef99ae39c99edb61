"""The verbs: decompose one data set, or many tables at once."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from pidkd.arrays import as_array, check_same_rows
from pidkd.batch import PIDBatch
from pidkd.conditional import decompose_given
from pidkd.errors import (
    Argument,
    IncompatibleInputError,
    InputError,
    Keyword,
    SmallSampleWarning,
    UnknownNameError,
    quote,
)
from pidkd.estimator import Context, choices
from pidkd.groups import joined, repeats, told
from pidkd.inputs import Activations, Gaussian, Input, Pmf, Posteriors, as_input
from pidkd.inputs.activations import Target
from pidkd.label_means import as_by, check_order, decompose_by
from pidkd.pid import PIDEstimator
from pidkd.registry import get_estimator
from pidkd.result import PIDResult, Units
from pidkd.uncertainty import Method, quantify

AUTO = {"Pmf": "broja", "Codes": "broja", "Gaussian": "gaussian", "Posteriors": "posterior", "Activations": "posterior"}
"""The estimator that ``estimator="auto"`` means, by kind of input."""


def decompose(
    y: Any,
    t: Any = None,
    s: Any = None,
    *more: Any,
    estimator: str | PIDEstimator = "auto",
    units: Units = "bits",
    seed: int = 0,
    device: str = "cpu",
    keep: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
    uncertainty: Method | Sequence[Method] | None = None,
    groups: Any = None,
    target: Target = "auto",
    given: Any = None,
    by: Any = None,
    **params: Any,
) -> PIDResult:
    r"""Split :math:`I(Y;T,S) = \mathrm{Red} + \mathrm{Uni}_T + \mathrm{Uni}_S + \mathrm{Syn}`.

    Parameters
    ----------
    y, t, s : arrays, shape (n_samples,) of codes, or (n_samples, d) of floats for t and s
        Target, teacher and student. T and S choose the kind: both integer, bool or string give ``Codes``, both float
        give ``Activations``. Instead of three arrays, one ``Pmf``, ``Codes``, ``Activations``, ``Gaussian``,
        ``Posteriors`` or ``dit.Distribution`` goes in alone.
    estimator : str or PIDEstimator, default "auto"
        A name of ``list_estimators()``, or an estimator with its parameters. "auto" is ``broja`` for tables and codes,
        ``posterior`` for activations with labels and for posteriors, ``gaussian`` for covariances.
    units : {"bits", "nats"}
    seed : int, default 0
    device : {"cpu", "cuda", "auto"}
        "cuda" is for batches and ``uncertainty``, with estimators that know it; "auto" takes it where it is there.
    keep : sequence of {"plan", "potentials", "local"}
        What the result shall carry besides the atoms; what the estimator does not have is refused.
    progress : callable, optional
        Called with the fraction done.
    uncertainty : Bootstrap, Jackknife, Permutation or a list of them, optional
        How far sampling may have moved the atoms: fills ``interval``, ``se``, ``null`` and ``bias`` of the result. Only
        for samples and counts; an exact table has no sampling.
    groups : array of labels, shape (n_samples,), optional
        Rows that belong together, such as views of one image or tokens of one sentence. Only groups are independent:
        they are drawn, shuffled and left out as a whole, stay in one fold, and errors count them. Rows of activations
        that repeat others exactly are such groups without being asked, and a warning says so.
    target : {"auto", "discrete", "continuous"}
        What y is. "auto" goes by its type: integers, bools and strings are labels, floats are continuous, and floats
        that hold whole numbers only are refused.
    given : array of labels, shape (n_samples,), optional
        A discrete variable Z to condition on, such as the domain or the data set of each row: the result is
        :math:`\sum_z p(z)\, \mathrm{PID}(Y;T,S|Z=z)`, and its certificate the mean of theirs.
    by : array of labels, shape (n_samples,), optional
        Fills ``result.by``: the atoms of the samples of each label, such as class or domain, as means of local atoms
        with standard errors and intervals. They add up to the atoms. Of codes the errors come from 100 samples drawn
        again.
    **params
        Parameters of the estimator.

    Returns
    -------
    PIDResult

    Raises
    ------
    InputError
        When data or options cannot be used.
    SolverError
        When there is no finite feasible answer.

    Examples
    --------
    >>> import pidkd
    >>> y, t, s = [0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100  # an AND gate, each row seen 100 times
    >>> result = pidkd.decompose(y, t, s)
    >>> print(f"{result.redundant:.6f} {result.synergistic:.6f} {result.certificate.status}")
    0.311278 0.500000 optimal
    """
    if more:
        hint = (
            "contributions(y, sources) says what each adds, union_information what they know together, "
            "and decompose_lattice has an atom for every antichain"
        )
        raise InputError("decompose(y, t, s)", "two sources", f"{2 + len(more)}", hint)
    if t is not None:  # rows of arrays may have names, those of one object have none
        check_order("decompose", by, y=y, t=t, s=s)
        check_same_rows(Argument("decompose", "y, t, s"), y=y, t=t, s=s, given=given)
    data = as_input(*(value for value in (y, t, s) if value is not None), groups=groups, target=target)
    chosen = PIDEstimator.from_name("decompose", estimator, params, lambda: _automatic("decompose", data))
    ctx = Context.of_call("decompose", seed, device, keep, progress)
    labels = None if by is None else as_by("decompose", by, data)
    if labels is not None and given is not None:
        raise InputError(Keyword("decompose", "by"), "None beside given", "both", "decompose each label of given")
    data, notes = _with_repeats(data)
    for note in notes:
        warnings.warn(note, SmallSampleWarning, stacklevel=2)
    if given is not None and uncertainty is not None:
        raise InputError(Keyword("decompose", "uncertainty"), "None beside given", quote(uncertainty))
    if given is not None:
        result = decompose_given(chosen, data, given, units, ctx)
    elif labels is not None:
        result = decompose_by(chosen, data, labels, uncertainty, units, ctx, "local" in keep)
    elif uncertainty is not None:
        result = quantify(chosen, data, uncertainty, units, ctx)
    else:
        result = chosen.decompose(data, units, ctx)
    return dataclasses.replace(result, warnings=(*notes, *result.warnings)) if notes else result


def _with_repeats(data: Input) -> tuple[Input, list[str]]:
    """Samples whose exact repeats are in one group, and what to tell of them."""
    sources = {Activations: ("t", "s"), Posteriors: ("p_t", "p_s")}.get(type(data))
    if sources is None or not isinstance(data, Activations | Posteriors):
        return data, []
    repeated = repeats(*(getattr(data, name) for name in sources))
    groups = joined(data.groups, repeated)
    if repeated is None or groups is None or (data.groups is not None and groups.max() == data.groups.max()):
        return data, []
    return dataclasses.replace(data, groups=groups), [f"decompose: {told(repeated)}"]


def decompose_batch(
    data: npt.ArrayLike | Sequence[Input],
    *,
    dims: tuple[int, int, int] | None = None,
    estimator: str | PIDEstimator = "auto",
    units: Units = "bits",
    seed: int = 0,
    device: str = "cpu",
    keep: Sequence[str] = (),
    progress: Callable[[float], None] | None = None,
    **params: Any,
) -> PIDBatch:
    r"""Decompose many tables at once; a member that cannot be certified says so and stops no other.

    Parameters
    ----------
    data : array, shape (n_batch, n_y, n_t, n_s) or (n_batch, d, d), or sequence of inputs of one kind
        Joint probabilities :math:`p_b(y, t, s)`, or with ``dims`` covariances, or inputs as for ``decompose``.
    dims : tuple of int, (d_y, d_t, d_s), optional
        Given, ``data`` are covariances of jointly Gaussian variables in this order, and d the sum of ``dims``.
    estimator, units, seed, device, keep, progress, **params
        As for ``decompose``.

    Returns
    -------
    PIDBatch

    Raises
    ------
    InputError
        When data or options cannot be used; the message names the member.

    Examples
    --------
    >>> import numpy as np
    >>> import pidkd
    >>> tables = np.random.default_rng(0).dirichlet(np.ones(8), size=3).reshape(3, 2, 2, 2)
    >>> batch = pidkd.decompose_batch(tables)
    >>> len(batch), bool((batch.gap <= 1e-9).all())
    (3, True)
    """
    inputs: Sequence[Input] = _members(data) if dims is None else _gaussian_members(data, dims)
    kinds = {type(item).__name__ for item in inputs}
    if len(kinds) != 1:
        got = " and ".join(sorted(kinds)) or "none"
        raise InputError("decompose_batch(data)", "inputs of one kind, at least one", got)
    call = "decompose_batch"
    chosen = PIDEstimator.from_name(call, estimator, params, lambda: _automatic(call, inputs[0]))
    return chosen.decompose_batch(inputs, units, Context.of_call(call, seed, device, keep, progress))


def _members(data: Any) -> list[Input]:
    where = "decompose_batch(data)"
    if isinstance(data, Sequence) and all(isinstance(item, Input) for item in data):
        return list(data)
    array = as_array(where, data)
    if array.ndim != 4:
        hint = None
        if array.ndim == 3:
            hint = "one table goes in by decompose(pidkd.Pmf(p)), and covariances with dims=(d_y, d_t, d_s)"
        raise InputError(where, "shape (n_batch, n_y, n_t, n_s) or a list of inputs", f"shape {array.shape}", hint)
    members: list[Input] = []
    for index, table in enumerate(array):
        try:
            members.append(Pmf(table))
        except InputError as error:
            raise error.at(f"{where}[{index}]") from None
    return members


def _gaussian_members(data: Any, dims: tuple[int, int, int]) -> list[Gaussian]:
    where = "decompose_batch(data, dims)"
    try:
        return Gaussian.stack(as_array(where, data), dims)
    except InputError as error:
        member = error.where.partition("covs")[2]
        raise error.at(f"decompose_batch(data){member}" if member else where) from None


def _automatic(call: str, data: Input) -> type[PIDEstimator]:
    continuous = isinstance(data, Activations) and not data.discrete_target
    if not continuous:
        with contextlib.suppress(UnknownNameError):
            cls: type[PIDEstimator] = get_estimator(AUTO[type(data).__name__])
            return cls
    kind = type(data).__name__ + (" with a continuous target" if continuous else "")
    where = Keyword(call, "estimator")
    raise IncompatibleInputError(where, f"the name of an estimator for {kind}", "'auto'", choices(data))
