import pytest

from pidkd.benchmarks.peers import get_solver, list_solvers
from pidkd.errors import UnknownNameError
from pidkd.synthetic import gate, histogram, random_pmf

PEERS = [name for name in list_solvers() if name.startswith(("cvxpy-", "conic-", "dit-"))]
TABLES = [
    gate("rdnxor").pmf,
    random_pmf((3, 5, 4), rng=1),
    random_pmf((4, 3, 6), 0.3, 0.4, rng=2),
    histogram(random_pmf((3, 6, 6), 0.5, rng=3), 80, rng=3),
]


@pytest.mark.peer
@pytest.mark.parametrize("name", PEERS)
def test_what_a_peer_proves_agrees_with_broja(name: str) -> None:
    ours = get_solver("broja")(TABLES)
    for own, other in zip(ours, get_solver(name)(TABLES), strict=True):
        assert 0 <= other.gap + 1e-14 < 1e-4, other.status
        assert other.lower <= own.upper + 1e-13
        assert own.lower <= other.upper + 1e-13
        assert other.iterations is not None
        assert other.seconds is not None


def test_a_missing_peer_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dit-cone'"):
        get_solver("dit-cones")
