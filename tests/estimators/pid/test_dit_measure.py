import time

import numpy as np
import pytest

from pidkd import Pmf, decompose, decompose_batch
from pidkd.errors import ConvergenceWarning, InputError, SolverError, UnknownNameError
from pidkd.synthetic import gate, random_pmf

dit = pytest.importorskip("dit")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::pidkd.errors.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::pidkd.errors.NegativeAtomWarning"),
]


def test_dits_measures_are_found_by_name() -> None:
    from pidkd.estimators.pid.dit_measure import list_measures

    assert {"broja", "ccs", "wb", "gh", "skar_nw"} <= set(list_measures())
    with pytest.raises(UnknownNameError, match="did you mean 'broja'"):
        decompose(gate("and").pmf, estimator="dit_measure", measure="brojja")


@pytest.mark.parametrize("name", ["and", "xor", "unq", "bsc", "imperfect_rdn"])
@pytest.mark.parametrize(("measure", "estimator"), [("wb", "i_min"), ("mmi", "mmi"), ("GK", "gk")])
def test_measures_that_pidkd_has_too(name: str, measure: str, estimator: str) -> None:
    pmf = gate(name).pmf
    theirs, ours = decompose(pmf, estimator="dit_measure", measure=measure), decompose(pmf, estimator=estimator)
    assert theirs.redundant == pytest.approx(ours.redundant, abs=1e-9)
    assert theirs.certificate.status == "uncertified"


def test_ccs_of_the_and_gate_in_closed_form() -> None:
    # Only at T = S = 0 do both sources and both together point the same way: to Y = 0, by log(4/3) each.
    assert decompose(gate("and").pmf, estimator="dit_measure").redundant == pytest.approx(np.log2(4 / 3) / 4, abs=1e-6)


def test_pointwise_measures_are_told_which_variable_is_the_target() -> None:
    # Shared exclusions: the mean of log P(y | t or s) / P(y), which is 4/3 where T = S and 8/9 elsewhere.
    result = decompose(gate("and").pmf, estimator="dit_measure", measure="sx")
    shared = (2 * np.log2(4 / 3) + 2 * np.log2(8 / 9)) / 4
    assert result.redundant == pytest.approx(shared, abs=1e-9)
    assert not [text for text in result.warnings if "identities" in text]


def test_a_doubt_is_said() -> None:
    with pytest.warns(ConvergenceWarning, match="dit's ccs, which reports no error"):
        decompose(gate("and").pmf, estimator="dit_measure")


def test_time_is_over_when_it_is_over_and_the_next_call_works() -> None:
    started = time.perf_counter()
    with pytest.raises(SolverError, match="stopped after time_limit") as caught:
        decompose(gate("rdnunqxor").pmf, estimator="dit_measure", measure="deg", time_limit=0.5)
    assert time.perf_counter() - started < 20
    assert caught.value.result is not None
    assert decompose(gate("rdn").pmf, estimator="dit_measure", measure="mmi").redundant == pytest.approx(1)


def test_what_dit_raises_is_a_solver_error_alone_and_a_status_in_a_batch() -> None:
    constant = Pmf(gate("and").pmf.p.sum(axis=2, keepdims=True))
    with pytest.raises(SolverError, match="measure 'gh': dit raised KeyError"):
        decompose(constant, estimator="dit_measure", measure="gh")
    batch = decompose_batch([constant, gate("rdn").pmf], estimator="dit_measure", measure="gh")
    assert np.isnan(batch.redundant[0])
    assert batch.redundant[1] == pytest.approx(1)


def test_bad_time_limit_is_named() -> None:
    with pytest.raises(InputError, match=r"dit_measure\(time_limit=...\)"):
        decompose(gate("and").pmf, estimator="dit_measure", time_limit=0)


def test_tables_go_to_dit_and_back() -> None:
    pmf = random_pmf((2, 3, 4), support=0.9, rng=0)
    there = pmf.to_dit()
    assert np.array_equal(Pmf.from_dit(there).p, pmf.p)
    assert np.array_equal(Pmf.from_dit(there, y="S", t=["Y"], s=1).p, pmf.p.transpose(2, 0, 1))
    there.set_base(2)
    assert Pmf.from_dit(there).p == pytest.approx(pmf.p, abs=1e-15)


def test_variables_of_dit_are_merged_and_summed_over() -> None:
    bits = dit.Distribution(["0000", "0110", "1010", "1101"], [1 / 4] * 4)
    pmf = Pmf.from_dit(bits, y=3, t=[0, 1], s=2)
    assert pmf.shape == (2, 4, 2)
    with pytest.raises(InputError, match=r"expected positions from 0 to 3, got 4"):
        Pmf.from_dit(bits, y=4, t=0, s=1)
    for some in ({}, {"y": 3}, {"t": 0, "s": 1}):
        with pytest.raises(InputError, match=r"expected y, t and s, positions or names .* got 4 variables; name all"):
            Pmf.from_dit(bits, **some)
    with pytest.raises(InputError, match="got list"):
        Pmf.from_dit([0.5, 0.5])


def test_lists_show_no_parameter_for_the_measure():
    from pidkd.estimators.pid.dit_measure import DitMeasure

    assert DitMeasure.measure == "one of dit's, by its parameter"
    assert DitMeasure().measure == "ccs"
    assert DitMeasure().with_params(time_limit=1.0).get_params() == {"measure": "ccs", "time_limit": 1.0}
