r"""Labels with two representations, in any dimension, whose BROJA atoms are known.

The label is made of independent components, and each source sees a component through a normal variable of its own, or
not at all. Union information and mutual information add over independent components, and each component's are one- and
two-dimensional integrals. Coordinates of noise, a rotation and an invertible warp of each source change none of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pidkd.arrays import FloatArray, IntArray
from pidkd.errors import InputError, Parameter, UnknownNameError, quote
from pidkd.estimators.solvers.union.two_classes import Hull
from pidkd.info import information
from pidkd.inputs import Activations, Posteriors
from pidkd.parameters import check_whole
from pidkd.result import Information

REACH = 8.0
"""Standard deviations on either side of the means that an integral covers."""
STEPS = 10
"""Points of an integral in a standard deviation; the integrand is so smooth that twice as many change nothing."""
STEPS_ROC = 200
"""Points of an ROC curve in a standard deviation; where curves cross, the error falls by the square of this."""


@dataclass(frozen=True)
class Look:
    r"""Distribution of a source's view of a component with value k: :math:`N(\mathrm{means}_k, \mathrm{sds}_k^2)`.

    Parameters
    ----------
    means, sds : tuple of float
        One for each value; deviations above 0.

    Raises
    ------
    InputError
        When they are not.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.means or len(self.means) != len(self.sds) or not all(sd > 0 for sd in self.sds):
            raise InputError("Look(means, sds)", "as many of each, deviations above 0", f"{self.means}, {self.sds}")

    def table(self, steps: int) -> FloatArray:
        """Joint masses of the value, which is uniform, and the points of a grid, shape (n_values, n_points)."""
        means, sds = np.array(self.means)[:, None], np.array(self.sds)[:, None]
        width = REACH * sds.max()
        low, high = means.min() - width, means.max() + width
        x = np.linspace(low, high, math.ceil((high - low) / sds.min() * steps))
        density = np.exp(-(((x - means) / sds) ** 2) / 2) / sds
        masses: FloatArray = density / density.sum(axis=1, keepdims=True) / len(means)
        return masses

    def log_density(self, x: FloatArray) -> FloatArray:
        """Log density of x, shape (n, 1), given each value, up to one constant, shape (n, n_values)."""
        means, sds = np.array(self.means), np.array(self.sds)
        logs: FloatArray = -(((x - means) / sds) ** 2) / 2 - np.log(sds)
        return logs


def shift(m: float) -> Look:
    """Of two values: a normal variable of variance 1 around -m or around m."""
    return Look((-m, m), (1.0, 1.0))


def scale(sd: float) -> Look:
    """Of two values: a normal variable around 0 with standard deviation 1 or ``sd``."""
    return Look((0.0, 0.0), (1.0, sd))


def levels(n: int, sd: float) -> Look:
    """Of n values: a normal variable with this standard deviation around n levels that are 1 apart."""
    return Look(tuple(k - (n - 1) / 2 for k in range(n)), (sd,) * n)


@dataclass(frozen=True)
class Component:
    """A part of the label, uniform on its values, and what each source sees of it.

    Parameters
    ----------
    t, s : Look, optional
        None where a source sees nothing of it.
    chained : bool
        What the noisier source sees is what the other sees, with more noise; otherwise the two are independent given
        the value.

    Raises
    ------
    InputError
        When the looks do not fit each other, or the union information is not known: for more than two values, both
        looks must have the same means and each one standard deviation.
    """

    t: Look | None = None
    s: Look | None = None
    chained: bool = False

    def __post_init__(self) -> None:
        looks = self.looks
        if not looks or len({len(look.means) for look in looks}) > 1:
            raise InputError(
                "Component(t, s)", "at least one look, and looks at the same values", quote((self.t, self.s))
            )
        if (self.chained or self.n_values > 2) and len(looks) == 2 and not self._ordered:
            raise InputError(
                "Component(t, s)",
                "looks with the same means, each with one standard deviation, if chained or of more than two values",
                quote((self.t, self.s)),
            )

    @property
    def looks(self) -> list[Look]:
        """Views of both sources that are not None."""
        return [look for look in (self.t, self.s) if look is not None]

    @property
    def n_values(self) -> int:
        """Number of values."""
        return len(self.looks[0].means)

    @property
    def _ordered(self) -> bool:
        """Whether the noisier source is certainly a garbling of the other."""
        return len({look.means for look in self.looks}) == 1 and all(len(set(look.sds)) == 1 for look in self.looks)

    @cached_property
    def information(self) -> Information:
        """I(Y;T), I(Y;S) and I(Y;T,S) of this component, in nats."""
        t, s = (
            np.full((self.n_values, 1), 1 / self.n_values) if look is None else look.table(STEPS)
            for look in (self.t, self.s)
        )
        both = information(self.n_values * t[:, :, None] * s[:, None, :])  # independent given the value
        return both._replace(both=max(both.t, both.s)) if self.chained else both

    @cached_property
    def union(self) -> float:
        r""":math:`I_\cup(Y:T,S)` of this component, in nats: the least I(Y;T,S) with these p(y,t), p(y,s)."""
        if self.t is None or self.s is None or self._ordered:
            return max(self.information.t, self.information.s)
        return Hull.of((self.t.table(STEPS_ROC), self.s.table(STEPS_ROC))).information

    def draw(self, values: np.ndarray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Samples of T and S given these values, shapes (n_samples, 1), or (n_samples, 0) without a view."""
        noise = rng.normal(size=(2, len(values)))
        if self.chained and self.t is not None and self.s is not None:
            # In units of deviations: the noise of the noisier one is the other's, scaled down, and some of its own.
            sds = np.array([self.t.sds[0], self.s.sds[0]])
            noisier = int(sds.argmax())
            share = float(sds.min() / sds.max())
            noise[noisier] = share * noise[1 - noisier] + math.sqrt(1 - share**2) * noise[noisier]
        nothing = np.zeros((len(values), 0))
        t, s = (
            nothing if look is None else (np.array(look.means)[values] + np.array(look.sds)[values] * own)[:, None]
            for look, own in zip((self.t, self.s), noise, strict=True)
        )
        return t, s

    def posteriors(self, t: FloatArray, s: FloatArray) -> tuple[FloatArray, ...]:
        """Probabilities of the values given T, given S and given both, shape (n, n_values) each."""
        logs = [
            np.zeros((len(x), self.n_values)) if look is None else look.log_density(x)
            for look, x in ((self.t, t), (self.s, s))
        ]
        if self.chained and self.t is not None and self.s is not None:
            logs.append(logs[0] if self.t.sds[0] <= self.s.sds[0] else logs[1])
        else:
            logs.append(logs[0] + logs[1])
        masses = [np.exp(log - log.max(axis=1, keepdims=True)) for log in logs]
        return tuple(p / p.sum(axis=1, keepdims=True) for p in masses)


@dataclass(frozen=True)
class Problem:
    r"""Labels Y and representations T and S with known atoms, :math:`I_\cup = \sum_i I_\cup(B_i:T_i,S_i)`.

    Each source is what it sees of the components, filled up with standard normal noise to ``d`` coordinates, rotated
    at random (the rotation belongs to the problem) and warped by :math:`x \mapsto \operatorname{arcsinh} x + 0.2 x`.

    Parameters
    ----------
    name, description : str
    components : sequence of Component
        The label numbers their values, the first slowest.
    d : int
        Coordinates of each source.
    warped : bool

    Raises
    ------
    InputError
        When ``d`` is less than the components that a source sees.

    Examples
    --------
    Two bits, one seen by each source:

    >>> both = Problem("two bits", "", [Component(t=shift(1.2)), Component(s=shift(0.8))], d=5)
    >>> {name: round(value, 3) for name, value in both.atoms.items()}
    {'redundant': 0.0, 'unique_t': 0.422, 'unique_s': 0.244, 'synergistic': 0.0}
    """

    name: str
    description: str
    components: Sequence[Component]
    d: int = 10
    warped: bool = True

    known_by = (
        "integrals of each component, which add up: of two values by the concave hull of the ROC curves, "
        "of more because one source is a garbling of the other"
    )

    def __post_init__(self) -> None:
        seen = max(sum(c.t is not None for c in self.components), sum(c.s is not None for c in self.components))
        if self.d < seen:
            raise InputError(
                Parameter("synthetic.Problem", "d"), f"at least {seen}, one for each component seen", quote(self.d)
            )

    @property
    def n_classes(self) -> int:
        """Number of labels."""
        return math.prod(component.n_values for component in self.components)

    @property
    def entropy(self) -> float:
        """H(Y) in nats; the labels are uniform."""
        return math.log(self.n_classes)

    @property
    def information(self) -> Information:
        """I(Y;T), I(Y;S) and I(Y;T,S), in nats."""
        return Information(*np.sum([component.information for component in self.components], axis=0).tolist())

    @property
    def union(self) -> float:
        r""":math:`I_\cup(Y:T,S)`, in nats."""
        return sum(component.union for component in self.components)

    @property
    def atoms(self) -> dict[str, float]:
        """The four atoms by name, in nats."""
        (t, s, both), union = self.information, self.union
        return {"redundant": t + s - union, "unique_t": union - s, "unique_s": union - t, "synergistic": both - union}

    def sample(self, n: int, seed: int | np.random.Generator = 0) -> Activations:
        """Independent samples.

        Raises
        ------
        InputError
            When ``n`` is no whole number, or less than 1.
        """
        check_whole(Parameter("synthetic.Problem.sample", "n"), n, 1)
        rng = np.random.default_rng(seed)
        y, seen = self._draw(n, rng)
        t, s = (
            self._represented(np.hstack(columns), which, rng) for which, columns in enumerate(zip(*seen, strict=True))
        )
        return Activations(y, t, s)

    def posteriors(self, n: int, seed: int | np.random.Generator = 0) -> Posteriors:
        r"""Labels of independent samples with the exact :math:`p(y|t)`, :math:`p(y|s)` and :math:`p(y|t,s)`.

        The samples are those of ``sample`` with the same seed.

        Raises
        ------
        InputError
            When ``n`` is no whole number, or less than 1.

        Examples
        --------
        >>> problem("k4-unique").posteriors(100)
        Posteriors(n_samples=100, n_classes=4)
        """
        check_whole(Parameter("synthetic.Problem.posteriors", "n"), n, 1)
        y, seen = self._draw(n, np.random.default_rng(seed))
        tables = [np.ones((n, 1))] * 3
        for component, (t, s) in zip(self.components, seen, strict=True):
            factors = component.posteriors(t, s)
            tables = [(p[:, :, None] * q[:, None, :]).reshape(n, -1) for p, q in zip(tables, factors, strict=True)]
        p_t, p_s, p_ts = tables
        return Posteriors(y, p_t, p_s, p_ts)

    def _draw(self, n: int, rng: np.random.Generator) -> tuple[IntArray, list[tuple[FloatArray, FloatArray]]]:
        """Labels, and what each source sees of each component."""
        sizes = tuple(component.n_values for component in self.components)
        values = [rng.integers(size, size=n) for size in sizes]
        seen = [component.draw(value, rng) for component, value in zip(self.components, values, strict=True)]
        return np.ravel_multi_index(values, sizes), seen

    def _represented(self, seen: FloatArray, which: int, rng: np.random.Generator) -> FloatArray:
        filled = np.hstack([seen, rng.normal(size=(len(seen), self.d - seen.shape[1]))])
        rotation = np.linalg.qr(np.random.default_rng(which).normal(size=(self.d, self.d)))[0]
        x: FloatArray = filled @ rotation
        return np.arcsinh(x) + 0.2 * x if self.warped else x


def list_problems() -> list[str]:
    """Names of the problems, in alphabetic order.

    Examples
    --------
    >>> list_problems()
    ['bin-cross', 'k100-levels', 'k4-null', 'k4-unique', 'k8-copy', 'k8-mixed']
    """
    return sorted(_PROBLEMS)


def problem(name: str, d: int = 10) -> Problem:
    """A problem by name, with sources of ``d`` coordinates.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.

    Examples
    --------
    >>> crossing = problem("bin-cross", d=512)
    >>> round(crossing.union, 4), round(crossing.atoms["redundant"], 4)
    (0.2333, 0.1513)
    >>> crossing.sample(100).t.shape
    (100, 512)
    """
    if not isinstance(name, str) or name not in _PROBLEMS:
        raise UnknownNameError("synthetic.problem(name)", "a problem", name, list_problems())
    description, components = _PROBLEMS[name]
    return Problem(name, description, components(), d)


_PROBLEMS: dict[str, tuple[str, Callable[[], tuple[Component, ...]]]] = {
    "bin-cross": (
        "one bit, which moves T and widens S: the ROC curves cross",
        lambda: (Component(shift(0.7), scale(3.0)),),
    ),
    "k4-unique": (
        "two bits, one seen by each source: nothing redundant",
        lambda: (Component(t=shift(1.2)), Component(s=shift(0.8))),
    ),
    "k8-mixed": (
        "one bit seen by each source, and one seen by both",
        lambda: (Component(t=shift(1.2)), Component(s=shift(0.8)), Component(shift(1.5), shift(0.9))),
    ),
    "k8-copy": (
        "eight classes, seen almost without error, and S a copy of T with a little noise: all is redundant",
        lambda: (Component(levels(8, 0.2), levels(8, 0.21), chained=True),),
    ),
    "k100-levels": (
        "ten levels that T sees well and S badly, times ten that S sees well and T badly",
        lambda: (Component(levels(10, 0.4), levels(10, 0.8)), Component(levels(10, 0.8), levels(10, 0.4))),
    ),
    "k4-null": (
        "two bits that no source sees: every atom is zero",
        lambda: (Component(shift(0.0), shift(0.0)), Component(shift(0.0), shift(0.0))),
    ),
}
"""Description and components."""
