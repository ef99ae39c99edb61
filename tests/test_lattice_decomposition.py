"""Decompositions over the redundancy lattice: identities, closed forms, two sources as a special case, refusals."""

import itertools
import json
from math import fsum, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pidkd
from pidkd.antichains import lattice, members
from pidkd.errors import ConvergenceWarning, IncompatibleInputError, InputError, UnknownNameError
from pidkd.lattice import LatticeResult
from pidkd.pid import lattice_measures
from pidkd.result import ATOMS
from pidkd.synthetic import gate, list_gates

pytestmark = pytest.mark.filterwarnings("ignore:.*may be bias:pidkd.errors.SmallSampleWarning")
"""Rows here are exact tables, written as samples."""

ROUNDING = 1e-12
NATIVE = [name for name in lattice_measures() if name not in ("dit_measure", "broja")]
BITS = list(itertools.product((0, 1), repeat=3))


def samples(n: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    sources = [rng.integers(3, size=300) for _ in range(n)]
    return (sum(sources) + rng.integers(2, size=300)) % 4, sources


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
@pytest.mark.parametrize("measure", NATIVE)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_atoms_add_up_to_the_information_of_every_set(measure: str, n: int) -> None:
    y, sources = samples(n)
    result = pidkd.decompose_lattice(y, sources, measure=measure)
    assert result.residual <= ROUNDING
    assert sum(result.atoms.values()) == pytest.approx(result.mi, abs=ROUNDING)
    assert result.mi == pytest.approx(pidkd.mutual_information(y, joined(sources)).value, abs=ROUNDING)
    assert result.n_samples == 300


def joined(sources: list[np.ndarray]) -> list[str]:
    return ["".join(map(str, row)) for row in zip(*sources, strict=True)]


@pytest.mark.parametrize("measure", NATIVE)
@pytest.mark.parametrize("name", list_gates())
def test_two_sources_give_the_four_atoms(measure: str, name: str) -> None:
    with np.errstate(all="raise"):
        lattices = pidkd.decompose_lattice(gate(name).pmf, measure=measure)
    estimator = pidkd.get_estimator(measure)()
    raw = estimator._decompose(gate(name).pmf, pidkd.estimator.Context())
    known = raw.information
    redundant = known.t - raw.unique_t
    atoms = [redundant, raw.unique_t, known.s - redundant, known.both - known.s - raw.unique_t]
    assert list(lattices.to("nats").atoms.values()) == pytest.approx(atoms, abs=ROUNDING)


@pytest.mark.parametrize("measure", NATIVE)
def test_renaming_the_sources_renames_the_atoms(measure: str) -> None:
    y, sources = samples(3)
    order = [2, 0, 1]  # source k of the second call is source order[k] of the first
    one = pidkd.decompose_lattice(y, sources, measure=measure)
    other = pidkd.decompose_lattice(y, [sources[i] for i in order], measure=measure)
    whole = lattice(3)
    for antichain, label in zip(whole.antichains, whole.labels, strict=True):
        renamed = {sum(1 << order[k] for k in members(a)) for a in antichain}
        [same] = [name for name, sets in zip(whole.labels, whole.antichains, strict=True) if set(sets) == renamed]
        assert other.atoms[label] == pytest.approx(one.atoms[same], abs=ROUNDING)


@pytest.mark.parametrize("measure", NATIVE)
def test_local_atoms_average_to_the_atoms(measure: str) -> None:
    y, sources = samples(3)
    result = pidkd.decompose_lattice(y, sources, measure=measure, keep=("local",))
    for label, values in result.local.items():
        assert values.shape == (300,)
        assert values.mean() == pytest.approx(result.atoms[label], abs=ROUNDING)


@given(st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("measure", ["i_min", "mmi"])
def test_minima_have_no_negative_atom(measure: str, seed: int) -> None:
    y, sources = samples(3, seed)
    assert min(pidkd.decompose_lattice(y[:30], [x[:30] for x in sources], measure=measure).atoms.values()) >= -ROUNDING


def test_parity_of_three_bits() -> None:
    """Nothing of fewer than three: one bit at the top by the minima; shared exclusions say log2(8/7) of all three."""
    y, sources = [a ^ b ^ c for a, b, c in BITS], list(zip(*BITS, strict=True))
    for measure in ("i_min", "mmi", "gk"):
        result = pidkd.decompose_lattice(y, [list(x) for x in sources], measure=measure)
        assert result["{123}"] == pytest.approx(1.0, abs=ROUNDING)
        assert sum(map(abs, result.atoms.values())) == pytest.approx(1.0, abs=ROUNDING)
    result = pidkd.decompose_lattice(y, [list(x) for x in sources], measure="sx")
    assert result["{1}{2}{3}"] == pytest.approx(log2(8 / 7), abs=ROUNDING)


def test_three_copies_and_three_independent_bits() -> None:
    y = [0, 1]
    assert pidkd.decompose_lattice(y, [y, y, y], measure="gk")["{1}{2}{3}"] == pytest.approx(1.0, abs=ROUNDING)
    whole = [4 * a + 2 * b + c for a, b, c in BITS]
    result = pidkd.decompose_lattice(whole, [list(x) for x in zip(*BITS, strict=True)], measure="gk")
    assert [result[f"{{{i}}}"] for i in (1, 2, 3)] == pytest.approx([1.0] * 3, abs=ROUNDING)
    assert pidkd.decompose_lattice(whole, [list(x) for x in zip(*BITS, strict=True)], measure="i_min")[
        "{1}{2}{3}"
    ] == pytest.approx(1.0, abs=ROUNDING)


def test_signed_parts() -> None:
    y, sources = samples(3)
    result = pidkd.decompose_lattice(y, sources)
    for label, atom in result.atoms.items():
        parts = [result.parts[part][label] for part in ("informative", "misinformative")]
        assert min(parts) >= -ROUNDING
        assert parts[0] - parts[1] == pytest.approx(atom, abs=ROUNDING)


def test_sources_by_name_and_a_record_that_round_trips() -> None:
    y, sources = samples(2)
    result = pidkd.decompose_lattice(y, {"teacher": sources[0], "student": sources[1]}, keep=("local",))
    assert result.sources == ("teacher", "student")
    record = result.to_dict()
    assert LatticeResult.from_dict(json.loads(json.dumps(record, allow_nan=False))).to_dict() == record
    assert "1 = teacher, 2 = student" in str(result)
    assert result.to("nats").atoms["{12}"] == pytest.approx(result.atoms["{12}"] * np.log(2))
    assert hash(result) == hash(pidkd.decompose_lattice(y, {"teacher": sources[0], "student": sources[1]}))


def test_a_data_frame_and_a_drawing() -> None:
    pytest.importorskip("pandas")
    result = pidkd.decompose_lattice(*samples(3))
    frame = result.to_dataframe()
    assert list(frame.columns) == ["antichain", "atom", "redundancy", "informative", "misinformative"]
    assert frame.atom.sum() == pytest.approx(result.mi)
    axes = result.plot()
    assert len(axes.lines) == len(lattice(3).covers)
    assert {text.get_text().split("\n")[0] for text in axes.texts} == set(lattice(3).labels)


def two_classes(shape: tuple[int, ...], seed: int) -> pidkd.Pmf:
    rng = np.random.default_rng(seed)
    p = rng.gamma(0.5, size=(2, *shape)) * (rng.random((2, *shape)) < 0.8)
    return pidkd.Pmf(p, normalise=True)


@pytest.mark.parametrize("seed", range(10))
def test_about_two_classes_broja_of_two_sources_is_that_of_its_lattice(seed: int) -> None:
    pmf = two_classes((4, 5), seed)
    known, result = pidkd.decompose(pmf), pidkd.decompose_lattice(pmf, measure="broja")
    labels = dict(zip(ATOMS, lattice(2).labels, strict=True))
    for atom, label in labels.items():
        assert result[label] == pytest.approx(known.atoms[atom], abs=ROUNDING)


@pytest.mark.parametrize(("shape", "seed"), [((2, 3, 4), 0), ((3, 3, 3), 1), ((2, 2, 2, 2), 2), ((3, 2, 3, 2), 3)])
def test_about_two_classes_atoms_of_broja_are_never_negative_and_add_up(shape: tuple[int, ...], seed: int) -> None:
    result = pidkd.decompose_lattice(two_classes(shape, seed), measure="broja")
    assert min(result.atoms.values()) >= -ROUNDING
    assert result.residual <= ROUNDING
    union = pidkd.union_information(two_classes(shape, seed)).value
    of_single_sources = [
        result[label]
        for label, antichain in zip(result.lattice.labels, result.lattice.antichains, strict=True)
        if any(sources.bit_count() == 1 for sources in antichain)
    ]
    assert fsum(of_single_sources) == pytest.approx(union, abs=1e-9)


def test_about_one_class_nothing_is_said() -> None:
    p = np.zeros((2, 2, 2, 2))
    p[1] = 1 / 8
    result = pidkd.decompose_lattice(pidkd.Pmf(p), measure="broja")
    assert set(result.atoms.values()) == {0.0}


def test_about_two_classes_broja_has_no_local_atoms_of_antichains() -> None:
    with pytest.raises(InputError, match=r"keep\): expected an empty list, got 'local'"):
        pidkd.decompose_lattice(two_classes((2, 2, 2), 0), measure="broja", keep=("local",))


@pytest.mark.parametrize("measure", ["broja", "broja_cvx", "gaussian", "posterior", "kmeans"])
def test_broja_has_no_lattice_but_union_information(measure: str) -> None:
    with pytest.raises(IncompatibleInputError, match=r"got '\w+'.*; BROJA defines no .* pidkd.union_information"):
        pidkd.decompose_lattice(*samples(3), measure=measure)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, x: pidkd.decompose_lattice(y, x[:1]), r"\(sources\): expected 2 to 4 sources, got 1"),
        (lambda y, x: pidkd.decompose_lattice(y, x + x[:1]), "got 5, whose lattice has 7,579 antichains; .*union_inf"),
        (lambda y, x: pidkd.decompose_lattice(y, x, measure="i_alpha"), "antichain .*, got 'i_alpha'"),
        (
            lambda y, x: pidkd.decompose_lattice(y, [x[0], x[1][1:]]),
            "expected equal lengths, got y 300, x1 300, x2 299",
        ),
        (lambda y, x: pidkd.decompose_lattice(y, [x[0], x[1] * 1.0]), r"sources\['x2'\]\): expected labels"),
        (lambda y, x: pidkd.decompose_lattice(y, "ab"), r"\(sources\): expected arrays of labels"),
        (lambda y, x: pidkd.decompose_lattice(gate("and").pmf, x), r"\(sources\): expected None beside a Pmf"),
        (lambda y, x: pidkd.decompose_lattice(y, x, keep=("plan",)), "keep\\): expected an empty list, got 'plan'"),
        (lambda y, x: pidkd.decompose_lattice(y, x, units="bit"), "units\\): expected 'bits' or 'nats'"),
    ],
)
def test_what_cannot_be_used_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*samples(4))


def test_a_measure_that_there_is_not() -> None:
    with pytest.raises(UnknownNameError):
        pidkd.decompose_lattice(*samples(2), measure="isx")


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize(("measure", "theirs"), [("i_min", "wb"), ("mmi", "mmi"), ("gk", "gk"), ("sx", "sx")])
@pytest.mark.parametrize("seed", range(3))
def test_dit_by_the_bridge_agrees(measure: str, theirs: str, seed: int) -> None:
    pytest.importorskip("dit")
    rng = np.random.default_rng(seed)
    sources = [rng.integers(2, size=40) for _ in range(3)]
    y = sources[0] + 2 * (sources[1] & sources[2])
    ours = pidkd.decompose_lattice(y, sources, measure=measure)
    with pytest.warns(ConvergenceWarning):
        bridge = pidkd.decompose_lattice(y, sources, measure=pidkd.get_estimator("dit_measure")(measure=theirs))
    assert bridge.status == "uncertified"
    for label, atom in ours.atoms.items():
        assert bridge[label] == pytest.approx(atom, abs=1e-7)


def test_atoms_of_two_sources_stand_in_the_order_of_the_antichains() -> None:
    assert dict(zip(ATOMS, lattice(2).labels, strict=True))["redundant"] == "{1}{2}"
