"""Known atoms: published values, quadrature, the exact solver on quantised sources, and what the samples look like."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import pidkd
from pidkd.errors import InputError, UnknownNameError
from pidkd.synthetic import Component, Look, Problem, levels, list_problems, problem, scale, shift


def quantised(look, n_cells):
    """p(y, cell) with cells of equal mass, merged from the look's own grid."""
    table = look.table(steps=20)
    cells = np.minimum((np.cumsum(table.sum(axis=0)) * n_cells).astype(int), n_cells - 1)
    return np.stack([np.bincount(cells, weights=row, minlength=n_cells) for row in table])


def exact(t, s):
    """BROJA of two tables p(y, t) and p(y, s); the sources are drawn independently given y."""
    return pidkd.decompose(pidkd.Pmf(t[:, :, None] * s[:, None, :] / t.sum(axis=1)[:, None, None]), units="nats")


def union(result):
    return result.redundant + result.unique_t + result.unique_s


@pytest.mark.parametrize(
    ("name", "known_union", "redundant"), [("k4-unique", 0.6666, 0.0), ("k8-mixed", 1.1934, 0.2911)]
)
def test_values_computed_elsewhere(name, known_union, redundant):
    assert problem(name).union == pytest.approx(known_union, abs=5e-5)
    assert problem(name).atoms["redundant"] == pytest.approx(redundant, abs=5e-5)


@pytest.mark.parametrize("m", [0.7, 1.5, 3.0])
def test_information_of_a_shift_by_quadrature(m):
    def given(x):  # of the value 1; the other one tells as much
        return norm.pdf(x, m) * (np.log(2) - np.logaddexp(0, -2 * m * x))

    assert Component(shift(m)).information.t == pytest.approx(quad(given, m - 9, m + 9)[0], abs=1e-9)


def test_information_of_a_scale_by_quadrature():
    def given(x, sd):
        other = norm.pdf(x, scale=4.0 - sd)
        return norm.pdf(x, scale=sd) * np.log(2 / (1 + other / norm.pdf(x, scale=sd)))

    known = sum(quad(given, -12 * sd, 12 * sd, args=(sd,), points=[0])[0] for sd in (1.0, 3.0)) / 2
    assert Component(s=scale(3.0)).information.s == pytest.approx(known, abs=1e-8)


def test_the_exact_solver_on_finely_quantised_sources_comes_close_from_below():
    crossing = problem("bin-cross")
    found = union(exact(quantised(shift(0.7), 60), quantised(scale(3.0), 60)))
    assert crossing.union - 1e-3 < found <= crossing.union + 1e-9


def test_union_information_adds_over_independent_components():
    one = quantised(shift(0.7), 4), quantised(scale(3.0), 4)
    other = quantised(shift(1.5), 4), quantised(shift(0.9), 4)
    product = [np.kron(a, b) for a, b in zip(one, other, strict=True)]
    assert union(exact(*product)) == pytest.approx(union(exact(*one)) + union(exact(*other)), abs=1e-8)


def test_the_noisier_of_two_equal_looks_has_nothing_unique():
    blurred = exact(quantised(levels(4, 0.4), 20), quantised(levels(4, 0.8), 20))
    truth = Component(levels(4, 0.4), levels(4, 0.8))
    assert blurred.unique_s == pytest.approx(0.0, abs=2e-3)
    assert truth.union == truth.information.t


@pytest.mark.parametrize("name", list_problems())
def test_atoms_are_not_negative_and_at_most_the_entropy(name):
    each = problem(name)
    assert min(each.atoms.values()) > -1e-12
    assert sum(each.atoms.values()) == pytest.approx(each.information.both)
    assert each.information.both < each.entropy


def test_extreme_problems():
    assert sum(problem("k4-null").atoms.values()) == pytest.approx(0.0, abs=1e-12)
    copy = problem("k8-copy")
    assert copy.atoms["redundant"] > 0.97 * copy.entropy
    assert copy.atoms["synergistic"] == 0.0
    assert problem("k100-levels").n_classes == 100


@pytest.mark.parametrize("name", list_problems())
def test_samples_have_the_declared_shapes_and_uniform_labels(name):
    each = problem(name, d=12)
    data = each.sample(2000)
    assert data.t.shape == data.s.shape == (2000, 12)
    counts = np.bincount(data.y, minlength=each.n_classes)
    assert len(counts) == each.n_classes
    assert counts == pytest.approx(
        np.full(each.n_classes, 2000 / each.n_classes), abs=5 * (2000 / each.n_classes) ** 0.5
    )


def test_a_source_sees_what_its_look_says():
    data = Problem("", "", [Component(shift(1.2), scale(3.0))], d=1, warped=False).sample(40_000)
    t, s = (np.array([[x[data.y == k].mean(), x[data.y == k].std()] for k in (0, 1)]) for x in (data.t, data.s))
    assert np.abs(t) == pytest.approx(np.array([[1.2, 1.0], [1.2, 1.0]]), abs=0.03)
    assert t[0, 0] == pytest.approx(-t[1, 0], abs=0.03)
    assert s == pytest.approx(np.array([[0.0, 1.0], [0.0, 3.0]]), abs=0.06)


def test_a_chained_source_is_the_other_with_noise_of_its_own():
    component = Component(levels(3, 0.3), levels(3, 0.5), chained=True)
    t, s = component.draw(np.random.default_rng(0).integers(3, size=40_000), np.random.default_rng(1))
    added = (s - t)[:, 0]
    assert added.std() == pytest.approx(0.4, abs=0.01)
    assert np.corrcoef(added, t[:, 0])[0, 1] == pytest.approx(0.0, abs=0.02)


def test_rotation_and_warp_can_be_undone():
    plain, warped = (
        Problem("", "", [Component(shift(1.0), shift(1.0))], d=6, warped=w).sample(500) for w in (False, True)
    )
    assert warped.t == pytest.approx(np.arcsinh(plain.t) + 0.2 * plain.t)
    within = plain.t - np.stack([plain.t[plain.y == k].mean(axis=0) for k in (0, 1)])[plain.y]
    assert np.linalg.eigvalsh(np.cov(within.T)) == pytest.approx(np.ones(6), abs=0.3)


def test_the_same_seed_draws_the_same():
    first, again, other = (problem("k8-mixed").sample(50, seed) for seed in (3, np.random.default_rng(3), 4))
    assert (first.t == again.t).all()
    assert (first.y == again.y).all()
    assert not (first.t == other.t).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: levels(3, 0.0), r"Look\(means, sds\): expected as many of each, deviations above 0"),
        (lambda: levels(0, 1.0), r"Look\(means, sds\)"),
        (lambda: Component(), "at least one look"),
        (lambda: Component(shift(1.0), levels(3, 0.5)), "looks at the same values"),
        (lambda: Component(levels(3, 0.5), Look((0.0, 1.0, 3.0), (0.5,) * 3)), "same means"),
        (lambda: Component(shift(1.0), scale(2.0), chained=True), "same means"),
        (lambda: problem("k8-mixed", d=1), r"Problem\(d=...\): expected at least 2, one for each .* got 1"),
        (lambda: problem("k8-mixed").sample(0), r"sample\(n=...\): expected a whole number >= 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_an_unknown_problem_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"did you mean 'k8-mixed'\?"):
        problem("k8-mix")


@pytest.mark.parametrize("name", ["k4-unique", "k8-mixed", "k8-copy", "bin-cross"])
def test_exact_posteriors_have_the_known_informations(name):
    each = problem(name)
    data = each.posteriors(20_000, seed=1)
    assert np.array_equal(data.y, each.sample(20_000, seed=1).y)
    rows = np.arange(len(data.y))
    for p, known in zip((data.p_t, data.p_s, data.p_ts), each.information, strict=True):
        logs = np.log(p[rows, data.y]) + each.entropy
        assert logs.mean() == pytest.approx(known, abs=4 * logs.std() / len(rows) ** 0.5 + 1e-12)
        assert np.bincount(data.y) / len(rows) == pytest.approx(p.mean(axis=0), abs=0.02)  # calibrated on average


def test_posteriors_of_a_chain_are_those_of_the_less_noisy_source():
    noisy_t = Problem("", "", [Component(levels(3, 0.5), levels(3, 0.4), chained=True)]).posteriors(50)
    assert np.array_equal(noisy_t.p_ts, noisy_t.p_s)
