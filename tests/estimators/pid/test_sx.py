"""Shared exclusions: exact logarithms of fractions, laws of the signed parts, gradients, and dit."""

from fractions import Fraction
from itertools import product
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pidkd import Pmf, decompose
from pidkd.antichains import lattice, members
from pidkd.estimators.solvers.redundancy.shared_exclusions import shared_exclusions, sx_atoms
from pidkd.synthetic import gate, list_gates, random_pmf

ROUNDING = 1e-12
L43, L32, L89 = log2(4 / 3), log2(3 / 2), log2(8 / 9)

BY_HAND = {
    "xor": (-L32, L32, L32, L43),
    "rdn": (1, 0, 0, 0),
    "unq1": (L43, 1 - L43, -L43, L43),
    "unq": (L43, 1 - L43, 1 - L43, L43),
    "and": (
        (L43 + L89) / 2,
        *2 * (gate("and").redundant - (L43 + L89) / 2,),
        1 / 2 - gate("and").redundant + (L43 + L89) / 2,
    ),
}
"""Of two sources, from the definition: what the events T = t or S = s leave of Y."""

RULES = {
    "parity": lambda a, b, c: a ^ b ^ c,
    "and": lambda a, b, c: a & b & c,
    "sum": lambda a, b, c: a + b + c,
    "copies": lambda a, b, c: (a, b, c),
    "xor_and_third": lambda a, b, c: (a ^ b, c),
    "majority": lambda a, b, c: int(a + b + c > 1),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_two_sources_by_hand(name: str) -> None:
    result = decompose(gate(name).pmf, estimator="sx")
    assert list(result.atoms.values()) == pytest.approx(BY_HAND[name], abs=ROUNDING)
    assert result.certificate.status == "exact"


def test_pointwise_values_of_the_and_gate() -> None:
    y, t, s = ([0, 0, 0, 1] * 100, [0, 0, 1, 1] * 100, [0, 1, 0, 1] * 100)
    local = decompose(y, t, s, estimator="sx", keep=("local",)).local
    assert local["redundant"] == pytest.approx([L43, L89, L89, L43] * 100, abs=ROUNDING)


def test_three_bits_and_their_parity() -> None:
    """Realisations of one parity agree in at least one bit, so that the event rules out nothing of the target's own."""
    parts = shared_exclusions(table_of(RULES["parity"]))
    assert (parts.informative - parts.misinformative)[0] / np.log(2) == pytest.approx(np.full(8, log2(8 / 7)))


@pytest.mark.parametrize("name", RULES)
def test_three_sources_are_logarithms_of_exact_fractions(name: str) -> None:
    compare_with_fractions(masses_of_rule(RULES[name]))


@pytest.mark.parametrize("name", list_gates())
def test_gates_are_logarithms_of_exact_fractions(name: str) -> None:
    p = gate(name).pmf.p
    compare_with_fractions({tuple(cell): Fraction(float(p[tuple(cell)])) for cell in np.argwhere(p > 0).tolist()})


def compare_with_fractions(masses: dict[tuple[int, ...], Fraction]) -> None:
    """Against the definition, event by event, in exact fractions."""
    p = np.zeros(np.max(list(masses), axis=0) + 1)
    for cell, mass in masses.items():
        p[cell] = mass
    parts = shared_exclusions(p)
    assert list(zip(*(index.tolist() for index in parts.cells), strict=True)) == sorted(masses)
    total = sum(masses.values())
    for i, antichain in enumerate(lattice(p.ndim - 1).antichains):
        for j, (y, *x) in enumerate(sorted(masses)):
            event = {
                cell: mass
                for cell, mass in masses.items()
                if any(all(cell[k + 1] == x[k] for k in members(one)) for one in antichain)
            }
            p_y = sum(mass for cell, mass in masses.items() if cell[0] == y)
            p_event_y = sum(mass for cell, mass in event.items() if cell[0] == y)
            informative, misinformative = total / sum(event.values()), Fraction(p_y) / p_event_y
            assert parts.informative[i, j] / np.log(2) == pytest.approx(log2(informative), abs=ROUNDING)
            assert parts.misinformative[i, j] / np.log(2) == pytest.approx(log2(misinformative), abs=ROUNDING)


def masses_of_rule(rule) -> dict[tuple[int, ...], Fraction]:
    rows = list(product((0, 1), repeat=3))
    values = sorted({rule(*row) for row in rows})
    return {(values.index(rule(*row)), *row): Fraction(1, 8) for row in rows}


def table_of(rule) -> np.ndarray:
    masses = masses_of_rule(rule)
    p = np.zeros(np.max(list(masses), axis=0) + 1)
    for cell, mass in masses.items():
        p[cell] = mass
    return p


@given(arrays(np.float64, (2, 3, 3), elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0))
def test_signed_parts_of_two_sources_are_not_negative(p: np.ndarray) -> None:
    result = decompose(Pmf(p, normalise=True), estimator="sx")
    for part in ("informative", "misinformative"):
        assert min(result.parts[part].values()) >= -ROUNDING
    for atom, value in result.atoms.items():
        difference = result.parts["informative"][atom] - result.parts["misinformative"][atom]
        assert value == pytest.approx(difference, abs=ROUNDING)


@given(arrays(np.float64, (3, 2, 3, 2), elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0))
def test_signed_parts_of_three_sources_are_not_negative(p: np.ndarray) -> None:
    signed = sx_atoms(p / p.sum())
    assert min(signed.informative.min(), signed.misinformative.min()) >= -ROUNDING


@pytest.mark.parametrize("shape", [(2, 3, 2), (2, 2, 2, 2)])
def test_gradient_is_that_of_finite_differences(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    p = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(np.prod(shape))).reshape(shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda table: sx_atoms(table).atoms, p)


def test_a_tensor_gives_what_its_array_gives() -> None:
    torch = pytest.importorskip("torch")
    p = random_pmf((3, 4, 2), support=0.5, rng=1).p
    assert sx_atoms(torch.tensor(p)).atoms.numpy() == pytest.approx(sx_atoms(p).atoms, abs=ROUNDING)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize(("shape", "tables"), [((2, 2, 2), 100), ((3, 2, 2), 60), ((2, 2, 2, 2), 40)])
def test_dit_agrees(shape: tuple[int, ...], tables: int) -> None:
    dit = pytest.importorskip("dit")
    n, rng = len(shape) - 1, np.random.default_rng(0)
    nodes = [tuple(tuple(members(one)) for one in antichain) for antichain in lattice(n).antichains]
    cells = list(product(*map(range, shape)))
    outcomes = [(*x, y) for y, *x in cells]  # dit's own takes the last variable for the target
    for _ in range(tables):
        p = rng.dirichlet(np.ones(np.prod(shape)))
        theirs = dit.pid.PID_SX(dit.Distribution(outcomes, p), [[i] for i in range(n)], [n])
        ours = sx_atoms(p.reshape(shape)).atoms / np.log(2)
        assert ours == pytest.approx([theirs[node] for node in nodes], abs=ROUNDING)
