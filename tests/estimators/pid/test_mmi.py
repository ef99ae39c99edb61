import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri
from sklearn.datasets import load_diabetes

from pidkd import Gaussian, Pmf, decompose
from pidkd.errors import IncompatibleInputError, InputError
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


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dims", [(1, 1, 1), (1, 3, 2), (1, 2, 5)])
def test_gaussian_with_a_scalar_target_is_broja(dims: tuple[int, int, int], seed: int) -> None:
    mixing = np.random.default_rng(seed).normal(size=(sum(dims), sum(dims) + 2))
    data = Gaussian(mixing @ mixing.T, dims)
    one, other = (decompose(data, estimator=name) for name in ("mmi", "gaussian"))
    assert list(one.atoms.values()) == pytest.approx(list(other.atoms.values()), abs=ROUNDING)
    assert one.certificate.status == "exact"


def test_gaussian_by_the_correlations() -> None:
    """I = -log2(1 - r^2) / 2 of scalar variables."""
    cov = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.2], [0.3, 0.2, 1.0]])
    result = decompose(Gaussian(cov, (1, 1, 1)), estimator="mmi")
    assert result.redundant == pytest.approx(-np.log2(1 - 0.3**2) / 2, abs=ROUNDING)
    assert result.unique_t == pytest.approx(np.log2(1 - 0.3**2) / 2 - np.log2(1 - 0.6**2) / 2, abs=ROUNDING)
    assert result.unique_s == pytest.approx(0.0, abs=ROUNDING)


def test_gaussian_with_a_target_of_more_dimensions_is_above_broja() -> None:
    """Gains (2, 1) and (1, sqrt 2) on two channels of noise 1: BROJA's redundancy is one bit, here log2(6) / 2."""
    gains = np.vstack([np.diag([2, 1]), np.diag([1, 2**0.5])])
    data = Gaussian(np.block([[np.eye(2), gains.T], [gains, gains @ gains.T + np.eye(4)]]), (2, 2, 2))
    one, other = (decompose(data, estimator=name) for name in ("mmi", "gaussian"))
    assert one.information == pytest.approx(other.information, abs=ROUNDING)
    assert one.redundant == pytest.approx(np.log2(6) / 2, abs=ROUNDING)
    assert other.redundant == pytest.approx(1.0, abs=1e-9)


def test_gaussian_copies_and_what_determines_the_target() -> None:
    cov = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 1.0], [0.5, 1.0, 1.0]])
    copies = decompose(Gaussian(cov, (1, 1, 1)), estimator="mmi")
    assert [copies.unique_t, copies.unique_s, copies.synergistic] == pytest.approx([0, 0, 0], abs=1e-6)
    known = np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]])  # T is Y
    result = decompose(Gaussian(known, (1, 1, 1)), estimator="mmi")
    assert result.redundant == pytest.approx(-np.log2(0.75) / 2, abs=1e-6)
    assert (result.unique_t, result.unique_s) == (np.inf, 0.0)
    assert result.synergistic == pytest.approx(0.0, abs=1e-6)


def test_samples_of_gaussians_are_corrected_for_bias_and_have_intervals() -> None:
    cov = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.2], [0.3, 0.2, 1.0]])
    truth = decompose(Gaussian(cov, (1, 1, 1)), estimator="mmi").atoms
    inside = dict.fromkeys(truth, 0)
    rng = np.random.default_rng(0)
    means = dict.fromkeys(truth, 0.0)
    for _ in range(200):
        y, t, s = rng.multivariate_normal(np.zeros(3), cov, size=100).T
        result = decompose(y, t, s, estimator="mmi")
        for atom, value in truth.items():
            low, high = result.interval[atom]
            inside[atom] += low - ROUNDING <= value <= high + ROUNDING
            means[atom] += result.atoms[atom] / 200
    assert all(means[atom] == pytest.approx(truth[atom], abs=0.02) for atom in truth)
    assert all(180 <= inside[atom] <= 200 for atom in truth), inside


def test_the_interval_of_an_atom_that_is_zero_begins_at_zero() -> None:
    cov = np.array([[1.0, 0.6, 0.3], [0.6, 1.0, 0.2], [0.3, 0.2, 1.0]])
    for seed in range(20):
        y, t, s = np.random.default_rng(seed).multivariate_normal(np.zeros(3), cov, size=100).T
        result = decompose(y, t, s, estimator="mmi")
        assert result.interval["unique_s"][0] == 0.0
        assert all(low >= 0 for low, _ in result.interval.values())


def test_labels_are_no_gaussian_target_and_its_values_have_no_local_atoms() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    with pytest.raises(IncompatibleInputError, match="continuous target"):
        decompose(np.arange(50) % 2, x, x, estimator="mmi")
    with pytest.raises(InputError, match=r"keep.*'local', which 'mmi' does not have of this input"):
        decompose(x[:, 0], x, x[:, 1], estimator="mmi", keep=("local",))
    with pytest.raises(InputError, match=r"mmi\(n_draws=...\)"):
        decompose(x[:, 0], x[:, 1], x[:, 1], estimator="mmi", n_draws=1)
    with pytest.raises(InputError, match="a target that varies"):
        decompose(np.full(50, 0.5), x[:, 0], x[:, 1], estimator="mmi")


HOI = {
    (0, 1): (0.128691241145, 0.040200371295),
    (0, 2): (0.263945847750, 0.128948897123),
    (1, 2): (0.128691241145, 0.047414757311),
}
"""RedundancyMMI and SynergyMMI of hoi 0.0.7, method "gc" in 64 bits: scikit-learn's diabetes data, target y, sources
bmi, bp and s5."""


@pytest.mark.parametrize(("sources", "theirs"), HOI.items())
def test_hoi_on_a_public_data_set(sources: tuple[int, int], theirs: tuple[float, float]) -> None:
    x, y = load_diabetes(return_X_y=True)
    columns = [y, *(x[:, 2:9][:, [0, 1, 6]][:, i] for i in sources)]
    ranks = [np.argsort(np.argsort(column, kind="stable"), kind="stable") + 1 for column in columns]
    normal = ndtri(np.array(ranks) / (len(y) + 1))  # the Gaussian copula
    result = decompose(Gaussian(np.cov(normal), dims=(1, 1, 1)), estimator="mmi")
    assert (result.redundant, result.synergistic) == pytest.approx(theirs, abs=2e-8)  # what hoi resolves
