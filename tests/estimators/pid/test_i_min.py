from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pidkd import Pmf, decompose
from pidkd.synthetic import gate, random_pmf

ROUNDING = 1e-12
AND = gate("and").redundant

CLOSED_FORMS = {
    "rdn": (1, 0, 0, 0),
    "unq": (1, 0, 0, 1),  # equally much about each value of Y counts as shared, though it is different
    "unq1": (0, 1, 0, 0),
    "xor": (0, 0, 0, 1),
    "and": (AND, 0, 0, 1 / 2),
    "or": (AND, 0, 0, 1 / 2),
    "sum": (1 / 2, 0, 0, 1),
    "rdnxor": (1, 0, 0, 1),
    "rdnunqxor": (2, 0, 0, 2),
    "example3": (0, 0, 0, 1),
}


@pytest.mark.parametrize(("name", "atoms"), CLOSED_FORMS.items())
def test_gates(name: str, atoms: tuple[float, ...]) -> None:
    result = decompose(gate(name).pmf, estimator="i_min")
    assert list(result.atoms.values()) == pytest.approx(atoms, abs=ROUNDING)
    assert result.certificate.status == "exact"
    assert result.certificate.gap == 0.0


@pytest.mark.parametrize(("p_t", "p_s"), [(1 / 4, 1 / 2), (0.1, 0.3), (0.5, 0.5)])
def test_two_independent_bits_and_their_pair(p_t: float, p_s: float) -> None:
    """With Y = (T, S) each source says -log of its own mass about a value of Y."""
    p = np.zeros((4, 2, 2))
    expected = 0.0
    for t in (0, 1):
        for s in (0, 1):
            mass_t, mass_s = (p_t if t else 1 - p_t), (p_s if s else 1 - p_s)
            p[2 * t + s, t, s] = mass_t * mass_s
            expected += mass_t * mass_s * min(-log2(mass_t), -log2(mass_s))
    assert decompose(Pmf(p), estimator="i_min").redundant == pytest.approx(expected, abs=ROUNDING)


@given(arrays(np.float64, (3, 3, 2), elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0))
def test_a_sum_of_minima_is_at_most_the_minimum_of_the_sums(p: np.ndarray) -> None:
    data = Pmf(p, normalise=True)
    i_min, mmi = (decompose(data, estimator=name) for name in ("i_min", "mmi"))
    assert -ROUNDING <= i_min.redundant <= mmi.redundant + ROUNDING


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(5))
def test_dit_agrees(seed: int) -> None:
    dit = pytest.importorskip("dit")
    p = random_pmf((3, 2, 4), concentration=0.5, rng=seed).p
    outcomes = [tuple(map(str, outcome)) for outcome in np.ndindex(p.shape)]
    theirs = dit.pid.PID_WB(dit.Distribution(outcomes, p.ravel()), [[1], [2]], [0])
    result = decompose(Pmf(p), estimator="i_min")
    atoms = {"redundant": ((1,), (2,)), "unique_t": ((1,),), "unique_s": ((2,),), "synergistic": ((1, 2),)}
    for atom, node in atoms.items():
        assert result.atoms[atom] == pytest.approx(theirs[node], abs=1e-9)  # dit rounds its masses
