"""Known information: published values, log ratios of densities, closed forms on samples."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_t

import pidkd
from pidkd.errors import InputError, UnknownNameError
from pidkd.synthetic import (
    additive_uniform,
    dense_normal,
    list_tasks,
    normal_cdf,
    sparse_normal,
    spiral,
    staircase,
    student,
    swissroll,
    task,
)

PUBLISHED = {
    "1v1-normal-0.75": 0.413,
    "1v1-additive-0.1": 1.709,
    "student-5-5-2": 0.448,
    "multinormal-dense-25-25": 1.292,
    "multinormal-sparse-5-5": 1.022,
    "spiral-sparse-5-5": 1.022,
    "normal_cdf-sparse-25-25": 1.022,
    "swissroll-1v1": 0.413,
}
SHAPES = {"dense-25": (25, 25), "cdf-sparse-25": (25, 25), "-5-5": (5, 5), "swissroll": (2, 1), "1v1": (1, 1)}


def canonical(x, y):
    return pidkd.mutual_information(x, y, estimator="gaussian", units="nats").value


@pytest.mark.parametrize("name", list_tasks())
def test_the_published_information_and_shapes(name):
    assert task(name).mi == pytest.approx(PUBLISHED[name], abs=5e-4)
    x, y = task(name).sample(7)
    assert (x.shape[1], y.shape[1]) == next(shape for part, shape in SHAPES.items() if part in name)
    assert len(x) == len(y) == 7


@pytest.mark.parametrize(
    "make", [lambda: sparse_normal(4, 3, 0.6), lambda: dense_normal(3, 6, 0.4), lambda: staircase()[2]]
)
def test_normal_samples_have_the_canonical_correlations(make):
    known = make()
    assert canonical(*known.sample(40_000)) == pytest.approx(known.mi, abs=0.03)


def test_staircase_divides_the_information_among_its_pairs():
    for step in staircase(d=5, values=(1.0, 3.0)):
        x, y = step.sample(50_000)
        each = [canonical(x[:, i], y[:, i]) for i in range(5)]
        assert each == pytest.approx(np.full(5, step.mi / 5), abs=0.02)


def test_cubic_staircase_is_the_cube():
    (plain,), (cubic,) = staircase(3, (2.0,)), staircase(3, (2.0,), cubic=True)
    assert cubic.mi == plain.mi
    assert (cubic.sample(9)[1] == plain.sample(9)[1] ** 3).all()
    assert cubic.name == "staircase-3-2-cubic"


@pytest.mark.parametrize(("d_x", "d_y", "df"), [(1, 1, 1), (5, 5, 2), (2, 3, 4)])
def test_student_is_the_mean_log_ratio_of_densities(d_x, d_y, df):
    known = student(d_x, d_y, df)
    x, y = known.sample(40_000)
    joint, of_x, of_y = (
        multivariate_t(shape=np.eye(values.shape[1]), df=df).logpdf(values) for values in (np.hstack([x, y]), x, y)
    )
    ratio = joint - of_x - of_y
    assert known.mi == pytest.approx(ratio.mean(), abs=4 * ratio.std() / 200)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.75])
def test_additive_uniform_by_quadrature(epsilon):
    def density(y):
        return max(0.0, min(1.0, y + epsilon) - max(0.0, y - epsilon)) / (2 * epsilon)

    ends = sorted([-epsilon, epsilon, 1 - epsilon, 1 + epsilon])
    entropy = sum(quad(lambda y: -density(y) * np.log(density(y)), a, b)[0] for a, b in pairwise(ends) if a < b)
    assert additive_uniform(epsilon).mi == pytest.approx(entropy - np.log(2 * epsilon), abs=1e-7)
    x, y = additive_uniform(epsilon).sample(1000)
    assert np.abs(y - x).max() <= epsilon


def test_maps_are_invertible():
    base = sparse_normal(3, 4)
    x, y = base.sample(100)
    turned_x, turned_y = spiral(base).sample(100)
    assert np.linalg.norm(turned_x, axis=1) == pytest.approx(np.linalg.norm(x, axis=1))
    assert (turned_x[:, 2] == x[:, 2]).all()
    assert (turned_y[:, [0, 3]] == y[:, [0, 3]]).all()
    angles = np.arctan2(turned_x[:, 1], turned_x[:, 0]) - np.arctan2(x[:, 1], x[:, 0])
    assert np.exp(1j * angles) == pytest.approx(np.exp(1j * (x**2).sum(axis=1) / 3))

    uniform = normal_cdf(sparse_normal(1, 1, 0.75, n_pairs=1))
    u, _ = uniform.sample(100)
    assert u.min() > 0
    assert u.max() < 1
    rolled, _ = swissroll(uniform).sample(100)
    radius = np.linalg.norm(rolled, axis=1)  # grows with the angle, so it names the place on the roll
    assert radius * 21 == pytest.approx(1.5 * np.pi * (1 + 2 * u[:, 0]))


def test_the_same_seed_draws_the_same():
    first, again, other = (task("spiral-sparse-5-5").sample(20, seed)[0] for seed in (1, np.random.default_rng(1), 2))
    assert (first == again).all()
    assert not (first == other).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sparse_normal(2, 5, n_pairs=3), r"sparse_normal\(n_pairs=...\): expected at most 2"),
        (lambda: sparse_normal(2, 5, rho=1.0), r"rho=...\): expected a correlation from -1 to less than 1, got 1.0"),
        (lambda: dense_normal(2, 5, rho=-0.1), r"rho=...\): expected a correlation from 0"),
        (lambda: sparse_normal(0, 5), r"sparse_normal\(d_x=...\): expected a whole number >= 1, got 0"),
        (lambda: student(5, 5, df=0), r"student\(df=...\): expected a whole number >= 1, got 0"),
        (lambda: additive_uniform(0.0), r"additive_uniform\(epsilon=...\): expected a number > 0"),
        (lambda: staircase(d=0), r"staircase\(d=...\): expected a whole number >= 1"),
        (lambda: staircase(values=[2, -1]), r"staircase\(values=...\): expected information in nats > 0, got -1"),
        (lambda: spiral(sparse_normal(2, 2)), r"spiral\(of\): expected X of at least 2 .*, got X of 2 and Y of 2"),
        (lambda: swissroll(sparse_normal(2, 2)), r"swissroll\(of\): expected X of 1 coordinate, got X of 2 and Y of 2"),
        (lambda: task("1v1-normal-0.75").sample(0), r"Task.sample\(n=...\): expected a whole number >= 1, got 0"),
        (lambda: task("1v1-normal-0.75").sample(2.5), r"Task.sample\(n=...\): expected a whole number >= 1, got 2.5"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_an_unknown_task_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"did you mean 'swissroll-1v1'\?"):
        task("swissroll-1")
