import numpy as np
import pytest

from pidkd.benchmarks.peers import AtomsPeer, ConvexPeer, MIPeer, list_peers
from pidkd.benchmarks.peers.mutual_information import estimators
from pidkd.benchmarks.selection import find_estimator
from pidkd.decomposition import decompose
from pidkd.errors import InputError, MissingDependencyError, SolverError, UnknownNameError
from pidkd.inputs import Gaussian
from pidkd.mi import ContinuousPairs, DiscretePairs
from pidkd.synthetic import gate, histogram, random_pmf

PEERS = [name for name in list_peers() if name.startswith(("cvxpy-", "conic-", "dit-cone"))]
TABLES = [
    gate("rdnxor").pmf,
    random_pmf((3, 5, 4), rng=1),
    random_pmf((4, 3, 6), 0.3, 0.4, rng=2),
    histogram(random_pmf((3, 6, 6), 0.5, rng=3), 80, rng=3),
]


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::pidkd.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", PEERS)
@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_what_a_peer_proves_agrees_with_broja(name: str) -> None:
    peer = find_estimator(name, "pid")
    assert isinstance(peer, ConvexPeer)
    for table in TABLES:
        result = peer.decompose(table)
        own, other = decompose(table).certificate, result.certificate
        assert 0 <= other.gap + 1e-14 < 1e-4, other.message
        assert other.lower <= own.upper + 1e-13
        assert own.lower <= other.upper + 1e-13
        assert {"iterations", "solver_seconds"} <= set(result.stats)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::pidkd.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", ["dit-scipy", "dit-admui"])
def test_solvers_that_prove_nothing_give_atoms(name: str) -> None:
    peer = find_estimator(name, "pid")
    assert isinstance(peer, AtomsPeer)
    found = peer.decompose(gate("and").pmf)
    assert found.certificate.status == "uncertified"
    for atom, value in gate("and").atoms.items():
        assert found.atoms[atom] == pytest.approx(value, abs=1e-2)


def test_mutual_information_of_peers_is_in_nats_inside() -> None:
    peers = estimators()
    x = np.arange(400) % 4
    for name in ("mi-scipy-counts", "mi-sklearn-counts"):
        assert peers[name].estimate(DiscretePairs(x, x)).value == pytest.approx(2.0, abs=1e-12)
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 2000))
    pairs = ContinuousPairs(x, 0.6 * x + 0.8 * noise)
    truth = -np.log2(1 - 0.6**2) / 2
    assert peers["mi-sklearn-neighbours"].estimate(pairs).value == pytest.approx(truth, abs=0.1)
    with pytest.raises(InputError, match="DiscretePairs"):
        peers["mi-scipy-counts"].estimate(pairs)
    with pytest.raises(InputError, match="one column on each side"):
        peers["mi-sklearn-neighbours"].estimate(ContinuousPairs(np.column_stack([x, x]), noise))


@pytest.mark.peer
def test_neighbours_of_infomeasure_are_ours() -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 500))
    pairs = ContinuousPairs(x, 0.6 * x + 0.8 * noise)
    peer, own = find_estimator("mi-infomeasure-ksg", "mi"), find_estimator("ksg", "mi")
    assert isinstance(peer, MIPeer)
    assert peer.estimate(pairs).value == pytest.approx(own.estimate(pairs).value, abs=0.05)  # type: ignore[attr-defined]


def test_a_missing_peer_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'dit-cone'"):
        find_estimator("dit-cones", "pid")


@pytest.mark.parametrize(
    ("name", "data"), [("2pid-ecos", gate("and").pmf), ("gpid-tilde", Gaussian(np.eye(3), (1, 1, 1)))]
)
def test_a_peer_of_no_registry_asks_for_its_folder(name, data, tmp_path, monkeypatch) -> None:
    with pytest.raises(MissingDependencyError, match="--peer-path"):
        find_estimator(name, "pid").decompose(data)  # type: ignore[attr-defined]
    monkeypatch.setenv("PIDKD_PEER_PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="is not below"):
        find_estimator(name, "pid").decompose(data)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::pidkd.errors.ConvergenceWarning")
def test_a_peer_is_imported_from_the_folder(tmp_path, monkeypatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "BROJA_2PID.py").write_text(
        "def pid(pdf):\n"
        "    assert set(pdf) == {(0, 0, 0), (1, 1, 1)}\n"
        "    return dict(SI=1.0, CI=0.0, UIY=0.0, UIZ=0.0)\n"
    )
    monkeypatch.setenv("PIDKD_PEER_PATH", str(tmp_path))
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    found = find_estimator("2pid-ecos", "pid").decompose(gate("rdn").pmf)  # type: ignore[attr-defined]
    assert found.atoms == pytest.approx({"redundant": 1.0, "unique_t": 0.0, "unique_s": 0.0, "synergistic": 0.0})


def test_a_solver_without_an_answer_is_a_fault() -> None:
    from pidkd.benchmarks.peers import Solution

    with pytest.raises(SolverError, match="no luck"):
        ConvexPeer(lambda pmf: Solution(None, None, "no luck", 3)).decompose(gate("and").pmf)
