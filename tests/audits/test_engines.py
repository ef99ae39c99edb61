"""The contract of audits: every estimator of codes or activations is audited, and the report names it."""

import pickle
import sys

import joblib
import numpy as np
import pytest

import pidkd
from pidkd.audits.engine import AuditEngine, engine_for, fitting_estimators, list_engines, named_estimator
from pidkd.audits.options import AuditOptions
from pidkd.audits.plan import AuditPlan
from pidkd.cli.main import main
from pidkd.errors import IncompatibleInputError, InputError, MissingDependencyError
from pidkd.result import ATOMS

N = 160
RNG = np.random.default_rng(0)
LABELS = np.arange(N) % 2
FLOATS = RNG.normal(size=N)


def layers(target):
    """A teacher that sees the target well, and a student that sees it less well."""
    seen = target[:, None] + RNG.normal(size=(N, 3)) * [0.3, 1.0, 2.0]
    return {"h": seen}, {"h": seen[:, 1:] + RNG.normal(size=(N, 2))}


def case(name, kind):
    """Teacher, student and target: codes where the estimator takes them, as some are slow on the cells of floats."""
    if kind == "floats":
        return *OF_FLOATS, FLOATS
    if "Codes" in pidkd.get_estimator(name).accepted_kinds():
        return {"h": LABELS}, {"h": LABELS * (np.arange(N) % 4 > 1)}, LABELS
    return *OF_LABELS, LABELS


OF_LABELS, OF_FLOATS = layers(LABELS.astype(float)), layers(FLOATS)

CASES = [
    (name, kind)
    for kind, continuous in (("labels", False), ("floats", True))
    for name in fitting_estimators(continuous)
]


def made(name):
    """An estimator by name, where what it needs is installed."""
    try:
        return named_estimator(name)
    except MissingDependencyError as error:
        pytest.skip(str(error))


def test_every_estimator_of_codes_or_activations_fits():
    found = {name for name, _ in CASES}
    for name in pidkd.list_estimators():
        assert (name in found) == bool({"Codes", "Activations"} & pidkd.get_estimator(name).accepted_kinds()), name


@pytest.mark.filterwarnings("ignore::pidkd.errors.PidkdWarning")
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_estimator_is_audited_and_named(name, kind, tmp_path):
    made(name)
    teacher, student, y = case(name, kind)
    seen, options = [], {"estimator": name, "resume": tmp_path, "shuffles": 1 if kind == "labels" else None}
    report = pidkd.audit(teacher, student, y, progress=seen.append, **options)
    [pair] = report.pairs
    assert report.provenance["estimator"] == pair.result.method == name
    assert all(np.isfinite(pair.result.atoms[atom]) for atom in ATOMS)
    assert pair.result.residual <= 1e-9
    assert pair.result.warnings is not None
    assert seen == sorted(seen)
    assert (seen[-1], len(seen)) == (1.0, 3)
    assert pidkd.AuditReport.from_dict(report.to_dict()).results["h", "h"].atoms == pair.result.atoms
    again = pidkd.audit(teacher, student, y, **options)
    assert again.pairs[0].result.seconds == pair.result.seconds  # it was kept, and not done again


@pytest.mark.parametrize("continuous", [False, True])
def test_what_does_not_fit_is_refused_with_what_does(continuous):
    teacher, student, y = (*OF_FLOATS, FLOATS) if continuous else (*OF_LABELS, LABELS)
    fitting = fitting_estimators(continuous)
    for name in sorted(set(pidkd.list_estimators()) - set(fitting)):
        made(name)
        with pytest.raises(IncompatibleInputError, match=f"got '{name}', .*estimators that fit: {', '.join(fitting)}$"):
            pidkd.audit(teacher, student, y, estimator=name)


def test_gaussian_with_labels_is_told_what_fits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, values in (("t.npz", OF_LABELS[0]), ("s.npz", OF_LABELS[1])):
        np.savez(name, **values)
    np.save("y.npy", LABELS)
    command = ["audit", "--labels", "y.npy", "--teacher", "t.npz", "--student", "s.npz", "--estimator", "gaussian"]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert "--estimator: expected an estimator of codes, or of activations with labels, got 'gaussian'" in err
    assert "estimators that fit: " in err
    assert "posterior" in err
    np.save("y.npy", FLOATS)
    assert main([*command, "--json"]) == 0


# --- engines


@pytest.mark.parametrize("engine", list_engines(), ids=lambda engine: engine.name)
def test_an_engine_bears_the_name_of_its_module(engine):
    assert issubclass(engine, AuditEngine)
    assert engine.__module__ == f"pidkd.audits.engines.{engine.name}"
    assert engine.__doc__


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_engine_holds_no_layer_and_can_be_pickled(name, kind):
    estimator = made(name)
    teacher, student, y = (*OF_LABELS, LABELS) if kind == "labels" else (*OF_FLOATS, FLOATS)
    wide = {"h": np.repeat(teacher["h"], 500, axis=1)}
    plan, options = AuditPlan.of(wide, student, y, None, None, None), AuditOptions()
    engine = engine_for(estimator, plan, options)
    engine.check(options)
    engine.prepare(plan)
    assert len(pickle.dumps(engine)) < wide["h"].nbytes / 10
    assert "counted_on" in engine.describe()


# --- an estimator of activations from another package

PLUG_IN = '''
from dataclasses import dataclass

import numpy as np

from pidkd.inputs import Activations
from pidkd.pid import PIDEstimator, Raw
from pidkd.result import Certificate, Information


@dataclass(frozen=True)
class Ridgeless(PIDEstimator):
    """The variance that the columns explain, as if it were information."""

    scale: float = 1.0

    name = "ridgeless"
    measure = "explained variance"
    reference = "nobody2026"
    accepts = (Activations,)
    target = "TARGET"
    certifies = False
    laws = frozenset()

    def _decompose(self, data, ctx):
        y = np.asarray(data.y, float)
        def explained(*sources):
            x = np.column_stack([np.ones(len(y)), *(np.asarray(one, float).reshape(len(y), -1) for one in sources)])
            left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
            return self.scale * max(0.0, 1 - left.var() / y.var())
        t, s, both = explained(data.t), explained(data.s), explained(data.t, data.s)
        residual = np.abs(y - y.mean())
        local = {"redundant": residual, "unique_t": -residual, "unique_s": residual, "synergistic": residual}
        return Raw(t - min(t, s), Information(t, s, both), Certificate(-np.inf, np.inf, "bound"), local=local)
'''


@pytest.fixture(params=["discrete", "continuous"])
def plug_in(request, tmp_path, monkeypatch):
    """A package with an estimator of activations for a kind of target, found by its entry point."""
    (tmp_path / "their_package.py").write_text(PLUG_IN.replace("TARGET", request.param))
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pidkd.estimators.pid]\nridgeless = their_package:Ridgeless\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_package", raising=False)
    yield (*OF_LABELS, LABELS) if request.param == "discrete" else (*OF_FLOATS, FLOATS)
    sys.modules.pop("their_package", None)


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_an_estimator_of_another_package_is_audited(plug_in):
    teacher, student, y = plug_in
    estimator = pidkd.get_estimator("ridgeless")(scale=2.0)
    report = pidkd.audit(teacher, student, y, estimator=estimator, shuffles=4, local=True)
    [pair] = report.pairs
    assert report.provenance["estimator"] == pair.result.method == "ridgeless"
    assert pair.result.params == {"scale": 2.0}
    alone = pidkd.decompose(y, teacher["h"], student["h"], estimator=estimator, uncertainty=pidkd.Permutation(n=4))
    assert pair.result.atoms == alone.atoms
    assert pair.result.null == alone.null
    assert pair.result.local is not None
    assert report.provenance["shuffles"] == 4
    assert "ridgeless" in report.to_html()
    labelled = y.dtype.kind != "f"
    assert (pair.probe_t is not None, pair.cka is not None, bool(pair.extremes)) == (labelled, labelled, labelled)
    assert "cells" not in " ".join(report.notes)


@pytest.mark.filterwarnings("ignore::pidkd.errors.SmallSampleWarning")
def test_processes_and_stages_change_nothing(plug_in):
    teacher, student, y = plug_in
    options = {"checkpoints": {"early": {"h": student["h"][:, ::-1]}}, "baseline": student, "estimator": "ridgeless"}
    [alone] = pidkd.audit(teacher, student, y, **options).pairs
    with joblib.parallel_config(backend="threading", n_jobs=2):  # processes would not find the package of the test
        [spread] = pidkd.audit(teacher, student, y, **options).pairs
    assert [stage.result.atoms for stage in spread.stages] == [stage.result.atoms for stage in alone.stages]
    assert alone.baseline.result.atoms == alone.result.atoms


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": pidkd.Quantizer()}, r"quantize\): expected None with estimator 'ridgeless', which decomposes"),
        ({"fit_on": 0.5}, r"fit_on\): expected 'all' with estimator 'ridgeless'.*got 0.5"),
        ({"device": "cuda"}, r"device\): expected 'cpu'.*, got 'cuda' with estimator 'ridgeless'"),
        ({"max_memory": 1000}, r"max_memory\): expected an estimator that reads layers in pieces, got .*'ridgeless'"),
    ],
)
def test_options_that_it_has_no_use_for_are_refused(plug_in, options, message):
    teacher, student, y = plug_in
    with pytest.raises(InputError, match=rf"^audit\(\.\.\., {message}"):
        pidkd.audit(teacher, student, y, estimator="ridgeless", **options)


def test_atoms_of_single_samples_are_refused_where_codes_are_counted():
    with pytest.raises(InputError, match=r"audit\(\.\.\., local\): expected atoms of single samples, got .*'kmeans'"):
        pidkd.audit(*OF_LABELS, LABELS, estimator="kmeans", local=True)


def test_codes_are_columns_of_an_estimator_of_activations(plug_in):
    _, student, y = plug_in
    if y.dtype.kind == "f":
        pytest.skip("one kind of target is enough")
    result = pidkd.audit({"h": y.astype(str)}, student, y, estimator="ridgeless").results["h", "h"]
    assert result.mi_t == pytest.approx(1 / np.log(2))


def test_what_was_made_of_layers_of_text_is_kept(tmp_path):
    names = np.array(["cat", "dog"])[LABELS]
    first, again = (pidkd.audit({"h": names}, {"h": LABELS}, names, resume=tmp_path) for _ in range(2))
    assert first.results["h", "h"].seconds == again.results["h", "h"].seconds
