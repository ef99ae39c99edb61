"""The base class of estimators, and the registry that finds them."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pidkd import get_estimator, list_estimators
from pidkd.errors import (
    ConvergenceWarning,
    IncompatibleInputError,
    InputError,
    MissingDependencyError,
    NegativeAtomWarning,
    PidkdError,
    PidkdWarning,
    SolverError,
    UnknownNameError,
)
from pidkd.estimator import Context
from pidkd.inputs import Codes, Gaussian, Pmf
from pidkd.pid import PIDEstimator, Raw
from pidkd.registry import ESTIMATORS
from pidkd.result import Certificate, Information
from pidkd.testing import check_estimator

FAIR = Pmf(np.full((2, 2, 2), 1 / 8))
EXACT = Certificate(0.25, 0.25, "exact")


@dataclass(frozen=True)
class Scripted(PIDEstimator):
    """Gives the unique information and the certificate that it is told."""

    unique_t: Any = 0.25  # not a number, too
    certificate: Certificate = EXACT

    name = "scripted"
    measure = "scripted"
    reference = "none"
    accepts = (Pmf,)
    certifies = False
    laws = frozenset()

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        return Raw(
            self.unique_t, Information(0.5, 0.5, 1.0), self.certificate, plan=data.p, local={"redundant": data.p}
        )


class TestRunning:
    def test_the_identities_give_the_other_atoms(self) -> None:
        result = Scripted().decompose(FAIR, "nats")
        assert result.atoms == {"redundant": 0.25, "unique_t": 0.25, "unique_s": 0.25, "synergistic": 0.25}
        assert result.method == "scripted"
        assert result.params == {"unique_t": 0.25, "certificate": EXACT}
        assert result.seconds > 0

    def test_labels_become_their_table(self) -> None:
        labels = [0, 1] * 100
        assert Scripted().decompose(Codes(labels, labels, [0, 0] * 100)).n_samples == 200
        assert Scripted().decompose(FAIR).n_samples is None

    def test_a_result_carries_what_it_was_asked_to_keep(self) -> None:
        assert Scripted().decompose(FAIR).plan is None
        kept = Scripted().decompose(FAIR, ctx=Context(keep=("plan",)))
        assert kept.plan is FAIR.p
        assert kept.local is None

    def test_what_is_not_certified_is_a_warning_and_in_the_record(self) -> None:
        loose = Scripted(certificate=Certificate(0.0, 0.25, "max_iter", "raise max_iter"))
        with pytest.warns(ConvergenceWarning) as caught:
            result = loose.decompose(FAIR, "nats")
        text = "scripted: not certified to its tolerance, gap 0.25 nats; raise max_iter"
        assert [str(entry.message) for entry in caught] == [text]
        assert result.warnings == (text,)

    def test_an_unknown_gap_says_so(self) -> None:
        with pytest.warns(ConvergenceWarning, match="gap unknown; try another"):
            Scripted(certificate=Certificate(-np.inf, np.inf, "uncertified", "try another")).decompose(FAIR)

    def test_a_negative_atom_is_reported_as_it_is_with_a_warning(self) -> None:
        with pytest.warns(
            NegativeAtomWarning, match="negative beyond the gap: redundant -0.25, synergistic -0.25 nats"
        ):
            result = Scripted(0.75, Certificate(0.75, 0.75, "exact")).decompose(FAIR, "nats")
        assert result.redundant == -0.25

    def test_a_negative_atom_within_the_gap_needs_no_warning(self) -> None:
        assert Scripted(-1e-10, Certificate(-1e-10, 1e-10, "optimal")).decompose(FAIR).unique_t < 0

    def test_no_finite_answer_is_an_error_with_the_result(self) -> None:
        hopeless = Scripted(np.nan, Certificate(-np.inf, np.inf, "uncertified", "rescale the table"))
        with pytest.raises(SolverError, match="scripted: no finite answer; rescale the table") as caught:
            hopeless.decompose(FAIR)
        assert caught.value.result is not None
        assert caught.value.result.certificate.status == "uncertified"

    def test_a_device_that_it_does_not_know_is_refused(self) -> None:
        with pytest.raises(InputError) as caught:
            Scripted().decompose(FAIR, ctx=Context(device="cuda"))
        assert str(caught.value) == "decompose(..., device): expected 'cpu', got 'cuda' with estimator 'scripted'"

    def test_an_unknown_parameter_is_refused(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            Scripted().with_params(uniqe_t=3)
        assert str(caught.value) == (
            "scripted(uniqe_t=...): expected a parameter, one of certificate, unique_t, got 'uniqe_t'; "
            "did you mean 'unique_t'?"
        )

    def test_other_kinds_are_refused_with_the_choices(self) -> None:
        with pytest.raises(IncompatibleInputError) as caught:
            Scripted().decompose(Gaussian(np.eye(3), (1, 1, 1)))
        assert str(caught.value).startswith(
            "decompose(..., estimator='scripted'): expected Codes or Pmf, got Gaussian; "
        )


class TestBatch:
    def test_no_member_stops_the_others(self) -> None:
        @dataclass(frozen=True)
        class FirstFails(Scripted):
            def _decompose(self, data: Pmf, ctx: Context) -> Raw:
                if data.shape == (1, 1, 1):
                    return Raw(np.nan, Information(0.0, 0.0, 0.0), Certificate(-np.inf, np.inf, "uncertified", "no"))
                return super()._decompose(data, ctx)

        with pytest.warns(ConvergenceWarning) as caught:
            batch = FirstFails().decompose_batch([Pmf([[[1.0]]]), FAIR, FAIR])
        assert [str(entry.message) for entry in caught] == [
            "scripted: 1 of 3 members carry a ConvergenceWarning, see result.warnings"
        ]
        assert batch.status.tolist() == ["uncertified", "exact", "exact"]
        assert [bool(result.warnings) for result in batch] == [True, False, False]

    def test_negative_atoms_are_told_apart_from_convergence(self) -> None:
        with pytest.warns(NegativeAtomWarning, match="2 of 2 members carry a NegativeAtomWarning"):
            Scripted(0.75, Certificate(0.75, 0.75, "exact")).decompose_batch([FAIR, FAIR])

    def test_each_member_draws_what_it_would_draw_alone(self) -> None:
        @dataclass(frozen=True)
        class Sampled(Scripted):
            def _decompose(self, data: Pmf, ctx: Context) -> Raw:
                return Raw(float(ctx.generator.random()) / 4, Information(0.5, 0.5, 1.0), self.certificate)

        alone = Sampled().decompose(FAIR, ctx=Context(seed=3))
        assert Sampled().decompose_batch([FAIR, FAIR], ctx=Context(seed=3)).unique_t.tolist() == [alone.unique_t] * 2
        assert Sampled().decompose(FAIR, ctx=Context(seed=4)).unique_t != alone.unique_t

    def test_progress_is_that_of_the_batch(self) -> None:
        done: list[float] = []
        Scripted().decompose_batch([FAIR] * 4, ctx=Context(progress=done.append))
        assert done == [0.25, 0.5, 0.75, 1.0]


class TestRegistry:
    def test_every_module_holds_one_estimator_of_its_name(self) -> None:
        for name in list_estimators():
            assert get_estimator(name).name == name

    def test_kinds_are_folders_of_estimators(self) -> None:
        assert "mmi" in list_estimators("pid")
        assert "mmi" not in list_estimators("mi")

    @pytest.mark.parametrize("kind", ["solvers", "pid.mmi", "", "..pid", None])
    def test_another_kind_is_refused(self, kind: Any) -> None:
        with pytest.raises(
            UnknownNameError,
            match=rf"list_estimators\(kind\): expected a kind of estimator, one of {', '.join(sorted(ESTIMATORS))}",
        ):
            list_estimators(kind)

    @pytest.mark.parametrize("name", ["mmmi", "", "pid.mmi", "__init__", "mmi.py", 3, None])
    def test_an_unknown_name_lists_the_known(self, name: Any) -> None:
        with pytest.raises(UnknownNameError) as caught:
            get_estimator(name)
        assert f"expected an estimator, one of {', '.join(list_estimators())}, got {name!r}" in str(caught.value)

    def test_listing_and_describing_needs_no_extra(self) -> None:
        code = """
import sys
for name in ("torch", "cvxpy", "dit", "clarabel", "ecos", "infomeasure", "h5py", "zarr", "dask", "pandas"):
    sys.modules[name] = None  # an import of it fails
from pidkd.registry import get_estimator, list_estimators
for name in list_estimators():
    cls = get_estimator(name)
    print(cls.name, cls.measure, cls().get_params(), cls.accepted_kinds(), cls.requires)
"""
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_running_without_the_extra_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        @dataclass(frozen=True)
        class Needy(Scripted):
            requires: ClassVar[dict[str, str]] = {"cvxpy": "cvx"}

        monkeypatch.setitem(sys.modules, "cvxpy", None)
        with pytest.raises(MissingDependencyError, match=r"estimator 'scripted': .*pip install -e '\.\[cvx\]'"):
            Needy().decompose(FAIR)

    def test_a_table_estimator_also_accepts_labels(self) -> None:
        assert get_estimator("i_min").accepted_kinds() == {"Pmf", "Codes"}


MEASURE = """
from dataclasses import dataclass

from pidkd.pid import PIDEstimator, table_raw
from pidkd.inputs import Pmf


@dataclass(frozen=True)
class NothingShared(PIDEstimator):
    name = "nothing_shared"
    measure = "no redundancy at all"
    reference = "nobody2026"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset({"symmetric", "relabelling", "zero_rows", "constant"})

    def _decompose(self, data, ctx):
        return table_raw(data.p, 0.0)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], None]:
    """Put a package with one module and one entry point on the path."""

    def install(package: str, code: str, entry_point: str) -> None:
        (tmp_path / f"{package}.py").write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pidkd.estimators.pid]\n{entry_point}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, package, raising=False)

    return install


class TestPlugIn:
    def test_is_found_runs_and_keeps_the_contract(self, install: Callable[..., None]) -> None:
        install("their_measure", MEASURE, "nothing_shared = their_measure:NothingShared")
        assert "nothing_shared" in list_estimators()
        assert "nothing_shared" not in list_estimators("mi")
        cls = get_estimator("nothing_shared")
        assert cls.__module__ == "their_measure"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NegativeAtomWarning)
            check_estimator(cls())
        assert cls().decompose(FAIR).redundant == 0.0

    def test_is_gone_with_its_package(self) -> None:
        assert "nothing_shared" not in list_estimators()

    def test_cannot_take_the_name_of_a_built_in(self, install: Callable[..., None]) -> None:
        install("their_measure", MEASURE, "mmi = their_measure:NothingShared")
        text = "package their_measure: expected a new name, got the estimator 'mmi' of pidkd, which is used instead"
        with pytest.warns(PidkdWarning) as caught:
            assert list_estimators().count("mmi") == 1
        assert [str(entry.message) for entry in caught] == [text]
        assert get_estimator("mmi").__module__ == "pidkd.estimators.pid.mmi"

    def test_cannot_take_the_name_of_another(self, install: Callable[..., None]) -> None:
        install("their_measure", MEASURE, "nothing_shared = their_measure:NothingShared")
        install("other_measure", MEASURE, "nothing_shared = other_measure:NothingShared")
        with pytest.warns(PidkdWarning, match="expected a new name, got the estimator 'nothing_shared' of"):
            assert list_estimators().count("nothing_shared") == 1

    @pytest.mark.parametrize(
        ("code", "got"),
        [
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("", "AttributeError: module 'broken' has no attribute 'Broken'"),
            ("Broken = 3", "3 at broken:Broken"),
            ("class Broken: name = 'broken'", "<class 'broken.Broken'> at broken:Broken"),
            (
                MEASURE.replace("NothingShared", "Broken"),
                "<class 'broken.Broken'> at broken:Broken",  # its own name is another
            ),
        ],
        ids=["missing module", "error", "missing class", "no class", "no estimator", "other name"],
    )
    def test_that_is_broken_says_so_and_spoils_nothing_else(
        self, install: Callable[..., None], code: str, got: str
    ) -> None:
        install("broken", code, "broken = broken:Broken")
        assert "broken" in list_estimators()
        with pytest.raises(PidkdError) as caught:
            get_estimator("broken")
        assert str(caught.value) == (
            f"estimator 'broken' of package broken: expected a subclass of Estimator with name = 'broken', got {got}"
        )
        with pytest.raises(IncompatibleInputError):
            get_estimator("i_min")().decompose(Gaussian(np.eye(3), (1, 1, 1)))
