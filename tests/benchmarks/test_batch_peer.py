"""The published batch estimator, written anew: its scaling, its identities, and what it does with copies."""

from __future__ import annotations

import numpy as np
import pytest

from pidkd.benchmarks.contract import check_peer
from pidkd.benchmarks.peers import PEERS, find_peer
from pidkd.decomposition import decompose
from pidkd.errors import InputError
from pidkd.inputs import Posteriors

torch = pytest.importorskip("torch")

from pidkd.benchmarks.peers.batch import atoms, sinkhorn  # noqa: E402


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


@pytest.fixture
def data() -> Posteriors:
    """Two noisy views of one class, which are independent given it."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    logits = [2 * np.eye(3)[y] * 1.5 + rng.normal(size=(60, 3)) for _ in range(2)]
    return Posteriors(y, softmax(2 * logits[0]), softmax(2 * logits[1]), softmax(2 * logits[0] + 2 * logits[1]))


def test_sinkhorn_comes_to_the_margins_where_they_agree() -> None:
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    plan = sinkhorn(torch, torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)), p, p.flip(0)).exp()
    torch.testing.assert_close(plan.sum(2), p.T, rtol=0, atol=1e-5)
    torch.testing.assert_close(plan.sum(1), p.flip(0).T, rtol=0, atol=0.02)


def test_atoms_add_up_to_the_informations(data: Posteriors) -> None:
    half = Posteriors(data.y[30:], data.p_t[30:], data.p_s[30:], data.p_ts[30:])  # type: ignore[index]
    prior = np.bincount(data.y[:30], minlength=3) / 30
    of_t, of_s, of_ts = ((p * np.log2(p / prior)).sum(1).mean() for p in (half.p_t, half.p_s, half.p_ts))
    split = atoms(data, epochs=1)
    assert split["redundant"] + split["unique_t"] == pytest.approx(of_t, abs=1e-5)
    assert split["redundant"] + split["unique_s"] == pytest.approx(of_s, abs=1e-5)
    assert sum(split.values()) == pytest.approx(of_ts, abs=1e-5)
    assert atoms(data, epochs=1) == split


@pytest.mark.slow
def test_training_lowers_the_union(data: Posteriors) -> None:
    start, end = (atoms(data, epochs=epochs) for epochs in (0, 40))
    assert end["unique_t"] < start["unique_t"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pidkd.errors.ConvergenceWarning")
def test_it_is_a_peer(data: Posteriors) -> None:
    check_peer(PEERS.get("batch"), data)
    peer = find_peer("batch-1")
    assert peer is not None
    result = decompose(data, estimator=peer)
    assert result.certificate.status == "uncertified"
    with pytest.raises(InputError, match=r"bench: expected posteriors of both sources together, p_ts, got none"):
        atoms(Posteriors(data.y, data.p_t, data.p_s), epochs=1)
