r"""Newton's system by elimination of the classes: for tables with more classes than cells.

:math:`M = D + U \Theta U^\top`, where D has one block
:math:`\begin{pmatrix} \mathrm{diag}\, r & Q \\ Q^\top & \mathrm{diag}\, c \end{pmatrix}` per class, and column (t, s)
of U holds :math:`p_y(t,s)(e_t + e_s)` for every y. Each D block is solved through the Laplacian
:math:`C - Q^\top R^{-1} Q` on the smaller source, factorised without subtraction, and only

.. math::

    K = I + \Theta^{1/2} U^\top D^+ U \Theta^{1/2}

of size n_t n_s remains, built in square-root form, so that :math:`K \succeq I` is never singular. Blocks with a large
slack are left out of K: there :math:`\mathrm{diag}(p) + \theta p p^\top` is within a bounded factor of
:math:`\mathrm{diag}(p)`, and conjugate gradients on the true M, preconditioned by this inverse, make up for them in a
few steps. One iteration costs
:math:`n_y n_s (n_t n_s)^2 / 2 + (n_t n_s)^3 / 6` multiplications and additions.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, lapack

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.iterate import Iterate, Workspace, apply

LARGEST_SLACK = 0.1
"""Blocks with more slack than this stay out of K."""
CHUNK_ENTRIES = 2**20
"""Entries of the square root of K held at a time."""
SCATTER = 400
"""Cost of adding to a scattered entry of K, in multiplications of a dense product."""
STEPS = 60
ACCURACY = 1e-8


class ClassSystem:
    """M of each member, factorised by classes."""

    def __init__(self, point: Iterate, workspace: Workspace) -> None:
        self.point = point
        self.members = [_Member(point, index, workspace) for index in range(len(point.p))]

    def solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Preconditioned conjugate gradients, member by member."""
        solved = [member.solve(f_a[i], f_b[i]) for i, member in enumerate(self.members)]
        return np.stack([da for da, _ in solved]), np.stack([db for _, db in solved])


class _Member:
    def __init__(self, point: Iterate, index: int, workspace: Workspace) -> None:
        self.index, self.workspace = index, workspace
        self.point = point.take(np.array([index]))
        self.q = np.ascontiguousarray(point.q[index].transpose(1, 0, 2))  # (y, t, s)
        with np.errstate(divide="ignore"):
            self.r_inverse = np.where(point.q_t[index] > 0, 1.0 / point.q_t[index], 0.0).T  # (y, t)
        self.l_inverse = _laplacian_factor(np.matmul((self.q * self.r_inverse[:, :, None]).transpose(0, 2, 1), self.q))
        chosen = (point.sigma[index] < LARGEST_SLACK) & (point.theta[index] > 0)
        self.t, self.s = np.nonzero(chosen)
        root = np.sqrt(point.theta[index][chosen])
        self.columns = point.p[index].transpose(1, 0, 2)[:, chosen] * root  # (y, block)
        self.k = self._factor() if len(self.t) else None

    def _factor(self) -> FloatArray:
        """The Cholesky factor of K over the chosen blocks."""
        n_blocks = len(self.t)
        across = np.matmul(self.l_inverse, (self.q * self.r_inverse[:, :, None]).transpose(0, 2, 1))  # (y, s, t)
        alive = np.any(self.l_inverse, axis=2)  # rows of L^-1 that are not grounded or isolated
        k = self.workspace.array(f"k {self.index}", (n_blocks, n_blocks)).T
        k.fill(0.0)
        share = (self.columns > 0).mean(axis=1)
        scattered = SCATTER * share**2 < alive.sum(axis=1)
        y, row = np.nonzero(alive & ~scattered[:, None])
        step = max(1, CHUNK_ENTRIES // n_blocks)
        for start in range(0, len(y), step):
            chosen = slice(start, start + step)
            root = self._root(across, y[chosen], row[chosen], np.arange(n_blocks))
            k = blas.dsyrk(1.0, root.T, beta=1.0, c=k, lower=1, overwrite_c=1)
        for one in np.flatnonzero(scattered & (share > 0)).tolist():
            touched = np.flatnonzero(self.columns[one] > 0)
            rows = np.flatnonzero(alive[one])
            root = self._root(across, np.full_like(rows, one), rows, touched)
            k[np.ix_(touched, touched)] += root.T @ root
        for t in np.unique(self.t):
            own = np.flatnonzero(self.t == t)
            part = self.columns[:, own] * np.sqrt(self.r_inverse[:, t])[:, None]
            k[np.ix_(own, own)] += part.T @ part
        diagonal = np.arange(n_blocks)
        k[diagonal, diagonal] += 1.0
        factor, info = lapack.dpotrf(k, lower=1, clean=0, overwrite_a=1)
        return np.full_like(k, np.nan) if info else np.asarray(factor)

    def _root(self, across: FloatArray, y: Array, row: Array, blocks: Array) -> FloatArray:
        """Rows of L^-1 (e_s - Q_t / r_t) p theta^1/2, the square root of K, over some blocks."""
        root, other = (self.workspace.array(name, (len(row), len(blocks))) for name in ("root", "other"))
        np.take(self.l_inverse[y, row], self.s[blocks], axis=1, out=root, mode="clip")
        root -= np.take(across[y, row], self.t[blocks], axis=1, out=other, mode="clip")
        root *= np.take(self.columns[:, blocks], y, axis=0, out=other, mode="clip")
        return root

    def _diagonal_solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """D^+ f, with f_a and da of shape (y, t)."""
        scaled = self.r_inverse * f_a
        right = f_b - np.matmul(scaled[:, None, :], self.q)[:, 0]
        db = np.matmul(self.l_inverse.transpose(0, 2, 1), np.matmul(self.l_inverse, right[:, :, None]))[:, :, 0]
        return scaled - self.r_inverse * np.matmul(self.q, db[:, :, None])[:, :, 0], db

    def _precondition(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(D + U Theta U^T)^+ f over the chosen blocks."""
        da, db = self._diagonal_solve(f_a.T, f_b)
        if self.k is None:
            return da.T, db
        weight = (self.columns * (da[:, self.t] + db[:, self.s])).sum(axis=0)
        weight = lapack.dpotrs(self.k, weight, lower=1)[0]
        pushed = np.zeros_like(self.q)
        pushed[:, self.t, self.s] = self.columns * weight
        less_a, less_b = self._diagonal_solve(pushed.sum(axis=2), pushed.sum(axis=1))
        return (da - less_a).T, db - less_b

    def solve(self, f_a: FloatArray, f_b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Conjugate gradients on M."""
        x_a, x_b = np.zeros_like(f_a), np.zeros_like(f_b)
        r_a, r_b = f_a.copy(), f_b.copy()
        z_a, z_b = self._precondition(r_a, r_b)
        d_a, d_b = z_a, z_b
        rho = first = float((r_a * z_a).sum() + (r_b * z_b).sum())
        for _ in range(STEPS):
            if not rho > ACCURACY**2 * first:
                break
            (m_a,), (m_b,) = apply(self.point, d_a[None], d_b[None])
            curvature = float((d_a * m_a).sum() + (d_b * m_b).sum())
            if not curvature > 0:
                break
            length = rho / curvature
            x_a += length * d_a
            x_b += length * d_b
            r_a -= length * m_a
            r_b -= length * m_b
            z_a, z_b = self._precondition(r_a, r_b)
            rho, before = float((r_a * z_a).sum() + (r_b * z_b).sum()), rho
            d_a, d_b = z_a + rho / before * d_a, z_b + rho / before * d_b
        return x_a, x_b


def _laplacian_factor(weights: FloatArray) -> FloatArray:
    """L^-1 with L L^T the Laplacian of each graph, the heaviest vertex grounded; shape (y, s, s).

    Vertices are eliminated in order of mass by adding only: the pivot is the sum of the edges that remain, so nothing
    cancels, and L^-1 has no negative entry.
    """
    n_y, n_s, _ = weights.shape
    order = np.argsort(weights.sum(axis=2), axis=1, kind="stable")
    w = np.take_along_axis(np.take_along_axis(weights, order[:, :, None], 1), order[:, None, :], 2)
    inverse = np.zeros_like(w)
    s = np.arange(n_s)
    inverse[:, s, s] = 1.0
    pivots = np.zeros((n_y, n_s))
    for i in range(n_s - 1):
        edges = w[:, i + 1 :, i]
        pivot = edges.sum(axis=1)
        pivots[:, i] = pivot
        share = np.divide(edges, pivot[:, None], out=np.zeros_like(edges), where=pivot[:, None] > 0)
        w[:, i + 1 :, i + 1 :] += share[:, :, None] * edges[:, None, :]
        inverse[:, i + 1 :, : i + 1] += share[:, :, None] * inverse[:, None, i, : i + 1]
    scale = np.divide(1.0, np.sqrt(pivots), out=np.zeros_like(pivots), where=pivots > 0)
    inverse *= scale[:, :, None]
    back = np.argsort(order, axis=1)
    return np.take_along_axis(inverse, back[:, None, :], 2)
