"""Every door that counts samples into a table says when they are too few for it, once."""

import warnings

import numpy as np
import pytest

import pidkd
from pidkd.errors import one_of_each_kind

N = 4000
RNG = np.random.default_rng(0)
Y, Z, S, T = (RNG.integers(0, k, N) for k in (2, 2, 3, 3))
IDS = np.arange(N)

DOORS = {
    "decompose": lambda t: pidkd.decompose(Y, t, S),
    "decompose counts": lambda t: pidkd.decompose(pidkd.Codes(Y, t, S).pmf()),
    "mutual_information": lambda t: pidkd.mutual_information(Y, t),
    "union_information": lambda t: pidkd.union_information(Y, {"t": t, "s": S}),
    "contributions": lambda t: pidkd.contributions(Y, {"t": t, "s": S}),
    "decompose_lattice": lambda t: pidkd.decompose_lattice(Y, {"t": t, "s": S}),
    "lattice of counts": lambda t: pidkd.decompose_lattice(pidkd.Codes(Y, t, S).pmf()),
    "given": lambda t: pidkd.decompose(S, t, Y, given=Z),
    "information given": lambda t: pidkd.mutual_information(Y, t, given=Z),
    "compare": lambda t: pidkd.compare(Y, t, S, measures=["mmi"]),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("few", [True, False])
def test_few_samples_are_said_once(door, few):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        DOORS[door](IDS if few else T)
    told = [str(one.message) for one in caught if "may be bias" in str(one.message)]
    assert len(told) == few


def test_warnings_that_differ_in_numbers_are_one():
    assert one_of_each_kind(["gap 1e-3", "gap 2e-3", "other", "other"]) == [
        "gap 2e-3 (the worst of 2 such warnings)",
        "other (2 such warnings)",
    ]
