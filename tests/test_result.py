"""What a decomposition returns: units, bounds, printing, records."""

import copy
import dataclasses
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pidkd
from pidkd.batch import PIDBatch
from pidkd.errors import InputError, quote
from pidkd.result import ATOMS, Certificate, Information, PIDResult
from pidkd.synthetic import random_pmf

LOG2 = math.log(2)


def result(**changes: Any) -> PIDResult:
    """An AND gate, certified to 2^-20 bits."""
    and_gate = PIDResult(
        redundant=0.25,
        unique_t=2**-20,
        unique_s=2**-20,
        synergistic=0.5,
        information=Information(t=0.25 + 2**-20, s=0.25 + 2**-20, both=0.75 + 2**-19),
        units="bits",
        method="broja",
        params={"tol": 1e-6},
        certificate=Certificate(0.0, 2**-20, "optimal", "9 iterations"),
        n_samples=None,
        seconds=0.5,
    )
    return dataclasses.replace(and_gate, **changes)


FULL = result(
    n_samples=100,
    warnings=("small sample",),
    params={"options": {"time": math.inf, "steps": [1, 2]}, "none": None, "flag": True},
    certificate=Certificate(-math.inf, math.inf, "uncertified", "try another"),
    interval={"unique_t": (-0.5, math.inf)},
    se={"unique_t": 0.25},
    null={"synergistic": 0.125},
    bias={"redundant": -0.25},
    provenance={"quantizer": {"n_clusters": 10, "explained": math.nan}},
    plan=np.full((2, 2, 2), 1 / 8),
    potentials=(np.zeros((2, 2)), np.full((2, 2), -np.inf)),
    local={"redundant": np.array([0.5, math.nan])},
)
"""Every field filled, with what JSON has no word for."""


class TestUnits:
    def test_nats_are_bits_times_log_two(self) -> None:
        nats = FULL.to("nats")
        assert nats.units == "nats"
        for atom in ATOMS:
            assert getattr(nats, atom) == getattr(FULL, atom) * LOG2
        assert nats.information == tuple(value * LOG2 for value in FULL.information)
        assert nats.interval == {"unique_t": (-0.5 * LOG2, math.inf)}
        assert nats.se == {"unique_t": 0.25 * LOG2}
        assert nats.bias == {"redundant": -0.25 * LOG2}
        assert nats.local is not None
        assert nats.local["redundant"][0] == 0.5 * LOG2

    def test_the_certificate_comes_along(self) -> None:
        certificate = result().to("nats").certificate
        assert certificate == Certificate(0.0, 2**-20 * LOG2, "optimal", "9 iterations")

    def test_the_same_units_change_nothing(self) -> None:
        assert result().to("bits") == result()

    @pytest.mark.parametrize("units", ["bit", "", None, ["bits"], 2])
    def test_other_units_are_refused(self, units: Any) -> None:
        with pytest.raises(InputError) as caught:
            result().to(units)
        assert str(caught.value) == f"to(units): expected 'bits' or 'nats', got {units!r}"


class TestBounds:
    def test_every_atom_has_the_width_of_the_gap_and_lies_within(self) -> None:
        gap = result().certificate.gap
        for atom, value in result().atoms.items():
            low, high = result().bounds(atom)
            assert low <= value <= high
            assert high - low == gap

    def test_the_certified_unique_information_moves_all_four(self) -> None:
        assert result().bounds("unique_t") == (0.0, 2**-20)
        assert result().bounds("redundant") == (0.25, 0.25 + 2**-20)
        assert result().bounds("unique_s") == (0.0, 2**-20)
        assert result().bounds("synergistic") == (0.5, 0.5 + 2**-20)

    def test_a_missing_bound_is_infinite(self) -> None:
        assert FULL.bounds("redundant") == (-math.inf, math.inf)
        assert FULL.certificate.gap == math.inf

    def test_an_unknown_atom_is_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            result().bounds("shared")
        assert str(caught.value) == (
            "bounds(atom): expected one of redundant, unique_t, unique_s, synergistic, got 'shared'"
        )


class TestIdentities:
    def test_the_informations_have_names(self) -> None:
        assert (result().mi_t, result().mi_s, result().mi) == result().information

    def test_the_residual_is_the_largest_deviation(self) -> None:
        assert result().residual == 0.0
        assert result(redundant=0.375).residual == 0.125
        assert result(synergistic=0.25).residual == 0.25


class TestPrinting:
    def test_atoms_informations_units_and_the_gap(self) -> None:
        assert str(result()).splitlines() == [
            "Red(Y:T,S)   0.250000 bits",
            "Uni(Y:T\\S)   0.000001 bits",
            "Uni(Y:S\\T)   0.000001 bits",
            "Syn(Y:T,S)   0.500000 bits",
            "I(Y;T)       0.250001 bits",
            "I(Y;S)       0.250001 bits",
            "I(Y;T,S)     0.750002 bits",
            "broja: optimal, gap 9.5e-07 bits",
        ]

    def test_an_interval_stands_beside_its_atom(self) -> None:
        assert "Uni(Y:T\\S)   0.000001 bits  [-0.500000, inf]" in str(FULL)
        assert str(FULL).endswith("broja: uncertified, gap unknown, n=100")

    def test_level_under_independence_corrected_value_and_confidence_are_shown(self) -> None:
        shown = str(
            result(
                interval={"mi_t": (0.1, 0.3)},
                null={"redundant": 0.125},
                corrected={"redundant": 0.2},
                provenance={"uncertainty": [{"method": "Bootstrap", "level": 0.9}]},
            )
        ).splitlines()
        assert shown[0] == "Red(Y:T,S)   0.250000 bits  chance 0.125000  corrected 0.200000"
        assert shown[4] == "I(Y;T)       0.250001 bits  [0.100000, 0.300000]"
        assert shown[-1].endswith("90 % intervals")

    @pytest.mark.parametrize("value", [-0.0, -1e-17, -4e-10])
    def test_zero_has_no_sign(self, value: float) -> None:
        assert str(result(unique_t=value)).splitlines()[1] == "Uni(Y:T\\S)   0.000000 bits"

    def test_a_negative_atom_keeps_its_sign(self) -> None:
        assert str(result(unique_t=-0.25)).splitlines()[1] == "Uni(Y:T\\S)   -0.250000 bits"

    def test_html_is_escaped(self) -> None:
        page = result(method="<script>")._repr_html_()
        assert "<script>" not in page
        assert "&lt;script&gt;: optimal" in page
        assert page.count("<tr>") == 7


class TestRecord:
    @pytest.mark.parametrize("given", [result(), FULL, FULL.to("nats")], ids=["plain", "full", "nats"])
    def test_goes_through_strict_json_and_back(self, given: PIDResult) -> None:
        record = given.to_dict()
        text = json.dumps(record, allow_nan=False)
        again = PIDResult.from_dict(json.loads(text))
        assert again.to_dict() == record
        assert again.atoms == given.atoms
        assert again.certificate == given.certificate
        assert again.interval == given.interval

    def test_an_equal_result_comes_back(self) -> None:
        assert PIDResult.from_dict(result().to_dict()) == result()

    def test_infinite_parameters_come_back_as_numbers(self) -> None:
        again = PIDResult.from_dict(FULL.to_dict())
        assert again.params == FULL.params
        assert again.provenance is not None
        assert math.isnan(again.provenance["quantizer"]["explained"])

    def test_arrays_come_back_as_arrays(self) -> None:
        again = PIDResult.from_dict(FULL.to_dict())
        assert np.array_equal(again.plan, FULL.plan)
        assert np.array_equal(again.potentials, FULL.potentials)
        assert np.array_equal(again.local["redundant"], FULL.local["redundant"], equal_nan=True)

    def test_numpy_numbers_are_plain_and_the_rest_is_its_text(self) -> None:
        record = result(
            params={"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": 1j, 5: {"x"}, "f": np.inf}
        ).to_dict()
        assert record["params"] == {"a": 0.5, "b": 3, "c": True, "d": "1j", "5": "{'x'}", "f": "inf"}

    def test_a_record_without_the_optional_entries_is_read(self) -> None:
        record = {name: value for name, value in result().to_dict().items() if value is not None} | {"n_samples": None}
        assert PIDResult.from_dict(record) == result()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("redundant", "much"),
            ("redundant", None),
            ("information", {"t": 1.0}),
            ("information", [1.0, 1.0, 1.0]),
            ("units", "bytes"),
            ("method", 3),
            ("params", None),
            ("certificate", {}),
            ("certificate", {"lower": 0.0, "upper": 0.0, "status": "great", "message": ""}),
            ("n_samples", 2.5),
            ("seconds", "long"),
            ("warnings", "careful"),
            ("warnings", [3]),
            ("interval", {"redundant": 3.0}),
            ("interval", {"redundant": [1.0, 2.0, 3.0]}),
            ("se", {"redundant": "small"}),
            ("plan", "the plan"),
            ("plan", [[1.0], [2.0, 3.0]]),
            ("potentials", [[1.0]]),
            ("local", [1.0]),
        ],
    )
    def test_a_damaged_entry_is_named(self, name: str, value: Any) -> None:
        with pytest.raises(InputError) as caught:
            PIDResult.from_dict(result().to_dict() | {name: value})
        message = f"PIDResult.from_dict(data): expected what PIDResult.to_dict() writes as {name!r}, got {quote(value)}"
        assert str(caught.value) == message

    @pytest.mark.parametrize("data", [{}, {"redundant": 1.0}, result().to_dict() | {"colour": "red"}, [], None, "text"])
    def test_other_data_is_refused(self, data: Any) -> None:
        with pytest.raises(
            InputError, match=r"^PIDResult.from_dict\(data\): expected a mapping with the keys redundant, "
        ):
            PIDResult.from_dict(data)

    @given(st.data())
    def test_whatever_the_damage_it_is_read_or_refused(self, data: st.DataObject) -> None:
        record = copy.deepcopy(FULL.to_dict())
        anything = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        )
        entry = record
        while isinstance(entry, dict | list) and entry:
            key = data.draw(st.sampled_from(sorted(entry) if isinstance(entry, dict) else range(len(entry))))
            if data.draw(st.booleans()) or not isinstance(entry[key], dict | list):
                if data.draw(st.booleans()):
                    del entry[key]
                else:
                    entry[key] = data.draw(anything)
                break
            entry = entry[key]
        try:
            again = PIDResult.from_dict(record)
        except InputError:
            return
        json.dumps(again.to_dict(), allow_nan=False)


class TestIdentity:
    def test_equal_results_are_one_in_a_set(self) -> None:
        assert len({result(), result(), result(redundant=0.5)}) == 2

    def test_survives_a_pickle(self) -> None:
        assert pickle.loads(pickle.dumps(result())) == result()
        assert np.array_equal(pickle.loads(pickle.dumps(FULL)).plan, FULL.plan)

    def test_nothing_can_be_set(self) -> None:
        with pytest.raises(dataclasses.FrozenInstanceError):
            result().redundant = 1.0


class TestBatch:
    batch = PIDBatch([result(), FULL], seconds=2.0)

    def test_is_a_sequence_of_results(self) -> None:
        assert len(self.batch) == 2
        assert list(self.batch) == [result(), FULL]
        assert self.batch[-1] is FULL
        assert repr(self.batch) == "PIDBatch(n=2, seconds=2)"

    def test_columns_are_arrays_over_the_members(self) -> None:
        for atom in ATOMS:
            assert getattr(self.batch, atom).tolist() == [getattr(member, atom) for member in self.batch]
        assert self.batch.gap.tolist() == [2**-20, math.inf]
        assert self.batch.status.tolist() == ["optimal", "uncertified"]

    def test_converts_every_member(self) -> None:
        assert list(self.batch.to("nats")) == [result().to("nats"), FULL.to("nats")]


@pytest.mark.parametrize("units", ["bits", "nats"])
@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 5, 4), (3, 3, 4)])
def test_every_atom_lies_within_its_own_bounds(shape: tuple[int, int, int], units: str) -> None:
    for seed in range(40):
        result = pidkd.decompose(random_pmf(shape, 0.3, 0.6, rng=seed), units=units)
        for atom, value in result.atoms.items():
            low, high = result.bounds(atom)
            assert low <= value <= high
            assert high - low <= result.certificate.gap + 1e-15


def test_bounds_do_not_reach_for_an_atom_that_is_elsewhere() -> None:
    result = dataclasses.replace(pidkd.decompose(random_pmf((3, 3, 4), rng=0)), synergistic=0.7)
    assert result.bounds("synergistic")[1] < 0.7
