"""The redundancy lattice: counts, order, inversion in integers."""

import itertools

import numpy as np
import pytest

from pidkd.antichains import SIZES, label, lattice, members
from pidkd.errors import InputError

SIZES_BUILT = {n: SIZES[n] for n in (1, 2, 3, 4)}


@pytest.mark.parametrize("n", SIZES_BUILT)
def test_there_are_as_many_as_dedekind_counted(n: int) -> None:
    assert len(lattice(n)) == len(set(lattice(n).labels)) == SIZES_BUILT[n]


@pytest.mark.parametrize("n", SIZES_BUILT)
def test_the_order_is_that_of_williams_and_beer(n: int) -> None:
    order = lattice(n)
    for i, upper in enumerate(order.antichains):
        for j, lower in enumerate(order.antichains):
            assert order.below[i, j] == all(any(a & b == a for a in lower) for b in upper)


@pytest.mark.parametrize("n", SIZES_BUILT)
def test_no_set_of_an_antichain_holds_another(n: int) -> None:
    for antichain in lattice(n).antichains:
        assert all(a & b != a for a, b in itertools.permutations(antichain, 2))


@pytest.mark.parametrize("n", SIZES_BUILT)
def test_the_moebius_inversion_is_exact(n: int) -> None:
    order = lattice(n)
    assert order.moebius.dtype == np.int64
    assert (order.moebius @ order.below == np.eye(len(order), dtype=np.int64)).all()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_edges_span_the_order(n: int) -> None:
    """The order is the transitive closure of the Hasse diagram, and no edge follows from the others."""
    order = lattice(n)
    reach = np.eye(len(order), dtype=bool)
    reach[order.covers[:, 1], order.covers[:, 0]] = True
    for _ in range(len(order).bit_length()):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    assert (reach == order.below).all()
    strict = (order.below & ~np.eye(len(order), dtype=bool)).astype(int)
    assert not (strict @ strict)[order.covers[:, 1], order.covers[:, 0]].any()


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_probabilities_of_events_by_their_margins(n: int) -> None:
    """Against counting, on every pattern of matching sources of a random table."""
    order, rng = lattice(n), np.random.default_rng(0)
    pattern = rng.dirichlet(np.ones(2**n))  # probability that exactly these sources match
    margin = np.array([sum(pattern[m] for m in range(2**n) if m & u == u) for u in range(2**n)])
    for i, antichain in enumerate(order.antichains):
        event = sum(pattern[m] for m in range(2**n) if any(m & a == a for a in antichain))
        assert order.inclusion[i] @ margin == pytest.approx(event, abs=1e-12)


def test_names() -> None:
    assert lattice(3).labels[0] == "{1}{2}{3}"
    assert lattice(3).labels[-1] == "{123}"
    assert (label(0b110), members(0b110)) == ("{23}", (1, 2))


@pytest.mark.parametrize("n", [0, 5, 9])
def test_other_numbers_of_sources_are_refused(n: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 4 sources, got"):
        lattice(n)


def test_an_antichain_that_is_none() -> None:
    with pytest.raises(InputError, match=r"got '\{1\}\{12\}'"):
        lattice(2).position("{1}{12}")
