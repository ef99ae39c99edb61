"""The Gaussian union decomposition against closed forms, laws, the convex program it solves, and peers' failures."""

import functools
import itertools

import numpy as np
import pytest

import pidkd
from pidkd import Activations, Gaussian
from pidkd.errors import IncompatibleInputError, InputError, SmallSampleWarning
from pidkd.result import ATOMS

EXACT = 1e-10


def channel(h_t, h_s, k=0.0):
    """T = H_t Y + N_t and S = H_s Y + N_s, with white Y, unit noises, and K between them."""
    h_t, h_s = np.atleast_2d(h_t).astype(float), np.atleast_2d(h_s).astype(float)
    d_t, d_y = h_t.shape
    h = np.concatenate([h_t, h_s])
    noise = np.eye(len(h))
    noise[:d_t, d_t:] = k * np.ones((d_t, len(h_s)))
    noise[d_t:, :d_t] = noise[:d_t, d_t:].T
    return np.block([[np.eye(d_y), h.T], [h, h @ h.T + noise]]), (d_y, d_t, len(h_s))


def random_channel(seed, d_y=3, d_t=4, d_s=2):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d_y + d_t + d_s, 2 + d_y + d_t + d_s))
    return mixing @ mixing.T, (d_y, d_t, d_s)


def half_log(x):
    return 0.5 * np.log2(x)


def atoms(cov, dims, **params):
    return pidkd.decompose(Gaussian(cov, dims), **params).atoms


def assert_atoms(found, redundant, unique_t, unique_s, synergistic, within=EXACT):
    for name, value in zip(ATOMS, (redundant, unique_t, unique_s, synergistic), strict=True):
        assert found[name] == pytest.approx(value, abs=within), name


def block_diagonal(*systems):
    """Independent systems side by side, in the order (y, t, s)."""
    size = sum(len(cov) for cov, _ in systems)
    joint, places, start = np.zeros((size, size)), ([], [], []), 0
    for cov, dims in systems:
        stop = start + len(cov)
        joint[start:stop, start:stop] = cov
        for place, dim in zip(places, dims, strict=True):
            place.extend(range(start, start + dim))
            start += dim
    order = np.concatenate([np.array(place, dtype=int) for place in places])
    return joint[np.ix_(order, order)], tuple(len(place) for place in places)


def rotated(cov, dims, seed=0):
    rng = np.random.default_rng(seed)
    turn, start = np.zeros_like(cov), 0
    for dim in dims:
        turn[start : start + dim, start : start + dim] = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        start += dim
    return turn @ cov @ turn.T, dims


NON_COMMUTING = np.array([[1.5, 1.5], [1.5, 1.5]])  # precision beyond the prior, and of rank one
ROOT = NON_COMMUTING / np.sqrt(3)
W = (3.125 + np.sqrt(3.125**2 - 4)) / 2
DOUBLING = channel(np.diag([2, 1]), np.diag([1, 2**0.5]))

# name: channel, redundant, unique_t, unique_s; synergy from I(Y;T,S)
KNOWN = {
    "doubling": (DOUBLING, 1.0, half_log(5) - half_log(2), half_log(3) - half_log(2), half_log(6) + half_log(4)),
    "tie": (
        channel(np.diag([1, 1.2]), np.diag([1, 1.2])),
        half_log(2 * 2.44),
        0.0,
        0.0,
        half_log(3 * 3.88),
    ),
    "doubling with gain 1": (channel(np.eye(2), np.diag([1, 2**0.5])), 1.0, 0.0, half_log(1.5), half_log(3 * 4)),
    "non-commuting": (channel(np.diag([3**0.5, 0]), ROOT), 1 - half_log(W), half_log(W), half_log(W), None),
    "orthogonal": (channel([[2, 0]], [[0, 3]]), 0.0, half_log(5), half_log(10), half_log(5 * 10)),
    "only T": (channel(np.diag([1, 2]), np.zeros((2, 2))), 0.0, half_log(2 * 5), 0.0, half_log(2 * 5)),
    "no information": (channel(np.zeros((2, 2)), np.zeros((1, 2))), 0.0, 0.0, 0.0, 0.0),
    "scalar with noise in common": (
        channel(2, 1, 0.5),
        half_log(2),
        half_log(5) - half_log(2),
        0.0,
        half_log(1 + (4 - 2 * 0.5 * 2 + 1) / 0.75),
    ),
    "noise alone": (channel(1, 0, 0.6), 0.0, half_log(2), 0.0, half_log(1 + 1 / (1 - 0.36))),
}


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("name", KNOWN)
def test_closed_forms_under_any_rotation(name, seed):
    system, redundant, unique_t, unique_s, both = KNOWN[name]
    system = system if seed is None else rotated(*system, seed)
    result = pidkd.decompose(Gaussian(*system))
    both = result.mi if both is None else both
    assert result.mi == pytest.approx(both, abs=EXACT)
    assert_atoms(result.atoms, redundant, unique_t, unique_s, both - redundant - unique_t - unique_s)
    assert result.certificate.status == "optimal"
    assert result.certificate.gap < 1e-12
    assert result.certificate.lower - 1e-13 <= unique_t <= result.certificate.upper + 1e-13


def test_published_figures():
    figures = {
        "doubling": (1, 0.660964, 0.292481, 0.339036),
        "tie": (1.14344057, 0, 0, 0.62706900),
        "doubling with gain 1": (1, 0, 0.292481, 0.5),
    }
    for name, values in figures.items():
        assert_atoms(atoms(*KNOWN[name][0]), *values, within=5e-7)


@pytest.mark.parametrize("d", [2, 32, 256])
def test_doubling_at_any_size(d):
    found = atoms(*rotated(*block_diagonal(*[DOUBLING] * (d // 2))))
    single = KNOWN["doubling"]
    known = (*single[1:4], single[4] - sum(single[1:4]))
    assert_atoms(found, *(d // 2 * value for value in known))


def test_independent_systems_add_up():
    parts = [random_channel(0), random_channel(1, 2, 2, 5), DOUBLING]
    together = atoms(*rotated(*block_diagonal(*parts), seed=3))
    for name in ATOMS:
        assert together[name] == pytest.approx(sum(atoms(*part)[name] for part in parts), abs=EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_invertible_maps_change_nothing(seed):
    cov, dims = random_channel(seed)
    rng = np.random.default_rng(seed)
    scale = np.zeros_like(cov)
    for start, dim in zip(np.cumsum([0, *dims]), dims, strict=False):
        scale[start : start + dim, start : start + dim] = rng.normal(size=(dim, dim)) * 100**start
    assert_atoms(atoms(scale @ cov @ scale.T, dims), *atoms(cov, dims).values(), within=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_swapping_the_sources_swaps_the_unique_atoms(seed):
    cov, (d_y, d_t, d_s) = random_channel(seed)
    order = np.r_[:d_y, d_y + d_t : d_y + d_t + d_s, d_y : d_y + d_t]
    here, there = atoms(cov, (d_y, d_t, d_s)), atoms(cov[np.ix_(order, order)], (d_y, d_s, d_t))
    assert_atoms(there, here["redundant"], here["unique_s"], here["unique_t"], here["synergistic"], within=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_no_atom_is_negative_and_garbling_gains_nothing(seed):
    cov, (d_y, d_t, d_s) = random_channel(seed)
    here = atoms(cov, (d_y, d_t, d_s))
    assert min(here.values()) > -1e-13
    noisy = cov.copy()
    noisy[d_y : d_y + d_t, d_y : d_y + d_t] += np.eye(d_t)
    assert atoms(noisy, (d_y, d_t, d_s))["unique_t"] <= here["unique_t"] + 1e-12


def noise_form(cov, dims):
    """White Y, white T and S noises: the gains and the correlation of the noises."""
    d_y, d_t, _ = dims
    white = np.linalg.inv(np.linalg.cholesky(cov[:d_y, :d_y]))
    gains = cov[d_y:, :d_y] @ white.T
    noise = cov[d_y:, d_y:] - gains @ gains.T
    return [
        np.linalg.solve(np.linalg.cholesky(noise[part, part]), gains[part])
        for part in (slice(None, d_t), slice(d_t, None))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_couplings_of_the_noises_attain_it_and_none_is_better(seed):
    cov, dims = random_channel(seed)
    h_t, h_s = noise_form(cov, dims)
    h = np.concatenate([h_t, h_s])
    result = pidkd.decompose(Gaussian(cov, dims), units="nats")
    union = result.redundant + result.unique_t + result.unique_s

    def value_and_gradient(k):
        noise = np.block([[np.eye(len(h_t)), k], [k.T, np.eye(len(h_s))]])
        total = h @ h.T + noise
        value = (np.linalg.slogdet(total)[1] - np.linalg.slogdet(noise)[1]) / 2
        back = h.T @ np.linalg.inv(total)
        left = np.eye(h.shape[1]) - back @ h
        return value, -back[:, : len(h_t)].T @ np.linalg.inv(left) @ back[:, len(h_t) :]

    # The optimal coupling H_t J^+ H_s^T, J the precision of the union beyond the prior.
    c_t, c_s = (np.linalg.inv(np.eye(h.shape[1]) + part.T @ part) for part in (h_t, h_s))
    factor = np.linalg.cholesky(c_t)
    v, turn = np.linalg.eigh(np.linalg.solve(factor, np.linalg.solve(factor, c_s).T))
    axes = factor @ turn
    precision = np.linalg.inv((axes * np.minimum(1, v)) @ axes.T) - np.eye(h.shape[1])
    best = h_t @ np.linalg.pinv(precision, rcond=1e-9) @ h_s.T * (1 - 1e-9)
    value, gradient = value_and_gradient(best)
    assert value == pytest.approx(union, abs=1e-7)
    gap = (gradient * best).sum() + np.linalg.svd(gradient, compute_uv=False).sum()
    assert abs(gap) < 1e-6
    rng = np.random.default_rng(seed)
    for _ in range(50):
        k = rng.normal(size=best.shape)
        k *= rng.uniform() / np.linalg.norm(k, 2)
        assert value_and_gradient(k)[0] >= union - 1e-12


@pytest.mark.peer
@pytest.mark.parametrize("seed", range(3))
def test_cone_program_of_the_largest_ellipsoid(seed):
    cp = pytest.importorskip("cvxpy")
    cov, dims = random_channel(seed)
    h_t, h_s = noise_form(cov, dims)
    c = cp.Variable((dims[0], dims[0]), PSD=True)
    below = [c << np.linalg.inv(np.eye(dims[0]) + h.T @ h) for h in (h_t, h_s)]
    problem = cp.Problem(cp.Maximize(cp.log_det(c)), below)
    problem.solve(solver="CLARABEL")
    result = pidkd.decompose(Gaussian(cov, dims), units="nats")
    assert result.redundant + result.unique_t + result.unique_s == pytest.approx(-problem.value / 2, abs=1e-6)


class TestSingular:
    def test_y_is_the_sum_of_both(self):
        result = pidkd.decompose(Gaussian([[2, 1, 1], [1, 1, 0], [1, 0, 1]], (1, 1, 1)))
        assert_atoms(result.atoms, 0.5, 0, 0, np.inf)
        assert "I(Y;T,S) infinite" in result.certificate.message

    def test_t_is_y(self):
        result = pidkd.decompose(Gaussian([[1, 1, 0.5], [1, 1, 0.5], [0.5, 0.5, 1]], (1, 1, 1)))
        assert_atoms(result.atoms, half_log(4 / 3), np.inf, 0, 0)
        assert result.to_dict()["unique_t"] == "inf"

    def test_both_are_y(self):
        assert_atoms(atoms(np.ones((3, 3)), (1, 1, 1)), np.inf, 0, 0, 0)

    def test_t_determines_one_direction_of_y_and_s_another(self):
        cov = np.eye(4)
        cov[0, 2] = cov[2, 0] = cov[1, 3] = cov[3, 1] = 1
        assert_atoms(atoms(cov, (2, 1, 1)), 0, np.inf, np.inf, 0)

    @pytest.mark.parametrize("dims", [(1, 1, 1), (2, 3, 3)])
    def test_a_copy_has_nothing_unique(self, dims):
        d_y, d_t, _ = dims
        cov, _ = random_channel(0, d_y, d_t, 1)
        index = np.r_[: d_y + d_t, d_y : d_y + d_t]
        result = pidkd.decompose(Gaussian(cov[np.ix_(index, index)], dims))
        assert_atoms(result.atoms, result.mi_t, 0, 0, 0, within=1e-7)

    def test_agrees_with_the_regular_route(self):
        from pidkd.estimators.solvers.gaussian.closed_form import decomposed_singular
        from pidkd.estimators.solvers.gaussian.factor import bases, conditionals_of, covariance_root

        for seed in range(5):
            cov, dims = random_channel(seed)
            found = decomposed_singular(conditionals_of(bases(covariance_root(cov), dims, 1e-6)), 1e-6)
            regular = pidkd.decompose(Gaussian(cov, dims), units="nats")
            assert found.atoms == pytest.approx(np.array(list(regular.atoms.values())), abs=1e-11)


class TestBatch:
    def test_equals_its_members(self):
        covs = np.stack([random_channel(seed)[0] for seed in range(7)])
        batch = pidkd.decompose_batch(covs, dims=(3, 4, 2))
        for cov, result in zip(covs, batch, strict=True):
            assert_atoms(result.atoms, *atoms(cov, (3, 4, 2)).values(), within=1e-13)

    def test_one_singular_member_stops_no_other(self):
        covs = np.stack([np.eye(3) + 0.1, np.ones((3, 3)), np.eye(3)])
        batch = pidkd.decompose_batch(covs, dims=(1, 1, 1))
        assert batch.redundant[1] == np.inf
        assert batch[2].mi == 0

    def test_the_member_that_cannot_be_used_is_named(self):
        covs = np.stack([np.eye(3), np.diag([1.0, 1.0, -1.0])])
        with pytest.raises(InputError, match=r"decompose_batch\(data\)\[1\]: expected positive variances, got -1 at"):
            pidkd.decompose_batch(covs, dims=(1, 1, 1))
        with pytest.raises(InputError, match="dims >= 1"):
            pidkd.decompose_batch(covs, dims=(1, 1, 2))


def samples(n, seed=0, d_y=2, d_t=4, d_s=3):
    cov, dims = random_channel(seed, d_y, d_t, d_s)
    z = np.random.default_rng(seed + 100).normal(size=(n, len(cov))) @ np.linalg.cholesky(cov).T
    return np.split(z, np.cumsum(dims)[:2], axis=1)


class TestSamples:
    def test_plug_in_is_the_decomposition_of_the_sample_covariance(self):
        y, t, s = samples(500)
        found = pidkd.decompose(y, t, s, estimator="gaussian", debias="none")
        known = atoms(np.cov(np.concatenate([y, t, s], axis=1).T), (2, 4, 3))
        assert_atoms(found.atoms, *known.values())
        assert found.n_samples == 500

    @pytest.mark.parametrize("debias", ["none", "matching"])
    def test_collinear_duplicated_and_constant_columns_change_nothing(self, debias):
        y, t, s = samples(300)
        run = functools.partial(pidkd.decompose, estimator="gaussian", debias=debias, n_draws=20)
        clean = run(y, t, s)
        t_more = np.concatenate([t, t[:, :1] + 3 * t[:, 1:2], 1e6 * t[:, :1], np.full((300, 1), 0.1)], axis=1)
        assert_atoms(run(y, t_more, s).atoms, *clean.atoms.values(), within=1e-9 if debias == "none" else 0.3)
        y_more = np.concatenate([y, y.sum(axis=1, keepdims=True)], axis=1)
        assert_atoms(run(y_more, t, s).atoms, *clean.atoms.values(), within=1e-9 if debias == "none" else 0.3)

    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_columns_that_are_collinear_up_to_their_precision(self, dtype):
        y, t, s = (part.astype(dtype) for part in samples(2000))
        run = functools.partial(pidkd.decompose, estimator="gaussian", debias="none")
        twice = np.concatenate([t, t * dtype(3)], axis=1)
        # What rounding leaves of the copies is independent noise, were it not dropped.
        assert_atoms(run(y, twice, s).atoms, *run(y, t, s).atoms.values(), within=0.01)

    def test_means_and_units_change_nothing(self):
        y, t, s = samples(300)
        run = functools.partial(pidkd.decompose, estimator="gaussian", debias="none")
        assert_atoms(run(1e3 + y, 1e-6 * t, 1e6 * s - 1e8).atoms, *run(y, t, s).atoms.values(), within=1e-6)

    def test_a_duplicated_source(self):
        y, t, _ = samples(300)
        found = pidkd.decompose(y, t, t.copy(), estimator="gaussian")
        assert_atoms(found.atoms, found.mi_t, 0, 0, 0)

    def test_y_the_sum_of_both(self):
        rng = np.random.default_rng(0)
        t, s = rng.normal(size=(2, 300))
        found = pidkd.decompose(t + s, t, s, estimator="gaussian")
        assert found.mi == found.synergistic == np.inf
        assert np.isfinite([found.redundant, found.unique_t, found.unique_s]).all()

    def test_nearly_determined_is_decomposed_and_not_corrected(self):
        rng = np.random.default_rng(0)
        t, s, noise = rng.normal(size=(3, 300))
        with pytest.warns(SmallSampleWarning, match="too near to singular to be corrected"):
            found = pidkd.decompose(t + s + 1e-8 * noise, t, s, estimator="gaussian")
        assert found.mi == pytest.approx(np.log2(1e8) + 0.5, abs=0.2)
        assert found.residual < 1e-12

    def test_fewer_samples_than_columns_are_refused(self):
        y, t, s = samples(9)
        with pytest.raises(InputError, match=r"expected more samples than the 9 columns of y, t and s, got 9; any"):
            pidkd.decompose(y, t, s, estimator="gaussian")

    def test_few_samples_are_warned_of(self):
        y, t, s = samples(12)
        with pytest.warns(SmallSampleWarning, match="12 samples of 9 independent columns"):
            pidkd.decompose(y, t, s, estimator="gaussian", n_draws=10)

    def test_labels_are_refused_with_the_estimators_that_fit(self):
        _, t, s = samples(100)
        with pytest.raises(IncompatibleInputError, match=r"expected Activations with a continuous target, got labels"):
            pidkd.decompose(np.arange(100) % 2, t, s, estimator="gaussian")
        with pytest.raises(InputError, match=r"whole numbers only; .*astype\(int\)"):
            pidkd.decompose((np.arange(100) % 2).astype(float), t, s, estimator="gaussian")

    def test_a_constant_target_is_refused_and_a_constant_source_knows_nothing(self):
        y, t, s = samples(100)
        with pytest.raises(InputError, match="a target that varies"):
            pidkd.decompose(np.full(100, 0.5), t, s, estimator="gaussian")
        found = pidkd.decompose(y, t, np.full(100, 0.5), estimator="gaussian")
        assert_atoms(found.atoms, 0, found.mi_t, 0, 0)

    def test_copula_sees_through_monotone_maps(self):
        y, t, s = samples(400)
        run = functools.partial(pidkd.decompose, estimator="gaussian", marginals="copula", debias="none")
        assert_atoms(run(np.exp(y), t**3, np.arctan(s)).atoms, *run(y, t, s).atoms.values(), within=1e-12)

    @pytest.mark.parametrize("shrinkage", ["oas", "ledoit_wolf"])
    def test_shrinkage_allows_for_few_samples(self, shrinkage):
        y, t, s = samples(8)
        found = pidkd.decompose(y, t, s, estimator="gaussian", shrinkage=shrinkage, debias="none")
        assert 0 < found.mi < np.inf
        with pytest.raises(InputError, match="'none' where the covariance is shrunk"):
            pidkd.decompose(y, t, s, estimator="gaussian", shrinkage=shrinkage)

    @pytest.mark.parametrize("debias", ["matching", "bootstrap", "venkatesh"])
    def test_corrected_atoms_come_with_bias_and_interval(self, debias):
        y, t, s = samples(300)
        run = functools.partial(pidkd.decompose, y, t, s, estimator="gaussian", n_draws=40)
        plain, found = run(debias="none"), run(debias=debias)
        assert found.residual < 1e-12
        assert min(found.atoms.values()) >= -1e-15
        for name in ATOMS:
            assert plain.atoms[name] - found.bias[name] == pytest.approx(found.atoms[name], abs=1e-12)
            low, high = found.interval[name]
            assert low < high
        assert found.atoms == run(debias=debias).atoms

    def test_a_counted_covariance_is_corrected_as_its_samples_are(self):
        y, t, s = samples(300)
        moments = pidkd.Moments()
        moments.update(y, t, s)
        run = functools.partial(pidkd.decompose, estimator="gaussian", debias="bootstrap", n_draws=400)
        here, there = run(y, t, s), run(moments.finish())
        assert here.information == pytest.approx(there.information, abs=1e-9)
        assert_atoms(here.atoms, *there.atoms.values(), within=0.05)


@pytest.mark.parametrize(
    ("cov", "dims", "message"),
    [
        ([[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]], (1, 1, 1), "symmetric covariance, got correlations that differ"),
        ([[1, 0.9, 0.9], [0.9, 1, 0], [0.9, 0, 1]], (1, 1, 1), "smallest eigenvalue -0.27"),
        (np.eye(3), (1, 1, 2), r"dims >= 1 \(d_y, d_t, d_s\) with sum 3, got \(1, 1, 2\)"),
        ([[1, 0, 0], [0, np.nan, 0], [0, 0, 1]], (1, 1, 1), "finite values, got nan"),
    ],
    ids=["asymmetric", "indefinite", "dims", "nan"],
)
def test_bad_covariances_are_refused(cov, dims, message):
    with pytest.raises(InputError, match=message):
        Gaussian(cov, dims)


def test_fewer_samples_than_variables_are_refused_of_a_covariance():
    with pytest.raises(InputError, match=r"Gaussian\(n_samples\): expected None, or a whole number > 3"):
        Gaussian(np.eye(3), (1, 1, 1), n_samples=3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"debias": "some"}, r"gaussian\(debias=...\): expected one of 'matching'"),
        ({"n_draws": 1}, r"gaussian\(n_draws=...\): expected a whole number from 2 to 1,000,000, got 1"),
        ({"level": 1.0}, r"gaussian\(level=...\): expected a probability between 0 and 1"),
        ({"marginals": "normal"}, r"gaussian\(marginals=...\)"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(InputError, match=message):
        pidkd.decompose(Gaussian(np.eye(3), (1, 1, 1)), **params)


def test_auto_means_this_one():
    assert pidkd.decompose(Gaussian(np.eye(3), (1, 1, 1))).method == "gaussian"
    y, t, s = samples(100)
    with pytest.raises(IncompatibleInputError, match="estimators that accept Activations: gaussian"):
        pidkd.decompose(Activations(y, t, s))


def test_every_pair_of_options_runs():
    y, t, s = samples(60)
    for debias, marginals in itertools.product(["matching", "none"], ["as_given", "copula"]):
        pidkd.decompose(y, t, s, estimator="gaussian", debias=debias, marginals=marginals, n_draws=10)


class TestAccelerator:
    """Batches in torch, on tensors of the CPU except where marked ``gpu``."""

    @pytest.fixture
    def on_tensors(self, monkeypatch):
        torch = pytest.importorskip("torch")
        tensors = lambda cov, device: cov if device == "cpu" else torch.as_tensor(cov)  # noqa: E731
        monkeypatch.setattr("pidkd.estimators.pid.gaussian.on_device", tensors)
        monkeypatch.setattr("pidkd.estimator.cuda_is_there", lambda: True)

    def assert_as_on_the_cpu(self, covs, dims, **params):
        found, known = (pidkd.decompose_batch(covs, dims=dims, device=device, **params) for device in ("cuda", "cpu"))
        for atom in ATOMS:
            np.testing.assert_allclose(getattr(found, atom), getattr(known, atom), atol=EXACT)
        assert list(found.status) == list(known.status)
        return found

    @pytest.mark.parametrize("dims", [(1, 1, 1), (3, 4, 2), (5, 2, 3)])
    def test_equals_the_numpy_path(self, on_tensors, dims):
        covs = np.stack([random_channel(seed, *dims)[0] for seed in range(30)])
        for confirm in (True, False):
            assert self.assert_as_on_the_cpu(covs, dims, confirm=confirm).finished_on_cpu == 0

    def test_closed_form(self, on_tensors):
        cov, dims = DOUBLING
        [result] = pidkd.decompose_batch(cov[None], dims=dims, device="cuda")
        assert result.unique_t == pytest.approx(half_log(5) - half_log(2), abs=EXACT)

    def test_what_is_singular_is_left_to_the_cpu_and_counted(self, on_tensors):
        covs = np.stack([random_channel(seed, 2, 2, 2)[0] for seed in range(4)])
        covs[2][:, 2:4] = covs[2][:, 4:]  # T is S
        covs[2][2:4] = covs[2][4:]
        assert self.assert_as_on_the_cpu(covs, (2, 2, 2)).finished_on_cpu == 1
        samples = [Gaussian(cov, (2, 2, 2), n_samples=100) for cov in covs[:2]]
        assert pidkd.decompose_batch(samples, device="cuda", n_draws=2).finished_on_cpu == 2

    def test_in_pieces_that_fit(self, on_tensors, monkeypatch):
        monkeypatch.setattr("pidkd.estimators.pid.gaussian.DEVICE_BYTES", 1000)
        self.assert_as_on_the_cpu(np.stack([random_channel(seed, 2, 2, 2)[0] for seed in range(10)]), (2, 2, 2))

    @pytest.mark.gpu
    def test_on_an_accelerator(self):
        covs = np.stack([random_channel(seed, 16, 24, 24)[0] for seed in range(50)])
        assert self.assert_as_on_the_cpu(covs, (16, 24, 24)).finished_on_cpu == 0
