"""Information and decompositions given a third variable: mixtures, closed forms, transfer entropy."""

import numpy as np
import pytest

import pidkd
from pidkd.errors import IncompatibleInputError, InputError
from pidkd.registry import get_estimator
from pidkd.synthetic import gate, random_pmf

ROUNDING = 1e-12
RNG = np.random.default_rng(0)


def rows_of_gate(name: str, n: int) -> tuple[np.ndarray, ...]:
    """Exactly 100 ``n`` rows for each cell of a gate whose cells are alike."""
    return tuple(np.repeat(column, 100 * n) for column in np.nonzero(gate(name).pmf.p))


def mixture(*parts: tuple[str, int]) -> tuple[np.ndarray, ...]:
    columns = [rows_of_gate(name, n) for name, n in parts]
    label = [np.full(len(part[0]), i) for i, part in enumerate(columns)]
    y, t, s = (np.concatenate([part[i] for part in columns]) for i in range(3))
    return y, t, s, np.concatenate(label)


@pytest.mark.parametrize("estimator", ["broja", "i_min", "mmi", "gk", "sx"])
def test_a_mixture_of_gates_has_the_mean_of_their_atoms(estimator: str) -> None:
    y, t, s, z = mixture(("and", 3), ("xor", 6), ("rdn", 2))
    weights = np.bincount(z) / len(z)
    result = pidkd.decompose(y, t, s, given=z, estimator=estimator)
    alone = [pidkd.decompose(gate(name).pmf, estimator=estimator) for name in ("and", "xor", "rdn")]
    for atom, value in result.atoms.items():
        assert value == pytest.approx(weights @ [one.atoms[atom] for one in alone], abs=1e-9)
        low, high = result.bounds(atom)
        assert low - ROUNDING <= value <= high + ROUNDING
    assert result.certificate.gap <= 1e-9
    assert result.residual <= ROUNDING
    assert result.n_samples == len(z)
    assert result.provenance == {"given": {"0": 1200, "1": 2400, "2": 400}}


def test_the_certificate_contains_the_closed_form_of_a_mixture() -> None:
    y, t, s, z = mixture(("and", 1), ("xor", 1))
    low, high = pidkd.decompose(y, t, s, given=z.astype(str)).bounds("redundant")
    assert low - ROUNDING <= gate("and").redundant / 2 <= high + ROUNDING


def test_an_exclusive_or_with_what_is_given_is_no_synergy() -> None:
    """Y = T xor Z: alone T says nothing, given Z all."""
    t, z, s = np.repeat(np.indices((2, 2, 2)).reshape(3, -1), 100, axis=1)
    assert pidkd.decompose(t ^ z, t, s).mi == pytest.approx(0.0, abs=ROUNDING)
    assert pidkd.decompose(t ^ z, t, s, given=z).unique_t == pytest.approx(1.0, abs=1e-9)


def test_local_atoms_of_rows() -> None:
    y, t, s, z = mixture(("and", 3), ("xor", 6))
    order = np.random.default_rng(0).permutation(len(y))
    result = pidkd.decompose(y[order], t[order], s[order], given=z[order], keep=("local",))
    for atom, values in result.local.items():
        assert values.mean() == pytest.approx(result.atoms[atom], abs=ROUNDING)


def test_activations_given_labels() -> None:
    z = np.repeat([0, 1], 200)
    y = RNG.integers(2, size=400)
    t = RNG.normal(size=(400, 2)) + 3.0 * (y ^ z)[:, None]
    result = pidkd.decompose(y, t, RNG.normal(size=(400, 2)), given=z)
    assert result.mi_t > 0.7
    assert set(result.se) >= {"redundant", "unique_t"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"given": [0, 1]}, r"decompose\(..., given\): expected equal lengths, got samples 4, given 2"),
        ({"given": [0.1, 0.2, 0.3, 0.4]}, r"given\): expected labels, one a row"),
        ({"given": [0, 0, 1, 1], "uncertainty": pidkd.Bootstrap()}, r"uncertainty\): expected None beside given"),
        ({"given": [0, 0, 1, 1], "keep": ("plan",)}, "keep"),
    ],
)
def test_what_cannot_condition_a_decomposition(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pidkd.decompose([0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1], **options)


def test_a_table_has_no_rows() -> None:
    with pytest.raises(InputError, match="a table or covariance, which has no rows, got Pmf"):
        pidkd.decompose(gate("and").pmf, given=[0, 1])


# Mutual information


@pytest.mark.parametrize("correction", ["none", "miller_madow"])
def test_labels_given_labels_by_entropies(correction: str) -> None:
    x, y, z = RNG.integers(3, size=(3, 2000))
    value = pidkd.mutual_information(x, y + z, given=z, correction=correction).value
    joined = pidkd.mutual_information(3 * x + z, y + z, correction=correction).value
    alone = pidkd.mutual_information(z, y + z, correction=correction).value
    assert value == pytest.approx(joined - alone, abs=ROUNDING)


def trivariate(r_xy: float, r_xz: float, r_yz: float, n: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    cov = np.array([[1, r_xy, r_xz], [r_xy, 1, r_yz], [r_xz, r_yz, 1]])
    return tuple(np.random.default_rng(seed).multivariate_normal(np.zeros(3), cov, size=n).T)


def partial(r_xy: float, r_xz: float, r_yz: float) -> float:
    """I(X;Y|Z) in nats, by the partial correlation."""
    rho = (r_xy - r_xz * r_yz) / np.sqrt((1 - r_xz**2) * (1 - r_yz**2))
    return float(-np.log(1 - rho**2) / 2)


CASES = [(0.6, 0.5, 0.3), (0.0, 0.6, 0.6), (0.72, 0.8, 0.9)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("estimator", ["gaussian", "ksg"])
def test_floats_given_floats_by_the_partial_correlation(estimator: str, case: tuple[float, ...]) -> None:
    x, y, z = trivariate(*case, n=5000)
    result = pidkd.mutual_information(x, y, given=z, estimator=estimator, units="nats")
    assert result.value == pytest.approx(partial(*case), abs=0.03)
    assert result.conditional
    assert str(result).startswith("I(X;Y|Z)")
    assert result.bound == "none"


def test_the_bias_of_a_gaussian_given_many_columns_is_removed() -> None:
    rng, values = np.random.default_rng(0), []
    for _ in range(300):
        x, y, z = rng.normal(size=(40, 2)), rng.normal(size=(40, 2)), rng.normal(size=(40, 10))
        values.append(pidkd.mutual_information(x, y, given=z, estimator="gaussian").value)
    assert np.mean(values) == pytest.approx(0.0, abs=4 * np.std(values) / np.sqrt(300))


def test_what_is_given_and_determines_all_leaves_nothing() -> None:
    z = RNG.normal(size=(100, 2))
    assert pidkd.mutual_information(z @ [1.0, 2.0], z @ [2.0, -1.0], given=z, estimator="gaussian").value == 0.0


def test_labels_given_floats_by_the_chain_rule() -> None:
    """X and Y are noisy views of Z: given Z the one tells nothing of the other."""
    z = RNG.normal(size=2000)
    y = (z + RNG.normal(size=2000) > 0).astype(int)
    x = z + RNG.normal(size=2000)
    alone, given = pidkd.mutual_information(x, y), pidkd.mutual_information(x, y, given=z)
    assert alone.value > 0.05
    assert given.value == pytest.approx(0.0, abs=4 * given.se)
    assert given.interval[0] < given.value < given.interval[1]


def test_floats_given_labels_are_estimated_label_by_label() -> None:
    z = np.repeat([0, 1], 1000)
    x = RNG.normal(size=2000) + 5.0 * z
    y = 0.8 * (x - 5.0 * z) * (1 - z) + 0.6 * RNG.normal(size=2000) + 5.0 * z
    result = pidkd.mutual_information(x, y, given=z, units="nats")
    assert result.value == pytest.approx(-np.log(1 - 0.64) / 4, abs=0.05)
    assert result.method == "ksg"
    assert result.provenance == {"given": {"0": 1000, "1": 1000}}


def test_transfer_entropy_of_a_coupled_pair() -> None:
    """X drives Y: y' = a y + c x + e. Given y, y' depends on x alone, with the partial correlation in closed form."""
    a, c, b = 0.5, 0.4, 0.6
    n, rng = 60_000, np.random.default_rng(0)
    noise_x, noise_y = rng.normal(size=(2, n))
    x, y = np.zeros(n), np.zeros(n)
    for i in range(1, n):
        x[i] = b * x[i - 1] + noise_x[i]
        y[i] = a * y[i - 1] + c * x[i - 1] + noise_y[i]
    var_x = 1 / (1 - b**2)
    cov_xy = b * c * var_x / (1 - a * b)
    var_y = (1 + c**2 * var_x + 2 * a * c * cov_xy) / (1 - a**2)
    truth = np.log(1 + c**2 * (var_x - cov_xy**2 / var_y)) / 2
    forth = pidkd.mutual_information(y[1:], x[:-1], given=y[:-1], estimator="gaussian", units="nats")
    back = pidkd.mutual_information(x[1:], y[:-1], given=x[:-1], estimator="gaussian", units="nats")
    assert forth.value == pytest.approx(truth, abs=0.004)
    assert back.value == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "estimator", "message"),
    [
        (
            np.arange(60) / 7,
            "plugin",
            r"labels, or an estimator that conditions on floats \(classifier, gaussian, ksg\)",
        ),
        (np.arange(60) * 1.0, "plugin", r"got .* holds whole numbers only; if these are labels"),
        (np.arange(59), "plugin", "equal lengths, got samples 60, given 59"),
    ],
)
def test_what_cannot_condition_an_information(given: np.ndarray, estimator: str, message: str) -> None:
    labels = np.arange(60) % 3
    with pytest.raises(InputError, match=message):
        pidkd.mutual_information(labels, labels, given=given, estimator=estimator)


def test_a_label_with_too_few_rows_is_named() -> None:
    x = RNG.normal(size=(20, 2))
    with pytest.raises(InputError, match=r"given\), of the 2 rows with label b: expected more than k=3 samples"):
        pidkd.mutual_information(x, x[:, 0] ** 2 + x[:, 1], given=np.array(["a"] * 18 + ["b"] * 2))


def test_variants_that_do_not_condition() -> None:
    x, y, z = trivariate(*CASES[0], n=100)
    with pytest.raises(InputError, match="variant 'ksg1'"):
        pidkd.mutual_information(x, y, given=z, estimator=get_estimator("ksg", "mi")(variant="ksg2"))
    with pytest.raises(IncompatibleInputError):
        pidkd.mutual_information(x, y, given=z, estimator="mine")


def test_random_tables_mix() -> None:
    rng = np.random.default_rng(1)
    counts = [rng.multinomial(5000, random_pmf((2, 3, 3), rng=i).p.ravel()).reshape(2, 3, 3) for i in range(3)]
    cells = [np.repeat(np.indices(c.shape).reshape(3, -1), c.ravel(), axis=1) for c in counts]
    y, t, s = np.concatenate(cells, axis=1)
    z = np.repeat(np.arange(3), 5000)
    result = pidkd.decompose(y, t, s, given=z)
    known = [pidkd.decompose(pidkd.Pmf.from_counts(c)) for c in counts]
    assert result.unique_t == pytest.approx(np.mean([one.unique_t for one in known]), abs=1e-9)
    assert result.mi == pytest.approx(np.mean([one.mi for one in known]), abs=ROUNDING)
