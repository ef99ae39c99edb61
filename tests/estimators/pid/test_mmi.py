import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pidkd import Pmf, decompose
from pidkd.synthetic import gate, list_gates, random_pmf

ROUNDING = 1e-12

CLOSED_FORMS = {
    "rdn": (1, 0, 0, 0),
    "unq": (1, 0, 0, 1),
    "unq1": (0, 1, 0, 0),
    "xor": (0, 0, 0, 1),
    "and": (gate("and").redundant, 0, 0, 1 / 2),
    "rdnunqxor": (2, 0, 0, 2),
    "pwunq": (1 / 2, 0, 0, 1 / 2),
}


@pytest.mark.parametrize(("name", "atoms"), CLOSED_FORMS.items())
def test_gates(name: str, atoms: tuple[float, ...]) -> None:
    result = decompose(gate(name).pmf, estimator="mmi")
    assert list(result.atoms.values()) == pytest.approx(atoms, abs=ROUNDING)
    assert result.certificate.status == "exact"


@pytest.mark.parametrize("name", list_gates())
def test_no_broja_redundancy_is_larger(name: str) -> None:
    known = gate(name)
    assert decompose(known.pmf, estimator="mmi").redundant >= known.redundant - ROUNDING


@given(arrays(np.float64, (2, 3, 4), elements=st.floats(0, 1)).filter(lambda p: p.sum() > 0))
def test_one_unique_atom_is_zero(p: np.ndarray) -> None:
    result = decompose(Pmf(p, normalise=True), estimator="mmi")
    assert min(result.unique_t, result.unique_s) == pytest.approx(0.0, abs=ROUNDING)
    assert max(result.unique_t, result.unique_s) == pytest.approx(abs(result.mi_t - result.mi_s), abs=ROUNDING)


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(5))
def test_dit_agrees(seed: int) -> None:
    dit = pytest.importorskip("dit")
    p = random_pmf((3, 2, 4), concentration=0.5, rng=seed).p
    outcomes = [tuple(map(str, outcome)) for outcome in np.ndindex(p.shape)]
    theirs = dit.pid.PID_MMI(dit.Distribution(outcomes, p.ravel()), [[1], [2]], [0])
    assert decompose(Pmf(p), estimator="mmi").redundant == pytest.approx(theirs[((1,), (2,))], abs=1e-9)
