r"""The interior point of ``interior_point`` in torch: thousands of tables of one shape, on an accelerator.

The same equations, start and steps as there, with the system of ``newton_cells``, every operation over the whole batch.
It is one quick attempt on the tables as they are, without reduction and without second tries. A member is done when
complementarity and infeasibility are below the tolerance; whether that is enough, ``certificate`` says. The rest is for
the chain that does not fail.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pidkd.arrays import Array, FloatArray
from pidkd.estimators.solvers.union.certificate import Potentials, bounds_of_many
from pidkd.estimators.solvers.union.interior_point import FLOOR, INSIDE, LARGEST_MOVE, MARGIN
from pidkd.estimators.solvers.union.newton_cells import PINNED, SHIFT

ITERATIONS = 60
"""What has not converged by then is hard, and the chain knows more than one way."""
CAUTION = 0.1
"""As in ``interior_point.Attempt``."""
DONE = 0.1
"""Share of the tolerance that complementarity and infeasibility may have in the end."""
CHUNK_BYTES = {"cpu": 2**21, "cuda": 2**32}
"""Memory that the tables solved together may take: a cache, or a part of an accelerator."""
BLOCK_BYTES = 2**19
"""Plans that are certified together, in cache."""


class Answers(NamedTuple):
    r"""Bounds on Uni(Y:T\S) of some members in nats, with their witnesses, as ``bounds_of_many`` gives them."""

    members: slice
    lower: FloatArray
    upper: FloatArray
    plan: FloatArray
    potentials: Potentials
    iterations: Array


def memory(shape: tuple[int, int, int]) -> int:
    """Bytes that one table takes on the device."""
    n_y, n_t, n_s = shape
    cells, square = n_y * n_t * n_s, (n_y * min(n_t, n_s)) ** 2
    return 8 * (3 * n_y * cells + 20 * cells + 3 * square)


def solve_many(p: FloatArray, tol: float, device: str) -> Iterator[Answers]:
    """Solve and certify many tables, some members a time.

    Parameters
    ----------
    p : array, shape (n_batch, n_y, n_t, n_s)
    tol : float
        Gap in nats to aim for; a member that misses it comes all the same, with the bounds that were reached.
    device : {"cpu", "cuda"}
        Where torch computes, in float64.
    """
    n_y, n_t, n_s = p.shape[1:]
    swapped = n_t < n_s
    together = max(1, CHUNK_BYTES[device] // memory((n_y, n_t, n_s)))
    block = max(1, BLOCK_BYTES // (8 * n_y * n_t * n_s))
    for start in range(0, len(p), together):
        chunk = p[start : start + together]
        yt, ys = chunk.sum(axis=3).transpose(0, 2, 1), chunk.sum(axis=2)
        if swapped:
            yt, ys = ys.transpose(0, 2, 1), yt.transpose(0, 2, 1)
        yt, ys = (np.ascontiguousarray(marginal) for marginal in (yt, ys))
        solved = _solve(torch.as_tensor(yt, device=device), torch.as_tensor(ys, device=device), tol)
        q, a, b, iterations = (tensor.cpu().numpy() for tensor in solved)
        plan, a = q.transpose(0, 2, 1, 3), a.transpose(0, 2, 1)
        if swapped:
            plan, a, b = plan.transpose(0, 1, 3, 2), b, a
        for first in range(0, len(chunk), block):
            some = slice(first, first + block)
            proven = bounds_of_many(chunk[some], plan[some], (a[some], b[some]))
            yield Answers(slice(start + first, start + min(first + block, len(chunk))), *proven, iterations[some])


@dataclass
class _State:
    """Unknowns and data of the members still at work, over (member, t, y, s) or what of it they depend on."""

    members: Tensor
    yt: Tensor
    ys: Tensor
    nu: Tensor
    a: Tensor
    b: Tensor
    w: Tensor
    sigma: Tensor

    def take(self, chosen: Tensor) -> _State:
        return _State(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


def _solve(yt: Tensor, ys: Tensor, tol: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n_batch, n_t, n_y = yt.shape
    q = yt.new_zeros(n_batch, n_t, n_y, ys.shape[2])
    a, b = yt.new_full(yt.shape, torch.nan), ys.new_full(ys.shape, torch.nan)
    iterations = torch.zeros(n_batch, dtype=torch.int64, device=yt.device)
    state = _start(yt, ys)
    for _ in range(ITERATIONS):
        total, p = _softmax(state.a, state.b)
        total[state.w == 0] = -1.0
        plan = state.w[:, :, None, :] * p
        gap = (state.w * state.sigma).sum((1, 2))
        r_a, r_b = state.yt - plan.sum(3), state.ys - plan.sum(1)
        residual = state.sigma + total
        outside = (state.w * residual.abs()).sum((1, 2)) + r_a.abs().sum((1, 2)) + r_b.abs().sum((1, 2))
        iterations[state.members] += 1
        going = gap + outside > DONE * tol  # nan stops
        if not going.all():
            ended = state.members[~going]
            q[ended], a[ended], b[ended] = plan[~going], state.a[~going], state.b[~going]
            if not going.any():
                break
            state = state.take(going)
            p, plan, gap, r_a, r_b, residual = (v[going] for v in (p, plan, gap, r_a, r_b, residual))
        _step(state, p, plan, gap, r_a, r_b, residual, tol)
    return q, a, b, iterations


def _start(yt: Tensor, ys: Tensor) -> _State:
    """The conditionally independent plan, its slack, and the weights of the path, as in ``interior_point._start``."""
    y = ys.sum(2)
    half = torch.where(y > 0, y.log() / 2, 0.0)
    a, b = yt.log() - half[:, None, :], ys.log() - half[:, :, None]
    w = a.exp() @ b.exp()
    absent = w == 0
    t, s = yt.sum(2), ys.sum(1)
    a = a - torch.where(t > 0, t.log(), 0.0)[:, :, None]
    b = b - torch.where(s > 0, s.log(), 0.0)[:, None, :]
    total, _ = _softmax(a, b)
    excess = torch.where(absent, -torch.inf, total).amax((1, 2))[:, None, None] + INSIDE
    nu = w / w.sum((1, 2), keepdim=True)
    members = torch.arange(len(yt), device=yt.device)
    return _State(members, yt, ys, nu, a - excess, b, w, torch.where(absent, 1.0, excess - total))


def _softmax(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """LSE_y(a + b) and softmax_y(a + b); a block without any y has -inf and zeros."""
    p = (a[:, :, :, None] + b[:, None, :, :]).exp_()
    total = p.sum(2)
    p /= torch.where(total > 0, total, 1.0)[:, :, None, :]
    return total.log(), p


def _step(
    state: _State, p: Tensor, plan: Tensor, gap: Tensor, r_a: Tensor, r_b: Tensor, residual: Tensor, tol: float
) -> None:
    """Mehrotra's predictor, corrector and step, as in ``interior_point._step``."""
    w, sigma = state.w, state.sigma
    system = _CellSystem(state, p, plan)

    def direction(target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        less = p * ((target + w * residual) / sigma)[:, :, None, :]
        da, db = system.solve(r_a - less.sum(3), r_b - less.sum(1))
        d_sigma = -((da[:, :, :, None] + db[:, None, :, :]) * p).sum(2) - residual
        return da, db, (target - w * d_sigma) / sigma, d_sigma

    def ratio(dw: Tensor, d_sigma: Tensor) -> Tensor:
        rate = torch.maximum(-dw / torch.where(w > 0, w, 1.0), -d_sigma / sigma).amax((1, 2))
        return 1.0 / rate.clamp(min=torch.finfo(rate.dtype).tiny)

    _, _, dw, d_sigma = direction(-w * sigma)
    reach = ratio(dw, d_sigma).clamp(max=1.0)[:, None, None]
    ahead = ((w + reach * dw) * (sigma + reach * d_sigma)).sum((1, 2))
    behind = CAUTION * (w * residual.abs()).sum((1, 2))
    aim = torch.maximum(((ahead / gap) ** 3).clamp(min=1e-6) * gap, behind).clamp(min=FLOOR * tol)
    damping = torch.where(reach < 0.1, reach**2, 1.0)
    da, db, dw, d_sigma = direction(aim[:, None, None] * state.nu - w * sigma - damping * dw * d_sigma)

    step = (ratio(dw, d_sigma) * (1.0 - gap).clamp(min=MARGIN)).clamp(max=1.0)
    largest = torch.maximum(da.abs().amax((1, 2)), db.abs().amax((1, 2)))
    step = torch.minimum(step, LARGEST_MOVE / largest.clamp(min=LARGEST_MOVE * 1e-3))[:, None, None]
    state.a, state.b = state.a + step * da, state.b + step * db
    state.w, state.sigma = w + step * dw, sigma + step * d_sigma


class _CellSystem:
    """M of each member by elimination of the teacher's cells, as in ``newton_cells``.

    Outside the support p and q are zero, and a one on the diagonal keeps such an unknown at zero.
    """

    def __init__(self, state: _State, p: Tensor, plan: Tensor) -> None:
        n_batch, _, n_y, n_s = p.shape
        weighted = (state.w * (1.0 / state.sigma - 1.0))[:, :, None, :] * p
        teacher = weighted @ p.transpose(2, 3)
        diagonal = teacher.diagonal(dim1=2, dim2=3)
        diagonal += plan.sum(3)
        diagonal[state.yt == 0] = 1.0
        lower = _cholesky(teacher.flatten(0, 1), diagonal.flatten(0, 1)).view_as(teacher)
        identity = torch.eye(n_y, dtype=p.dtype, device=p.device).expand_as(lower)
        self.l_inverse = torch.linalg.solve_triangular(lower, identity, upper=False)

        between = weighted[:, :, :, None, :] * p[:, :, None, :, :]
        between.diagonal(dim1=2, dim2=3).add_(plan.transpose(2, 3))
        self.v = (self.l_inverse @ between.flatten(3)).flatten(1, 2)
        student = weighted.permute(0, 3, 2, 1) @ p.permute(0, 3, 1, 2)
        student.diagonal(dim1=2, dim2=3).add_(plan.sum(1).transpose(1, 2))
        whole = p.new_zeros(n_batch, n_y, n_s, n_y, n_s)
        whole.diagonal(dim1=2, dim2=4).copy_(student.permute(0, 2, 3, 1))
        whole = whole.view(n_batch, n_y * n_s, n_y * n_s)
        diagonal = whole.diagonal(dim1=1, dim2=2)
        diagonal[state.ys.flatten(1) == 0] = 1.0
        pinned = state.ys.argmax(2) + torch.arange(n_y, device=p.device) * n_s
        diagonal.scatter_(1, pinned, PINNED)
        kept = diagonal.clone()
        self.factor = _cholesky(torch.baddbmm(whole, self.v.mT, self.v, alpha=-1.0), kept)

    def solve(self, f_a: Tensor, f_b: Tensor) -> tuple[Tensor, Tensor]:
        """Forward elimination, student side, back substitution."""
        head = (self.l_inverse @ f_a[:, :, :, None]).flatten(1, 2)
        tail = f_b.flatten(1)[:, :, None] - self.v.mT @ head
        db = torch.cholesky_solve(tail, self.factor)
        head = (head - self.v @ db).view(*f_a.shape, 1)
        return (self.l_inverse.mT @ head)[:, :, :, 0], db.view_as(f_b)


def _cholesky(matrices: Tensor, before: Tensor) -> Tensor:
    """Lower factors of matrices (n, d, d) that rounding may have made indefinite.

    Where one has, its diagonal is raised by a multiple of ``before``, what it was before anything was subtracted from
    it, and no more than it takes; where nothing helps, the factor is nan.
    """
    factors: Tensor
    factors, info = torch.linalg.cholesky_ex(matrices)
    shift = SHIFT
    while shift < 1.0 and (info > 0).any():
        bad = (info > 0).nonzero()[:, 0]
        raised = matrices[bad]
        raised.diagonal(dim1=1, dim2=2).add_(shift * before[bad] + torch.finfo(before.dtype).tiny)
        factors[bad], info[bad] = torch.linalg.cholesky_ex(raised)
        shift *= 100.0
    factors[info > 0] = torch.nan
    return factors
