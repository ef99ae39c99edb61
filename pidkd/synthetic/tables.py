"""Tables with known atoms, and random tables for tests and benchmarks.

The gates are those of the literature, each with its BROJA atoms in closed form. A random table is a draw of independent
gamma masses on a random support; ``histogram`` counts samples of a table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from math import log2
from typing import TypeAlias

import numpy as np

from pidkd.errors import InputError, Parameter, UnknownNameError, quote
from pidkd.inputs import Pmf
from pidkd.parameters import check_positive, check_whole, is_number

Outcome: TypeAlias = tuple[Hashable, Hashable, Hashable]


@dataclass(frozen=True)
class Gate:
    r"""A joint distribution :math:`p(y, t, s)` whose BROJA atoms are known in closed form.

    Parameters
    ----------
    name : str
    description : str
        How Y, T and S are made.
    pmf : Pmf
    redundant, unique_t, unique_s, synergistic : float
        The atoms, in bits.
    """

    name: str
    description: str
    pmf: Pmf
    redundant: float
    unique_t: float
    unique_s: float
    synergistic: float

    @property
    def atoms(self) -> dict[str, float]:
        """The four atoms by name, in bits."""
        return {atom: getattr(self, atom) for atom in ("redundant", "unique_t", "unique_s", "synergistic")}


def list_gates() -> list[str]:
    """Names of the gates, in alphabetic order.

    Examples
    --------
    >>> "xor" in list_gates()
    True
    """
    return sorted(_GATES)


def gate(name: str) -> Gate:
    """A gate by name; upper and lower case are one.

    Raises
    ------
    UnknownNameError
        When there is none; the message lists those there are.

    Examples
    --------
    >>> and_gate = gate("AND")
    >>> and_gate.pmf.shape, round(and_gate.redundant, 6)
    ((2, 2, 2), 0.311278)
    """
    if not isinstance(name, str) or name.lower() not in _GATES:
        raise UnknownNameError("synthetic.gate(name)", "a gate", name, list_gates())
    description, make, atoms = _GATES[name.lower()]
    return Gate(name.lower(), description, make(), *atoms)


def random_pmf(
    shape: tuple[int, int, int],
    concentration: float = 1.0,
    support: float = 1.0,
    rng: np.random.Generator | int = 0,
) -> Pmf:
    r"""Independent gamma masses, normalised: :math:`p \sim \mathrm{Dirichlet}(c, \dots, c)` on a random support.

    Parameters
    ----------
    shape : tuple of int, (n_y, n_t, n_s)
    concentration : float, default 1.0
        Shape of the gamma law; below 1 a few cells carry most of the mass.
    support : float, default 1.0
        Probability that a cell may be positive; at least one is.
    rng : Generator or int, default 0
        Source of randomness, or its seed.

    Raises
    ------
    InputError
        When a parameter is out of range.

    Examples
    --------
    >>> random_pmf((3, 4, 5), concentration=0.1, support=0.5).shape
    (3, 4, 5)
    """
    for size in shape:
        check_whole(Parameter("synthetic.random_pmf", "shape"), size, 1)
    check_positive(Parameter("synthetic.random_pmf", "concentration"), concentration)
    if not (is_number(support) and 0 < support <= 1):
        raise InputError(Parameter("synthetic.random_pmf", "support"), "a number in (0, 1]", quote(support))
    generator = np.random.default_rng(rng)
    # At small concentrations a gamma draw underflows to zero; as a sum of logarithms, Gamma(c) = Gamma(c + 1) U^(1/c).
    log_mass = (
        np.log(generator.gamma(concentration + 1.0, size=shape)) + np.log(generator.random(shape)) / concentration
    )
    log_mass[generator.random(shape) >= support] = -np.inf
    if not np.isfinite(log_mass).any():
        log_mass.flat[generator.integers(log_mass.size)] = 0.0
    return Pmf(np.exp(log_mass - log_mass.max()), normalise=True)


def histogram(pmf: Pmf, n_samples: int, rng: np.random.Generator | int = 0) -> Pmf:
    r"""The empirical table of ``n_samples`` independent draws from a table.

    Parameters
    ----------
    pmf : Pmf
    n_samples : int
    rng : Generator or int, default 0
        Source of randomness, or its seed.

    Raises
    ------
    InputError
        When ``n_samples`` is no whole number, or less than 1.

    Examples
    --------
    >>> histogram(random_pmf((2, 3, 3)), 100).n_samples
    100
    """
    check_whole(Parameter("synthetic.histogram", "n_samples"), n_samples, 1)
    counts = np.random.default_rng(rng).multinomial(n_samples, pmf.p.ravel())
    return Pmf.from_counts(counts.reshape(pmf.shape))


def _of_bits(rule: Callable[..., Outcome], first: float = 0.5) -> Callable[[], Pmf]:
    """(Y, T, S) as a function of independent bits: the first is 1 with probability ``first``, the others are fair."""

    def make() -> Pmf:
        masses: dict[Outcome, float] = {}
        n_bits = rule.__code__.co_argcount
        for bits in itertools.product((0, 1), repeat=n_bits):
            outcome = rule(*bits)
            mass = (first if bits[0] else 1 - first) * 0.5 ** (n_bits - 1)
            masses[outcome] = masses.get(outcome, 0.0) + mass
        return _table(masses)

    return make


def _of_masses(masses: Mapping[Outcome, float]) -> Callable[[], Pmf]:
    return lambda: _table(masses)


def _table(masses: Mapping[Outcome, float]) -> Pmf:
    """Outcomes in sorted order of their labels."""
    labels = [sorted({outcome[axis] for outcome in masses}) for axis in range(3)]  # type: ignore[type-var]
    p = np.zeros([len(values) for values in labels])
    for outcome, mass in masses.items():
        p[tuple(values.index(label) for values, label in zip(labels, outcome, strict=True))] += mass
    return Pmf(p)


def _copy(n: int, p_equal: float) -> Callable[[], Pmf]:
    """Y = (T, S), T uniform on n symbols, S equal to it with probability ``p_equal``, else any other symbol."""
    unequal = (1 - p_equal) / (n - 1)
    pairs = itertools.product(range(n), repeat=2)
    return _of_masses({((t, s), t, s): (p_equal if t == s else unequal) / n for t, s in pairs})


def _noisy_pair(error: float) -> dict[Outcome, float]:
    """T and S two independent looks at a fair bit Y, each wrong with probability ``error``."""
    right = (error, 1 - error)
    return {(y, t, s): right[t == y] * right[s == y] / 2 for y, t, s in itertools.product((0, 1), repeat=3)}


def _h(p: float) -> float:
    """Entropy in bits of a bit that is 1 with probability ``p``, strictly between 0 and 1."""
    return -p * log2(p) - (1 - p) * log2(1 - p)


_AND = _h(1 / 4) - 1 / 2
"""I(Y;T) of the AND gate: H(Y) less half a bit, for T = 1 leaves Y a fair bit."""
_NOISE = 0.501 * _h(0.001 / 0.501)
"""H(Y|S) of the imperfect copy: S = 1 has mass 0.501, of which 0.001 belongs to Y = 0."""
_ERROR = 0.1
_AGREE = _ERROR**2 + (1 - _ERROR) ** 2
"""Mass on which two noisy copies of a bit agree; where they do not, the bit stays fair."""

_GATES: dict[str, tuple[str, Callable[[], Pmf], tuple[float, float, float, float]]] = {
    "rdn": ("Y = T = S, a fair bit", _of_bits(lambda u: (u, u, u)), (1, 0, 0, 0)),
    "unq": ("Y = (T, S), independent bits", _of_bits(lambda u, v: ((u, v), u, v)), (0, 1, 1, 0)),
    "unq1": ("Y = T, S an independent bit", _of_bits(lambda u, v: (u, u, v)), (0, 1, 0, 0)),
    "xor": ("Y = T xor S", _of_bits(lambda u, v: (u ^ v, u, v)), (0, 0, 0, 1)),
    "and": ("Y = T and S", _of_bits(lambda u, v: (u & v, u, v)), (_AND, 0, 0, 1 / 2)),
    "or": ("Y = T or S", _of_bits(lambda u, v: (u | v, u, v)), (_AND, 0, 0, 1 / 2)),
    "sum": ("Y = T + S", _of_bits(lambda u, v: (u + v, u, v)), (1 / 2, 0, 0, 1)),
    "xorand": ("Y = (T xor S, T and S)", _of_bits(lambda u, v: ((u ^ v, u & v), u, v)), (1 / 2, 0, 0, 1)),
    "rdnxor": (
        "a shared bit and an xor: T = (r, u), S = (r, v), Y = (r, u xor v)",
        _of_bits(lambda r, u, v: ((r, u ^ v), (r, u), (r, v))),
        (1, 0, 0, 1),
    ),
    "rdnunqxor": (
        "one bit of each kind: T = (r, a, u), S = (r, b, v), Y = (r, a, b, u xor v)",
        _of_bits(lambda r, a, b, u, v: ((r, a, b, u ^ v), (r, a, u), (r, b, v))),
        (1, 1, 1, 1),
    ),
    "imperfect_rdn": (
        "Y = T, and S a copy that is wrong with probability 0.001",
        _of_masses({(0, 0, 0): 0.499, (0, 0, 1): 0.001, (1, 1, 1): 0.5}),
        (1 - _NOISE, _NOISE, 0, 0),
    ),
    "rdnerr": (
        "Y = T, and S a copy that is wrong with probability 1/4",
        _of_bits(lambda wrong, u: (u, u, u ^ wrong), first=1 / 4),
        (1 - _h(1 / 4), _h(1 / 4), 0, 0),
    ),
    "pwunq": (
        "Y is 1 or 2, and one source, at random, names it while the other is 0",
        _of_masses({(1, 0, 1): 1 / 4, (1, 1, 0): 1 / 4, (2, 0, 2): 1 / 4, (2, 2, 0): 1 / 4}),
        (1 / 2, 0, 0, 1 / 2),
    ),
    "bsc": (
        "T and S independently wrong copies of Y, each with probability 0.1",
        _of_masses(_noisy_pair(_ERROR)),
        (1 - _h(_ERROR), 0, 0, _h(_ERROR) - (1 - _AGREE) - _AGREE * _h(_ERROR**2 / _AGREE)),
    ),
    "copy": ("Y = (T, S), bits that are equal with probability 0.8", _copy(2, 0.8), (1 - _h(0.2), _h(0.2), _h(0.2), 0)),
    "copy10": (
        "Y = (T, S), ten symbols each, equal with probability 0.8",
        _copy(10, 0.8),
        (log2(10) - _h(0.2) - 0.2 * log2(9), _h(0.2) + 0.2 * log2(9), _h(0.2) + 0.2 * log2(9), 0),
    ),
    "example1": (
        "an uninformative teacher: Y = S, T an independent bit",
        _of_bits(lambda u, v: (u, v, u)),
        (0, 0, 1, 0),
    ),
    "example2_signal": (
        "a teacher with nuisance, a student of the signal: Y = U1 with P(U1 = 1) = 0.2, T = (U1, U2), S = U1",
        _of_bits(lambda u, v: (u, (u, v), u), first=0.2),
        (_h(0.2), 0, 0, 0),
    ),
    "example2_nuisance": (
        "a teacher with nuisance, a student of the nuisance: Y = U1 with P(U1 = 1) = 0.2, T = (U1, U2), S = U2",
        _of_bits(lambda u, v: (u, (u, v), v), first=0.2),
        (0, _h(0.2), 0, 0),
    ),
    "example3": ("synergy alone: Y = U1, T = U1 xor U2, S = U2", _of_bits(lambda u, v: (u, u ^ v, v)), (0, 0, 0, 1)),
}
"""Description, table and BROJA atoms (redundant, unique to T, unique to S, synergistic) in bits."""
