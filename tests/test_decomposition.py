"""decompose and decompose_batch: what goes in, what comes out, and what is refused."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import pidkd
from pidkd import Activations, Codes, Gaussian, Pmf, Posteriors, decompose, decompose_batch, get_estimator
from pidkd.errors import IncompatibleInputError, InputError, PidkdError, PidkdWarning, UnknownNameError
from pidkd.result import ATOMS, PIDResult
from pidkd.synthetic import gate, random_pmf
from pidkd.testing.answers import ROUNDING

TIMES = 100
Y, T, S = [0, 0, 0, 1] * TIMES, [0, 0, 1, 1] * TIMES, [0, 1, 0, 1] * TIMES
"""An AND gate, each row seen a hundred times."""
N = len(Y)
F = np.random.default_rng(0).normal(size=(N, 2))
FAIR = Pmf(np.full((2, 2, 2), 1 / 8))


def same(one: PIDResult, other: PIDResult) -> bool:
    slack = ROUNDING + one.certificate.gap + other.certificate.gap
    return all(abs(value - other.atoms[atom]) <= slack for atom, value in one.atoms.items())


class TestInputs:
    def test_labels_and_their_table_give_the_and_gate(self) -> None:
        known = gate("and")
        for result in (decompose(Y, T, S), decompose(Codes(Y, T, S)), decompose(known.pmf), decompose(y=Y, t=T, s=S)):
            assert result.method == "broja"
            assert result.atoms == pytest.approx(known.atoms, abs=1e-9)
        assert decompose(Y, T, S).n_samples == N
        assert decompose(known.pmf).n_samples is None

    def test_labels_of_any_type_are_only_names(self, tmp_path: Path) -> None:
        torch, pd = pytest.importorskip("torch"), pytest.importorskip("pandas")
        np.save(tmp_path / "s.npy", S)
        plain = decompose(Y, T, S)
        for y, t, s in [
            (np.array(Y, bool), np.array(T, np.uint8), np.array(S, np.int16)),
            (
                ["no", "no", "no", "yes"] * TIMES,
                [b"a", b"a", b"b", b"b"] * TIMES,
                np.array(["x", "y", "x", "y"] * TIMES, object),
            ),
            (torch.tensor(Y), torch.tensor(T, dtype=torch.bool), torch.tensor(S)),
            (pd.Series(Y), pd.Series(T, dtype="category"), pd.Series(S, index=np.arange(N) + 7)),
            (tuple(Y), np.array(T) * (2**62), np.load(tmp_path / "s.npy", mmap_mode="r")),
        ]:
            assert same(decompose(y, t, s), plain)

    @pytest.mark.parametrize("missing", ["y", "t", "s"])
    def test_two_arrays_are_refused(self, missing: str) -> None:
        args = {"y": Y, "t": T, "s": S} | {missing: None}
        with pytest.raises(InputError) as caught:
            decompose(**args)
        assert (
            str(caught.value) == "decompose(y, t, s): expected three arrays, or one input object alone, got 2 arguments"
        )

    def test_a_bare_table_is_not_guessed_at(self) -> None:
        with pytest.raises(
            InputError, match=r"decompose\(data\): .* got a bare ndarray .* decompose\(pidkd.Pmf\(p\)\)"
        ):
            decompose(FAIR.p)

    def test_one_class_alone_has_nothing_to_tell(self) -> None:
        assert decompose([0] * N, T, S).atoms == dict.fromkeys(ATOMS, pytest.approx(0.0, abs=1e-9))


class TestAuto:
    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (Gaussian(np.eye(3), (1, 1, 1)), "Gaussian"),
            (Posteriors(Y, np.full((N, 2), 0.5), np.full((N, 2), 0.5)), "Posteriors"),
            (Activations(Y, F, F), "Activations"),
            (Activations(F[:, 0], F, F), "Activations with a continuous target"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_without_an_estimator_for_the_kind_says_what_there_is(self, data: Any, kind: str) -> None:
        name = kind.partition(" ")[0]
        if pidkd.decomposition.AUTO[name] in pidkd.list_estimators() and "continuous" not in kind:
            pytest.skip(f"there is an estimator for {name}")
        with pytest.raises(IncompatibleInputError) as caught:
            decompose(data)
        expected = f"decompose(..., estimator): expected the name of an estimator for {kind}, got 'auto'; "
        assert str(caught.value).startswith(expected)
        assert ("pidkd.Quantizer" in str(caught.value)) == (name == "Activations")

    def test_activations_are_not_quantised_unasked(self) -> None:
        with pytest.raises(IncompatibleInputError, match=r"expected Codes or Pmf, got Activations; .*pidkd\.Quantizer"):
            decompose(Y, F, F, estimator="i_min")


class TestOptions:
    def test_units(self) -> None:
        bits, nats = decompose(FAIR, estimator="mmi"), decompose(FAIR, estimator="mmi", units="nats")
        assert nats.to("bits").atoms == pytest.approx(bits.atoms, abs=1e-15)

    def test_parameters_go_to_the_estimator_by_name_or_on_top_of_its_own(self) -> None:
        assert decompose(Y, T, S, tol=1e-7).params["tol"] == 1e-7
        broja = get_estimator("broja")(tol=1e-6)
        assert decompose(Y, T, S, estimator=broja).params["tol"] == 1e-6
        assert decompose(Y, T, S, estimator=broja, tol=1e-7).params["tol"] == 1e-7
        assert broja.tol == 1e-6

    def test_a_device_that_is_not_there_is_refused_and_auto_does_without(self, monkeypatch: Any) -> None:
        monkeypatch.setattr("pidkd.estimator.cuda_is_there", lambda: False)
        with pytest.raises(InputError) as caught:
            decompose(Y, T, S, device="cuda")
        expected = "expected 'cpu', or a machine with CUDA, got 'cuda', and torch finds none"
        assert str(caught.value) == f"decompose(..., device): {expected}"
        assert decompose(Y, T, S, device="auto").certificate.status == "optimal"

    def test_keep(self) -> None:
        kept = decompose(Y, T, S, keep=["plan", "potentials"])
        assert kept.plan is not None
        assert np.allclose(kept.plan.sum(axis=2), gate("and").pmf.p.sum(axis=2))
        assert kept.potentials is not None
        assert [part.shape for part in kept.potentials] == [(2, 2), (2, 2)]
        assert decompose(Y, T, S, keep="plan").potentials is None
        with pytest.raises(InputError, match=r"keep\): expected 'local', got 'plan', which 'mmi' does not have"):
            decompose(Y, T, S, keep=["plan", "local"], estimator="mmi")

    @pytest.mark.parametrize("seed", [0, 7, np.int64(3)])
    def test_seeds(self, seed: Any) -> None:
        assert decompose(FAIR, estimator="mmi", seed=seed).residual == 0.0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"units": "bit"}, "decompose(..., units): expected 'bits' or 'nats', got 'bit'"),
            ({"units": ["bits"]}, "decompose(..., units): expected 'bits' or 'nats', got ['bits']"),
            ({"seed": -1}, "decompose(..., seed): expected a whole number from 0 to 4,294,967,295, got -1"),
            ({"seed": 1.0}, "decompose(..., seed): expected a whole number from 0 to 4,294,967,295, got 1.0"),
            ({"seed": True}, "decompose(..., seed): expected a whole number from 0 to 4,294,967,295, got True"),
            ({"seed": None}, "decompose(..., seed): expected a whole number from 0 to 4,294,967,295, got None"),
            (
                {"device": "gpu"},
                "decompose(..., device): expected one of 'cpu', 'cuda', 'auto', got 'gpu'; did you mean 'cpu'?",
            ),
            ({"device": "cuda"}, "decompose(..., device): expected 'cpu', got 'cuda' with estimator 'i_min'"),
            (
                {"keep": "plans"},
                "decompose(..., keep): expected what a result can carry, one of local, plan, potentials, got 'plans'; "
                "did you mean 'plan'?",
            ),
            (
                {"keep": None},
                "decompose(..., keep): expected what a result can carry, one of local, plan, potentials, got None",
            ),
            (
                {"progress": 3},
                "decompose(..., progress): expected a function of the fraction done, or None, got 3",
            ),
            ({"estimator": None}, "decompose(..., estimator): expected a name or an estimator, got NoneType"),
            (
                {"estimator": get_estimator("mmi")},
                "decompose(..., estimator): expected a name or an estimator, got a class; make one: MMI()",
            ),
            ({"tol": 1.0}, "i_min(tol=...): expected a parameter, one of (none), got 'tol'"),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    def test_bad_ones_are_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InputError) as caught:
            decompose(Y, T, S, **({"estimator": "i_min"} | options))
        assert str(caught.value) == message

    def test_an_unknown_estimator_lists_the_known_and_suggests_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            decompose(Y, T, S, estimator="borja")
        known = ", ".join(pidkd.list_estimators())
        assert (
            str(caught.value)
            == f"decompose(..., estimator): expected an estimator, one of {known}, got 'borja'; did you mean 'broja'?"
        )

    @pytest.mark.parametrize("tol", [0.0, -1e-9, np.nan, np.inf, "small", None])
    def test_a_tolerance_that_nothing_can_meet_is_refused(self, tol: Any) -> None:
        with pytest.raises(InputError, match=r"^broja\(tol=...\): expected a gap in bits > 0, got "):
            decompose(Y, T, S, tol=tol)


class TestBatch:
    tables = np.stack([random_pmf((2, 3, 4), rng=seed).p for seed in range(5)])

    @pytest.mark.parametrize("estimator", ["broja", "mmi"])
    def test_an_array_of_tables_is_a_batch(self, estimator: str) -> None:
        batch = decompose_batch(self.tables, estimator=estimator)
        assert len(batch) == 5
        for table, result in zip(self.tables, batch, strict=True):
            assert same(result, decompose(Pmf(table), estimator=estimator))

    def test_inputs_of_different_shapes_are_a_batch(self) -> None:
        codes = [Codes(Y, T, S), Codes(Y + Y, T + T, [0, 1, 2, 3] * (2 * TIMES))]
        batch = decompose_batch(codes)
        assert [result.n_samples for result in batch] == [N, 2 * N]
        assert all(same(result, decompose(item)) for item, result in zip(codes, batch, strict=True))

    def test_tensors_and_lists_are_arrays(self) -> None:
        torch = pytest.importorskip("torch")
        expected = decompose_batch(self.tables, estimator="mmi").unique_t
        for tables in (self.tables.tolist(), torch.tensor(self.tables, requires_grad=True)):
            assert np.array_equal(decompose_batch(tables, estimator="mmi").unique_t, expected)

    def test_units_and_parameters(self) -> None:
        batch = decompose_batch(self.tables, units="nats", tol=1e-7)
        assert {result.units for result in batch} == {"nats"}
        assert {result.params["tol"] for result in batch} == {1e-7}

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ([], "decompose_batch(data): expected inputs of one kind, at least one, got none"),
            (np.zeros((0, 2, 2, 2)), "decompose_batch(data): expected inputs of one kind, at least one, got none"),
            (
                [FAIR, Codes(Y, T, S)],
                "decompose_batch(data): expected inputs of one kind, at least one, got Codes and Pmf",
            ),
            (
                FAIR.p,
                "decompose_batch(data): expected shape (n_batch, n_y, n_t, n_s) or a list of inputs, "
                "got shape (2, 2, 2); one table goes in by decompose(pidkd.Pmf(p)), "
                "and covariances with dims=(d_y, d_t, d_s)",
            ),
            ([[1.0], [2.0, 3.0]], "decompose_batch(data): expected an array that can be read, got list"),
            (
                np.stack([FAIR.p, FAIR.p * 2]),
                "decompose_batch(data)[1]: expected a sum of 1 within 1e-06, got 2; counts go in by",
            ),
            (FAIR, "decompose_batch(data): expected a dense array, got Pmf"),
            (
                [Posteriors(Y, np.full((N, 2), 0.5), np.full((N, 2), 0.5))],
                "decompose_batch(data)[0]: expected Codes or Pmf, got Posteriors",
            ),
            (
                [Codes(Y, T, S), Codes(*[np.arange(3000)] * 3)],
                "decompose_batch(data)[1]: expected a joint table of at most 268435456 cells, got 3000 x 3000 x 3000",
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_bad_ones_are_refused(self, data: Any, message: str) -> None:
        with pytest.raises(InputError) as caught:
            decompose_batch(data, estimator="i_min")
        assert str(caught.value).startswith(message)


def outcome(call: Any) -> Any:
    """A result, or the InputError; anything else is raised. Our own warnings are part of a result."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PidkdWarning)
        try:
            return call()
        except InputError as error:
            return error


def obeys_the_laws(result: PIDResult) -> bool:
    gap = result.certificate.gap
    slack = ROUNDING + gap
    earned = result.certificate.status != "optimal" or gap <= result.params["tol"] + ROUNDING
    return earned and result.residual <= ROUNDING and all(value >= -slack for value in result.atoms.values())


MASSES = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e-300, 1e-12, 1e300, -1e-20, np.nan, np.inf, -np.inf]),
)
TABLES = arrays(np.float64, st.tuples(*(st.integers(0, 4),) * 3), elements=MASSES)
LABELS = arrays(
    st.sampled_from([np.int8, bool, np.uint64, "U1", "S1", np.float32]), st.sampled_from([(6,), (6,), (5,), (6, 1)])
)


@pytest.mark.parametrize("estimator", ["broja", "i_min"])
class TestAnything:
    @given(p=TABLES, normalise=st.booleans())
    def test_a_table_gives_a_lawful_result_or_an_input_error(self, estimator: str, p: Any, normalise: bool) -> None:
        result = outcome(lambda: decompose(Pmf(p, normalise=normalise), estimator=estimator))
        assert isinstance(result, InputError) or obeys_the_laws(result)

    @given(p=TABLES)
    def test_counts_give_a_lawful_result_or_an_input_error(self, estimator: str, p: Any) -> None:
        with np.errstate(all="ignore"):
            counts = np.floor(p * 10)
        result = outcome(lambda: decompose(Pmf.from_counts(counts), estimator=estimator))
        assert isinstance(result, InputError) or obeys_the_laws(result)

    @given(labels=st.lists(LABELS, min_size=3, max_size=3))
    def test_labels_give_a_lawful_result_or_an_input_error(self, estimator: str, labels: Any) -> None:
        result = outcome(lambda: decompose(*labels, estimator=estimator))
        assert isinstance(result, InputError) or obeys_the_laws(result)

    @given(batch=arrays(np.float64, st.tuples(st.integers(0, 3), *(st.integers(1, 3),) * 3), elements=st.floats(0, 1)))
    def test_a_batch_gives_lawful_results_or_an_input_error(self, estimator: str, batch: Any) -> None:
        with np.errstate(all="ignore"):
            batch = batch / batch.sum(axis=(1, 2, 3), keepdims=True)
        results = outcome(lambda: decompose_batch(batch, estimator=estimator))
        assert isinstance(results, InputError) or all(obeys_the_laws(result) for result in results)


@given(st.lists(st.none() | st.integers() | st.text() | LABELS | TABLES, max_size=3))
def test_whatever_the_arguments_every_message_is_one_line(arguments: list[Any]) -> None:
    result = outcome(lambda: decompose(*arguments, estimator="mmi") if arguments else decompose(None))
    assert isinstance(result, PIDResult | PidkdError)
    if isinstance(result, PidkdError):
        assert "\n" not in str(result)
        assert ": expected " in str(result)
        assert ", got " in str(result)


def test_more_than_two_sources_are_shown_the_doors() -> None:
    y = np.arange(40) % 4
    doors = "expected two sources, got 3; .*contributions.*union_information.*decompose_lattice"
    with pytest.raises(InputError, match=doors):
        pidkd.decompose(y, y, y, y)
