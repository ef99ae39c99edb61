r"""Pairs of continuous variables of which the mutual information is known, in nats.

The tasks are those of Czyż et al. 2023, written from their definitions, and the staircase of Song and Ermon 2020.
Invertible maps of either variable (``normal_cdf``, ``spiral``, ``swissroll``) leave the information as it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pidkd.arrays import FloatArray
from pidkd.errors import InputError, Parameter, UnknownNameError, quote
from pidkd.parameters import check_positive, check_whole, is_number

Draw: TypeAlias = Callable[[int, np.random.Generator], tuple[FloatArray, FloatArray]]
Map: TypeAlias = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Task:
    """Two variables X and Y with known I(X;Y).

    Parameters
    ----------
    name : str
    mi : float
        I(X;Y) in nats.
    known_by : str
        How it is known.
    draw : callable
        Independent samples, arrays of shape (n_samples, d_x) and (n_samples, d_y), from their number and a generator.

    References
    ----------
    czyz2023
    """

    name: str
    mi: float
    known_by: str
    draw: Draw = dataclasses.field(repr=False)

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> tuple[FloatArray, FloatArray]:
        """X and Y of independent samples, shapes (n, d_x) and (n, d_y).

        Raises
        ------
        InputError
            When ``n`` is no whole number, or less than 1.
        """
        check_whole(Parameter("synthetic.Task.sample", "n"), n, 1)
        return self.draw(n, np.random.default_rng(seed))


def sparse_normal(d_x: int, d_y: int, rho: float = 0.8, n_pairs: int = 2) -> Task:
    r"""Normal variables, ``n_pairs`` of coordinates correlated: :math:`I = -\tfrac{n}{2} \log(1 - \rho^2)`.

    Examples
    --------
    >>> round(sparse_normal(5, 5).mi, 3)
    1.022
    """
    _check_whole("sparse_normal", 1, d_x=d_x, d_y=d_y, n_pairs=n_pairs)
    if not n_pairs <= min(d_x, d_y):
        raise InputError(
            Parameter("synthetic.sparse_normal", "n_pairs"), f"at most {min(d_x, d_y)}, the dimensions", f"{n_pairs}"
        )
    _check_correlation("sparse_normal", rho)

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        x, y = rng.normal(size=(n, d_x)), rng.normal(size=(n, d_y))
        y[:, :n_pairs] = rho * x[:, :n_pairs] + math.sqrt(1 - rho**2) * y[:, :n_pairs]
        return x, y

    mi = -n_pairs / 2 * math.log(1 - rho**2)
    return Task(f"multinormal-sparse-{d_x}-{d_y}", mi, "canonical correlations", draw)


def dense_normal(d_x: int, d_y: int, rho: float = 0.5) -> Task:
    r"""Normal variables, every two coordinates with the correlation :math:`\rho`.

    One canonical correlation is not zero, with :math:`r^2 = d_x d_y \rho^2 / ((1 + (d_x - 1)\rho)(1 + (d_y - 1)\rho))`.

    Examples
    --------
    >>> round(dense_normal(25, 25).mi, 3)
    1.292
    """
    _check_whole("dense_normal", 1, d_x=d_x, d_y=d_y)
    _check_correlation("dense_normal", rho, low=0.0)

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        values = math.sqrt(rho) * rng.normal(size=(n, 1)) + math.sqrt(1 - rho) * rng.normal(size=(n, d_x + d_y))
        return values[:, :d_x], values[:, d_x:]

    squared = d_x * d_y * rho**2 / ((1 + (d_x - 1) * rho) * (1 + (d_y - 1) * rho))
    return Task(f"multinormal-dense-{d_x}-{d_y}", -math.log(1 - squared) / 2, "canonical correlations", draw)


def student(d_x: int, d_y: int, df: int) -> Task:
    r"""Student's t with ``df`` degrees of freedom, coordinates uncorrelated: they share their radius alone.

    :math:`I = f(\nu) + f(\nu + d_x + d_y) - f(\nu + d_x) - f(\nu + d_y)` with
    :math:`f(x) = \log\Gamma(x/2) - \tfrac{x}{2}\psi(x/2)`.

    Examples
    --------
    >>> round(student(5, 5, df=2).mi, 3)
    0.448
    """
    from scipy.special import digamma, gammaln

    _check_whole("student", 1, d_x=d_x, d_y=d_y, df=df)

    def f(x: int) -> float:
        return float(gammaln(x / 2) - x / 2 * digamma(x / 2))

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        values = rng.normal(size=(n, d_x + d_y)) * np.sqrt(df / rng.chisquare(df, size=(n, 1)))
        return values[:, :d_x], values[:, d_x:]

    mi = f(df) + f(df + d_x + d_y) - f(df + d_x) - f(df + d_y)
    return Task(f"student-{d_x}-{d_y}-{df}", mi, "differential entropies in closed form", draw)


def additive_uniform(epsilon: float) -> Task:
    r"""X uniform on (0, 1) and Y = X + N, N uniform on (-ε, ε): :math:`I = \epsilon - \log 2\epsilon` up to one half.

    Beyond one half it is :math:`1 / 4\epsilon`.

    Examples
    --------
    >>> round(additive_uniform(0.1).mi, 3)
    1.709
    """
    check_positive(Parameter("synthetic.additive_uniform", "epsilon"), epsilon)

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        x = rng.random((n, 1))
        return x, x + rng.uniform(-epsilon, epsilon, size=(n, 1))

    mi = epsilon - math.log(2 * epsilon) if epsilon <= 0.5 else 1 / (4 * epsilon)
    return Task(f"1v1-additive-{epsilon:g}", mi, "differential entropies in closed form", draw)


def normal_cdf(of: Task) -> Task:
    r"""Every coordinate through :math:`\Phi`, the normal distribution function."""
    from scipy.special import ndtr

    return _mapped(of, f"normal_cdf-{of.name}", ndtr, ndtr)


def spiral(of: Task) -> Task:
    r"""X and Y turned, in a plane each, by the angle :math:`\lVert x \rVert^2 / d_x` (and so for y).

    X turns in the plane of its first two coordinates, Y, of at least three, in that of its second and third.
    """
    expected = "X of at least 2 coordinates and Y of at least 3"
    _check_coordinates("spiral", of, expected, lambda d_x, d_y: d_x >= 2 and d_y >= 3)
    return _mapped(of, f"spiral-{of.name}", lambda x: _turned(x, 0), lambda y: _turned(y, 1))


def swissroll(of: Task) -> Task:
    """X, a number in (0, 1), rolled up in the plane."""
    _check_coordinates("swissroll", of, "X of 1 coordinate", lambda d_x, _: d_x == 1)

    def rolled(x: FloatArray) -> FloatArray:
        angle = 1.5 * math.pi * (1 + 2 * x)
        return np.hstack([angle * np.cos(angle), angle * np.sin(angle)]) / 21

    return _mapped(of, f"swissroll-{of.name}", rolled, lambda y: y)


def staircase(d: int = 20, values: Sequence[float] = (2, 4, 6, 8, 10), cubic: bool = False) -> tuple[Task, ...]:
    r"""Normal X and Y of d coordinates each, every pair with one correlation, by growing information in nats.

    Parameters
    ----------
    d : int
    values : sequence of float
        I(X;Y) of each step, in nats.
    cubic : bool
        Whether Y is then raised to the third power.

    References
    ----------
    song2020

    Examples
    --------
    >>> [step.mi for step in staircase()]
    [2, 4, 6, 8, 10]
    """
    _check_whole("staircase", 1, d=d)
    steps = []
    for mi in values:
        check_positive(Parameter("synthetic.staircase", "values"), mi, "information in nats")
        pairs = sparse_normal(d, d, rho=math.sqrt(-math.expm1(-2 * mi / d)), n_pairs=d)
        step = _mapped(pairs, "", lambda x: x, lambda y: y**3) if cubic else pairs
        steps.append(dataclasses.replace(step, name=f"staircase-{d}-{mi:g}" + "-cubic" * cubic, mi=mi))
    return tuple(steps)


def list_tasks() -> list[str]:
    """Names of the tasks, in alphabetic order.

    Examples
    --------
    >>> len(list_tasks())
    8
    """
    return sorted(_TASKS)


def task(name: str) -> Task:
    """A task by name.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.

    Examples
    --------
    >>> normal = task("1v1-normal-0.75")
    >>> x, y = normal.sample(1_000)
    >>> x.shape, round(normal.mi, 3)
    ((1000, 1), 0.413)
    """
    if not isinstance(name, str) or name not in _TASKS:
        raise UnknownNameError("synthetic.task(name)", "a task", name, list_tasks())
    return dataclasses.replace(_TASKS[name](), name=name)


def _check_whole(function: str, least: int, **values: int) -> None:
    for name, value in values.items():
        check_whole(Parameter(f"synthetic.{function}", name), value, least)


def _check_coordinates(function: str, of: Task, expected: str, fits: Callable[[int, int], bool]) -> None:
    d_x, d_y = (part.shape[1] for part in of.sample(1))
    if not fits(d_x, d_y):
        raise InputError(f"synthetic.{function}(of)", expected, f"X of {d_x} and Y of {d_y}")


def _check_correlation(function: str, rho: float, low: float = -1.0) -> None:
    if not (is_number(rho) and low <= rho < 1) or rho == -1:
        raise InputError(
            Parameter(f"synthetic.{function}", "rho"), f"a correlation from {low:g} to less than 1", quote(rho)
        )


def _mapped(of: Task, name: str, of_x: Map, of_y: Map) -> Task:
    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        x, y = of.draw(n, rng)
        return of_x(x), of_y(y)

    return Task(name, of.mi, f"{of.known_by}; invertible maps change nothing", draw)


def _turned(x: FloatArray, first: int) -> FloatArray:
    angle = (x**2).mean(axis=1)
    one, other = x[:, first], x[:, first + 1]
    turned = x.copy()
    turned[:, first] = np.cos(angle) * one - np.sin(angle) * other
    turned[:, first + 1] = np.sin(angle) * one + np.cos(angle) * other
    return turned


_TASKS: dict[str, Callable[[], Task]] = {
    "1v1-normal-0.75": lambda: sparse_normal(1, 1, rho=0.75, n_pairs=1),
    "1v1-additive-0.1": lambda: additive_uniform(0.1),
    "student-5-5-2": lambda: student(5, 5, df=2),
    "multinormal-dense-25-25": lambda: dense_normal(25, 25),
    "multinormal-sparse-5-5": lambda: sparse_normal(5, 5),
    "spiral-sparse-5-5": lambda: spiral(sparse_normal(5, 5)),
    "normal_cdf-sparse-25-25": lambda: normal_cdf(sparse_normal(25, 25)),
    "swissroll-1v1": lambda: swissroll(normal_cdf(sparse_normal(1, 1, rho=0.75, n_pairs=1))),
}
