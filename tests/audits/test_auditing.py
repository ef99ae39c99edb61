import dataclasses
import functools
import math
import pickle
import sys
from dataclasses import dataclass

import joblib
import numpy as np
import pytest

import pidkd
from pidkd.errors import (
    ConvergenceWarning,
    IncompatibleInputError,
    InputError,
    MissingDependencyError,
    SmallSampleWarning,
    UnknownNameError,
)
from pidkd.estimators.pid.mmi import MMI
from pidkd.files.layer import Layer
from pidkd.inputs import Gaussian
from pidkd.result import Certificate
from pidkd.runs.output import save_layers

Y = np.arange(600) % 6

audit = functools.partial(pidkd.audit, estimator="broja")


def spread(codes: np.ndarray, shape: tuple[int, ...] = (5, 4), seed: int = 0) -> np.ndarray:
    """Activations that form one tight cluster for each code."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(codes.max() + 1, *shape)) * 10
    return centres[codes] + rng.normal(size=(len(codes), *shape)) * 0.01


def clusters(n: int) -> pidkd.Quantizer:
    return pidkd.Quantizer(n_clusters=n)


@pytest.fixture
def files(tmp_path):
    """A teacher that knows everything about the label in its second layer, and a student that knows half."""
    rng = np.random.default_rng(1)
    teacher = {"h1": rng.normal(size=(600, 30)), "h2": spread(Y), "h10": spread(Y % 2, seed=1)}
    save_layers(tmp_path / "teacher", teacher)
    np.savez(tmp_path / "student.npz", h1=rng.normal(size=(600, 20)), h2=spread(Y % 3, seed=2))
    np.save(tmp_path / "labels.npy", Y)
    return tmp_path / "teacher", tmp_path / "student.npz", tmp_path / "labels.npy"


# --- closed forms


def test_codes_are_taken_as_they_are():
    result = audit({"out": Y}, {"out": Y % 3}, Y).results["out", "out"]
    assert result.redundant == pytest.approx(math.log2(3), abs=1e-9)
    assert result.unique_t == pytest.approx(1.0, abs=1e-9)
    assert result.unique_s == pytest.approx(0.0, abs=1e-9)
    assert result.synergistic == pytest.approx(0.0, abs=1e-9)
    assert result.certificate.status == "optimal"
    assert result.provenance["teacher"]["quantizer"] is None


def test_activations_in_clusters_give_the_atoms_of_the_clusters():
    truth = pidkd.decompose(Y, Y // 2, Y % 2)
    report = audit({"h": spread(Y // 2)}, {"h": Y % 2}, Y, quantize=clusters(3))
    for atom, value in report.results["h", "h"].atoms.items():
        assert value == pytest.approx(truth.atoms[atom], abs=1e-9)


def test_two_independent_halves_are_unique():
    y = np.arange(400) % 4
    result = audit(y // 2, y % 2, y).pairs[0].result
    assert result.unique_t == pytest.approx(1.0, abs=1e-9)
    assert result.unique_s == pytest.approx(1.0, abs=1e-9)


def test_exclusive_or_is_synergy():
    t, s = np.arange(400) // 2 % 2, np.arange(400) % 2
    result = audit(spread(t), spread(s, seed=3), t ^ s, quantize=clusters(2), shuffles=0).pairs[0].result
    assert result.synergistic == pytest.approx(1.0, abs=1e-9)


def test_a_student_that_copies_its_teacher_leaves_nothing():
    layers = {"h": np.random.default_rng(4).normal(size=(600, 25))}
    result = audit(layers, layers, Y, shuffles=0).results["h", "h"]
    assert result.unique_t == pytest.approx(0.0, abs=1e-9)
    assert result.unique_s == pytest.approx(0.0, abs=1e-9)
    assert result.synergistic == pytest.approx(0.0, abs=1e-9)
    assert result.redundant == pytest.approx(result.mi_t, abs=1e-9)


def test_renamed_labels_change_nothing():
    layers = {"h": np.random.default_rng(5).normal(size=(600, 25))}, {"h": spread(Y % 3)}
    words = np.array(["cat", "dog", "emu", "fox", "gnu", "hen"])[Y[::-1]]
    a, b = (audit(*layers, y, quantize=clusters(3), shuffles=0).results["h", "h"] for y in (Y[::-1], words))
    assert a.atoms == pytest.approx(b.atoms, abs=1e-9)


# --- the procedure


def test_any_number_of_processes_gives_the_same(files):
    reports = [audit(*files, "all", n_jobs=n) for n in (1, 2)]
    with joblib.parallel_config(backend="threading", n_jobs=2):
        reports.append(audit(*files, "all"))

    def timeless(report):
        pairs = [dataclasses.replace(pair, result=dataclasses.replace(pair.result, seconds=0)) for pair in report.pairs]
        return dataclasses.replace(report, pairs=tuple(pairs), seconds=0)

    assert timeless(reports[0]) == timeless(reports[1]) == timeless(reports[2])


def test_each_layer_is_read_once(files, monkeypatch):
    read = []
    original = Layer.read
    monkeypatch.setattr(Layer, "read", lambda layer, *pool: read.append(layer.where) or original(layer, *pool))
    report = audit(*files, "all")
    assert len(report.pairs) == 6
    assert len(read) == len(set(read)) == 5


def test_layers_that_no_pair_needs_are_not_read(files):
    teacher, *rest = files
    np.save(teacher / "h1.npy", np.full((600, 3), np.nan), allow_pickle=False)
    assert len(audit(teacher, *rest, [("h2", "h2")]).pairs) == 1


def test_arrays_and_their_files_give_the_same(files):
    teacher, student, _ = files
    arrays = {name: np.load(teacher / f"{name}.npy") for name in ("h1", "h2", "h10")}
    with np.load(student) as archive:
        found = audit(arrays, dict(archive), Y)
    for pair, result in audit(*files).results.items():
        assert result.atoms == found.results[pair].atoms


def test_layers_of_equal_name_are_paired(files):
    assert set(audit(*files).results) == {("h1", "h1"), ("h2", "h2")}


def test_named_pairs(files):
    report = audit(*files, [("h10", "h2"), ("h2", "h2"), ("h2", "h2")])
    assert len(report.pairs) == 2
    assert set(report.results) == {("h2", "h2"), ("h10", "h2")}


def test_the_provenance_says_where_every_number_comes_from(files):
    teacher, student, labels = files
    report = audit(*files, [("h1", "h2")], quantize=pidkd.Quantizer(4, 5, seed=11), seed=3, shuffles=0)
    origin = report.pairs[0].result.provenance
    assert origin["teacher"]["file"] == str(teacher / "h1.npy")
    assert origin["student"]["file"] == str(student)
    assert (origin["labels"], origin["seed"]) == (str(labels), 3)
    record = origin["teacher"]["quantizer"]
    assert (record["n_components"], record["n_clusters"], record["seed"], record["cells_used"]) == (4, 5, 11, 5)
    assert report.provenance["estimator"] == "broja"
    assert report.provenance["quantizer"]["n_clusters"] == 5


def test_the_seed_is_that_of_the_quantizer_unless_one_is_given(files):
    report = audit(*files, seed=5)
    assert report.pairs[0].result.provenance["teacher"]["quantizer"]["seed"] == 5


def test_other_units(files):
    bits, nats = (audit(*files, units=units) for units in ("bits", "nats"))
    for pair, result in bits.results.items():
        assert nats.results[pair].unique_t == pytest.approx(result.unique_t * math.log(2))
    assert nats.entropy == pytest.approx(math.log(6))


def test_progress_ends_at_one(files):
    seen = []
    audit(*files, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) == 4 + 2


def test_an_estimator_with_parameters(files):
    report = audit(*files, estimator=pidkd.get_estimator("broja")(tol=1e-6))
    assert report.pairs[0].result.params["tol"] == 1e-6


def test_a_fault_travels_whole_from_another_process(files):
    teacher, *rest = files
    values = np.ones((600, 3))
    values[7] = np.nan
    np.save(teacher / "h1.npy", values)
    for n_jobs in (1, 2):
        with pytest.raises(InputError, match=r"h1\.npy: expected finite values, got NaN or infinity in row 7"):
            audit(teacher, *rest, n_jobs=n_jobs)


# --- warnings


def test_too_few_samples_for_the_cells_are_warned_of_once_and_noted():
    rng = np.random.default_rng(0)
    teacher, student = {"a": rng.normal(size=(60, 8)), "b": rng.normal(size=(60, 8))}, {"s": rng.normal(size=(60, 8))}
    with pytest.warns(SmallSampleWarning, match="2 of 2 pairs have fewer samples") as caught:
        report = audit(teacher, student, Y[:60], "all", shuffles=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert any(note.startswith("60 samples for ") for note in report.notes)


def test_what_is_not_certified_is_warned_of(monkeypatch):
    def loose(self, data, ctx):
        raw = MMI._decompose_exactly(self, data, ctx)
        return dataclasses.replace(raw, certificate=Certificate(0.0, 1.0, "max_iter", "try more"))

    monkeypatch.setattr(MMI, "_decompose_exactly", MMI._decompose, raising=False)
    monkeypatch.setattr(MMI, "_decompose", loose)
    with pytest.warns(ConvergenceWarning, match="1 of 1 pairs are not certified"):
        report = audit(Y, Y % 2, Y, estimator="mmi")
    assert any("try more" in note for note in report.notes)


# --- bad input


def complaint(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        audit(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message
    return message


def test_no_layers_of_equal_name_lists_both():
    message = complaint({"a": Y, "b": Y}, {"c": Y, "d": Y}, Y)
    assert message == (
        "audit(..., pairs): expected layers of equal name, got teacher layers a, b and student layers c, d; "
        "name the pairs, or ask for all"
    )


def test_unknown_layer_suggests_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        audit({"layer1": Y, "layer2": Y}, {"out": Y}, Y, [("layre2", "out")])
    assert str(caught.value) == (
        "audit(..., pairs): expected a layer of the teacher, one of layer1, layer2, got 'layre2'; "
        "did you mean 'layer2'?"
    )


@pytest.mark.parametrize("pairs", ["every", [("out",)], ["ab"], [("a", "b", "c")], []])
def test_pairs_that_are_none(pairs):
    assert complaint({"out": Y}, {"out": Y}, Y, pairs).startswith("audit(..., pairs): expected ")


def test_labels_of_another_length(files):
    teacher, student, _ = files
    assert complaint(teacher, student, Y[:-1]) == (
        f"{teacher / 'h1.npy'}: expected 599 samples, as in audit(y), got shape (600, 30)"
    )


def test_float_labels(files):
    teacher, student, _ = files
    message = complaint(teacher, student, Y.astype(float))
    assert message.startswith(
        "audit(y): expected labels (integers, bools, strings) or a continuous target, got float64"
    )
    assert "y.astype(int) or target='discrete'" in message


def test_one_class_only(files):
    teacher, student, _ = files
    assert (
        complaint(teacher, student, np.full(600, 3))
        == "audit(y): expected at least two classes, got one class only (3)"
    )


def test_a_constant_layer(files):
    assert "got a constant layer" in complaint({"h": np.ones((600, 4))}, {"h": Y}, Y)


def test_more_clusters_than_samples_names_the_layer(files):
    message = complaint(*files, [("h2", "h2")], quantize=clusters(601))
    assert message == f"{files[0] / 'h2.npy'}, Quantizer.fit(X): expected at least n_clusters = 601 samples, got 600"


def test_unknown_estimator(files):
    with pytest.raises(UnknownNameError, match="did you mean 'broja'"):
        audit(*files, estimator="brioja")


@dataclass(frozen=True)
class OfGaussians(MMI):
    accepts = (Gaussian,)


def test_an_estimator_that_takes_no_codes(files):
    with pytest.raises(
        IncompatibleInputError,
        match=r"expected an estimator of codes, or of activations with labels, got 'mmi', which decomposes Gaussian "
        r"with a continuous target; "
        r"estimators that fit: .*broja.*kmeans.*posterior",
    ):
        audit(*files, estimator=OfGaussians())


def test_what_is_no_estimator_and_no_quantizer(files):
    assert complaint(*files, estimator=3) == "audit(..., estimator): expected a name or a PIDEstimator, got int"
    assert complaint(*files, quantize=10) == "audit(..., quantize): expected a pidkd.Quantizer, got int"


def test_parameters_are_refused_before_any_file_is_read():
    broja = pidkd.get_estimator("broja")(tol=-1.0)
    assert "tol" in complaint("no.npz", "no.npz", "no.npy", estimator=broja)


def test_a_missing_extra_is_said_before_any_file_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(MissingDependencyError, match=r"pip install -e '\.\[cvx\]'"):
        audit("no.npz", "no.npz", "no.npy", estimator="broja_cvx")


@pytest.mark.parametrize("n_jobs", [0, 1.5, True, "all"])
def test_numbers_of_processes(files, n_jobs):
    assert complaint(*files, n_jobs=n_jobs).startswith("audit(..., n_jobs): expected a number of processes")


def test_units_that_are_none(files):
    assert complaint(*files, units="bans") == "audit(..., units): expected 'bits' or 'nats', got 'bans'"


def test_ids_beside_the_labels_are_those_of_the_layers(tmp_path):
    y = np.arange(40) % 4
    np.savez(tmp_path / "y.npz", labels=y, ids=np.arange(39))
    with pytest.raises(InputError, match=r"y.npz: expected ids of 40 samples, got 39"):
        pidkd.audit({"h": y}, {"h": y}, tmp_path / "y.npz")
    np.savez(tmp_path / "y.npz", labels=y, ids=np.arange(40))
    with pytest.raises(InputError, match=r"y.npz: expected the ids of audit\(teacher\), got the same ids in another"):
        pidkd.audit({"h": y, "ids": np.arange(40)[::-1]}, {"h": y}, tmp_path / "y.npz")


class Noted(dict):
    """Arrays with the record of their capture."""

    def about(self):
        return {"kinds": {"l": "tokens"}}


@pytest.mark.parametrize(
    ("teacher", "pool", "used", "said"),
    [
        (Noted, "auto", "mean", ["the student's l are audited as the mean over their tokens; pool='flatten'"]),
        (dict, "auto", "auto", ["the teacher's l is audited as all tokens", "the student's l is audited as the mean"]),
        (Noted, "flatten", "flatten", ["are audited as all tokens side by side; pool='mean' asks"]),
    ],
)  # fmt: skip
def test_tokens_of_a_capture_are_audited_by_their_mean(teacher, pool, used, said):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    t, s = rng.normal(size=(2, 120, 3, 2)) + y[:, None, None]
    options = {"quantize": pidkd.Quantizer.from_text("pca=1,kmeans=3"), "shuffles": 0, "uncertainty": None}
    report = pidkd.audit(teacher(l=t), Noted(l=s), y, pool=pool, **options)
    assert report.provenance["pool"] == used
    notes = [note for note in report.notes if note.startswith("Pooling")]
    assert len(notes) == len(said)
    for note, part in zip(notes, said, strict=True):
        assert part in note
    by_hand = {"l": t.mean(axis=1) if used == "mean" else t}, {"l": s if pool == "flatten" else s.mean(axis=1)}
    assert report.results["l", "l"].atoms == pytest.approx(pidkd.audit(*by_hand, y, **options).results["l", "l"].atoms)


def test_hidden_states_in_a_list_are_paired_by_their_index():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=120)
    states = [np.eye(3)[y] + rng.normal(size=(120, 3)) for _ in range(2)]
    report = pidkd.audit(tuple(states), states, y, estimator="kmeans")
    assert set(report.results) == {("hidden_states.0", "hidden_states.0"), ("hidden_states.1", "hidden_states.1")}
