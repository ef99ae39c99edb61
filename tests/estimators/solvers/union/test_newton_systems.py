"""The three factorisations of M solve the same equations."""

import numpy as np
import pytest

from pidkd.estimators.solvers.union.iterate import Iterate, Marginals, Workspace, apply
from pidkd.estimators.solvers.union.newton_cells import CellSystem
from pidkd.estimators.solvers.union.newton_classes import ClassSystem
from pidkd.estimators.solvers.union.newton_extended import ExtendedSystem

SHAPES = [(2, 3, 3), (3, 7, 4), (12, 4, 3), (1, 2, 2), (5, 6, 1)]


def point(shape: tuple[int, int, int], masked: bool, seed: int = 0) -> Iterate:
    rng = np.random.default_rng(seed)
    p = rng.gamma(1.0, size=(2, *shape))
    if masked:
        p[:, 0, :1, :] = 0.0
        p[:, -1, :, -1:] = 0.0
        p[:, 0, 1:, :] += 0.1
    p /= p.sum(axis=(1, 2, 3), keepdims=True)
    marginals = Marginals(np.ascontiguousarray(p.sum(axis=3).transpose(0, 2, 1)), p.sum(axis=2), shape[2:])
    z = marginals.a[:, :, :, None] + marginals.b[:, None, :, :]
    mass = np.exp(z)
    total = mass.sum(axis=2)
    softmax = np.divide(mass, total[:, :, None, :], out=np.zeros_like(mass), where=mass > 0)
    w = total * rng.uniform(0.5, 2.0, total.shape)
    sigma = rng.uniform(0.01, 2.0, total.shape)
    return Iterate(marginals, np.where(w > 0, np.log(np.where(w > 0, total, 1.0)), -1.0), softmax, w, sigma)


@pytest.mark.parametrize(
    ("shape", "masked"), [(shape, False) for shape in SHAPES] + [(shape, True) for shape in SHAPES[:3]]
)
@pytest.mark.parametrize("system", [CellSystem, ClassSystem, ExtendedSystem])
def test_solution_satisfies_the_equations(system, shape, masked):
    at = point(shape, masked)
    rng = np.random.default_rng(1)
    moved = rng.normal(size=at.marginals.yt.shape), rng.normal(size=at.marginals.ys.shape)
    f_a, f_b = apply(at, *moved)
    da, db = system(at, Workspace()).solve(f_a, f_b)
    g_a, g_b = apply(at, da, db)
    scale = np.abs(f_a).max()
    np.testing.assert_allclose(g_a, f_a, atol=2e-8 * scale)
    np.testing.assert_allclose(g_b, f_b, atol=2e-8 * scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_three_agree_on_what_the_gauge_leaves_free(shape):
    at = point(shape, masked=False)
    rng = np.random.default_rng(2)
    f_a, f_b = apply(at, rng.normal(size=at.marginals.yt.shape), rng.normal(size=at.marginals.ys.shape))
    sums = []
    for system in (CellSystem, ClassSystem, ExtendedSystem):
        da, db = system(at, Workspace()).solve(f_a, f_b)
        sums.append(da[:, :, :, None] + db[:, None, :, :])
    scale = np.abs(sums[2]).max()
    np.testing.assert_allclose(sums[0], sums[2], atol=1e-8 * scale)
    np.testing.assert_allclose(sums[1], sums[2], atol=1e-6 * scale)


def test_a_symmetric_operator():
    at = point((3, 4, 2), masked=False)
    rng = np.random.default_rng(3)
    x = rng.normal(size=at.marginals.yt.shape), rng.normal(size=at.marginals.ys.shape)
    y = rng.normal(size=at.marginals.yt.shape), rng.normal(size=at.marginals.ys.shape)

    def inner(u, v):
        return sum((a * b).sum(axis=(1, 2)) for a, b in zip(u, v, strict=True))

    np.testing.assert_allclose(inner(x, apply(at, *y)), inner(y, apply(at, *x)), rtol=1e-12)
