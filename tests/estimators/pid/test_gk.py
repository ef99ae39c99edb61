import numpy as np
import pytest

from pidkd import Pmf, decompose
from pidkd.synthetic import gate

# Synergy is I(Y;T,S) less what the other atoms hold, and this redundancy leaves them much.
pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.NegativeAtomWarning")

VALUES = {"rdn": 1, "unq": 0, "xor": 0, "and": 0, "rdnxor": 1, "rdnunqxor": 1, "imperfect_rdn": 0, "copy": 0}


@pytest.mark.parametrize(("name", "value"), VALUES.items())
def test_gates(name: str, value: float) -> None:
    assert decompose(gate(name).pmf, estimator="gk").redundant == pytest.approx(value, abs=1e-12)


def test_one_rare_event_takes_all_of_it_away() -> None:
    p = np.zeros((2, 2, 2))
    p[0, 0, 0] = p[1, 1, 1] = 0.5
    assert decompose(Pmf(p), estimator="gk").redundant == pytest.approx(1)
    p[0, 0, 1] = 1e-9
    assert decompose(Pmf(p, normalise=True), estimator="gk").redundant == pytest.approx(0)
