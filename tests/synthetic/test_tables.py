import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

from pidkd.errors import InputError, UnknownNameError
from pidkd.info import information
from pidkd.synthetic import gate, histogram, list_gates, random_pmf

PUBLISHED = {
    "rdn": (1, 0, 0, 0),
    "unq": (0, 1, 1, 0),
    "unq1": (0, 1, 0, 0),
    "xor": (0, 0, 0, 1),
    "and": (0.3113, 0, 0, 0.5),
    "or": (0.3113, 0, 0, 0.5),
    "sum": (0.5, 0, 0, 1),
    "rdnxor": (1, 0, 0, 1),
    "rdnunqxor": (1, 1, 1, 1),
    "imperfect_rdn": (0.9896, 0.0104, 0, 0),
    "copy": (0.2781, 0.7219, 0.7219, 0),
    "example1": (0, 0, 1, 0),
    "example2_signal": (0.7219, 0, 0, 0),
    "example2_nuisance": (0, 0.7219, 0, 0),
    "example3": (0, 0, 0, 1),
    "rdnerr": (0.1887, 0.8113, 0, 0),
    "pwunq": (0.5, 0, 0, 0.5),
}
"""Four digits, from the RID paper's examples and from Finn and Lizier 2018."""


@pytest.mark.parametrize("name", list_gates())
def test_the_atoms_of_a_gate_add_up_to_the_information_in_its_table(name: str) -> None:
    g = gate(name)
    t, s, both = (value / math.log(2) for value in information(g.pmf.p))
    assert g.redundant + g.unique_t == pytest.approx(t, abs=1e-14)
    assert g.redundant + g.unique_s == pytest.approx(s, abs=1e-14)
    assert sum(g.atoms.values()) == pytest.approx(both, abs=1e-13)
    assert min(g.atoms.values()) >= 0


@pytest.mark.parametrize(("name", "atoms"), PUBLISHED.items())
def test_the_atoms_of_a_gate_are_the_published_ones(name: str, atoms: tuple[float, ...]) -> None:
    assert list(gate(name).atoms.values()) == pytest.approx(atoms, abs=5e-5)


@pytest.mark.parametrize("name", ["imperfect_rdn", "rdnerr", "pwunq", "bsc", "example2_signal"])
def test_a_source_whose_channel_degrades_to_the_other_has_nothing_unique(name: str) -> None:
    """Blackwell: where P(s|y) = sum_t K(s|t) P(t|y) for a channel K, S has nothing unique."""
    g = gate(name)
    p_yt, p_ys = g.pmf.p.sum(axis=2), g.pmf.p.sum(axis=1)
    t_given_y, s_given_y = (joint / joint.sum(axis=1, keepdims=True) for joint in (p_yt, p_ys))
    assert max(nnls(t_given_y, column)[1] for column in s_given_y.T) < 1e-14
    assert g.unique_s == 0


def test_names_of_gates_ignore_case() -> None:
    assert gate("RdnXor").atoms == gate("rdnxor").atoms


def test_an_unknown_gate_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'xor'\?"):
        gate("xorr")


@pytest.mark.parametrize("concentration", [1e-3, 0.05, 1.0, 10.0])
@pytest.mark.parametrize("support", [1e-9, 0.3, 1.0])
def test_random_tables_are_tables_however_concentrated(concentration: float, support: float) -> None:
    for seed in range(20):
        p = random_pmf((3, 4, 5), concentration, support, seed).p
        assert p.shape == (3, 4, 5)
        assert p.sum() == pytest.approx(1.0, abs=1e-14)
        assert p.max() > 0


def test_random_tables_follow_the_dirichlet_law() -> None:
    concentration, cells = 0.3, 8
    draws = np.array([random_pmf((2, 2, 2), concentration, rng=seed).p.ravel() for seed in range(4000)])
    variance = (1 / cells) * (1 - 1 / cells) / (cells * concentration + 1)
    assert draws.mean() == pytest.approx(1 / cells)
    assert draws.var() == pytest.approx(variance, rel=0.03)


def test_support_is_the_share_of_positive_cells() -> None:
    share = np.mean([(random_pmf((5, 10, 10), support=0.4, rng=seed).p > 0).mean() for seed in range(50)])
    assert share == pytest.approx(0.4, abs=0.015)


def test_a_histogram_counts_samples() -> None:
    pmf = random_pmf((2, 3, 4), rng=1)
    counted = histogram(pmf, 250, rng=2)
    assert counted.n_samples == 250
    assert counted.p * 250 == pytest.approx(np.round(counted.p * 250), abs=1e-10)
    assert histogram(pmf, 10**7, rng=3).p == pytest.approx(pmf.p, abs=2e-3)


def test_the_same_seed_draws_the_same_table() -> None:
    assert (random_pmf((3, 3, 3), 0.5, 0.5, 7).p == random_pmf((3, 3, 3), 0.5, 0.5, np.random.default_rng(7)).p).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"concentration": 0.0},
        {"concentration": float("nan")},
        {"concentration": "small"},
        {"support": 0.0},
        {"support": 1.5},
        {"shape": (2, 0, 2)},
    ],
)
def test_parameters_out_of_range_are_named(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        random_pmf(**{"shape": (2, 2, 2), **bad})


@pytest.mark.parametrize("n_samples", [0, 2.5, "3"])
def test_a_histogram_of_no_number_of_samples_is_refused(n_samples: Any) -> None:
    with pytest.raises(InputError, match="n_samples"):
        histogram(random_pmf((2, 2, 2)), n_samples)
