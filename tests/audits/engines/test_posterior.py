"""Audits by learned posteriors: closed forms, chance, stages, any number of processes, resuming, samples."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest

import pidkd
from pidkd.audits.engines import posterior as posteriors
from pidkd.cli.main import main
from pidkd.errors import InputError
from pidkd.estimators.pid import posterior
from pidkd.estimators.solvers.posterior import probes
from pidkd.runs.output import save_layers

Y = np.arange(240) % 4
IDS = np.arange(240) + 7


def layer(codes, seed=0, noise=0.05):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(codes.max() + 1, 6))[codes] + noise * rng.normal(size=(len(codes), 6))


@pytest.fixture(scope="module")
def report():
    """The student tells odd from even, and told even less earlier."""
    return pidkd.audit(
        {"h": layer(Y)},
        {"h": layer(Y % 2)},
        Y,
        checkpoints={"early": {"h": layer(Y % 2, noise=9.0)}},
        shuffles=1,
        local=True,
    )


def timeless(report):
    pairs = [
        dataclasses.replace(pair, result=dataclasses.replace(pair.result, seconds=0), history=())
        for pair in report.pairs
    ]
    return dataclasses.replace(report, pairs=tuple(pairs), seconds=0)


def test_atoms_of_what_is_known(report):
    result = report.results["h", "h"]
    assert report.provenance["estimator"] == result.method == "posterior"
    assert result.redundant == pytest.approx(1.0, abs=0.1)
    assert result.unique_t == pytest.approx(1.0, abs=0.1)
    assert result.null["unique_t"] == pytest.approx(0.0, abs=0.1)


def test_the_teacher_is_the_same_at_every_checkpoint(report):
    pair = report.pairs[0]
    assert pair.history[0].result.mi_t == pair.result.mi_t
    assert pair.history[0].result.redundant < 0.3


def test_the_report_goes_through_json_without_its_samples(report):
    read = pidkd.AuditReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert read == report
    assert read.pairs[0].result.local is None
    assert all(words in " ".join(report.notes) for words in ("had not seen it", "no bounds"))


def test_samples_are_written_and_shown(report, tmp_path):
    report.write_local(tmp_path / "local.npz", ids=np.arange(240))
    with np.load(tmp_path / "local.npz") as found:
        local, pairs, atoms = found["local"], found["pairs"].tolist(), found["atoms"].tolist()
        assert found["ids"].shape == (240,)
    assert pairs == [["h", "h", "early"], ["h", "h", ""]]
    for name, values in zip(atoms, local[1], strict=True):
        assert values.mean() == pytest.approx(getattr(report.pairs[0].result, name), abs=1e-5)
    extremes = report.pairs[0].extremes
    assert extremes[0]["unique_t"] == pytest.approx(local[1, atoms.index("unique_t")].max(), abs=1e-5)
    assert "What the student still has to learn" in report.to_html()
    with pytest.raises(InputError, match="expected atoms of single samples, got a report without"):
        pidkd.audit(Y, Y % 2, Y).write_local(tmp_path / "none.npz")


def test_the_command_writes_samples_with_their_ids(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_layers("t", {"h": layer(Y), "ids": IDS})
    save_layers("s", {"h": Y % 2})
    np.save("y.npy", Y)
    command = [
        "audit",
        "--labels",
        "y.npy",
        "--teacher",
        "t",
        "--student",
        "s",
        "--local",
        "local.npz",
        "--shuffles",
        "0",
    ]
    assert main(command) == 0
    with np.load("local.npz") as found:
        assert found["ids"].tolist() == IDS.tolist()
        assert found["labels"].tolist() == Y.tolist()
    assert main(command) == 2
    assert "local.npz" in capsys.readouterr().err
    assert main([*command, "--estimator", "broja", "--force"]) == 2
    assert "pidkd audit: --local: expected atoms of single samples" in capsys.readouterr().err


def test_processes_and_resuming_change_nothing(tmp_path, monkeypatch):
    layers = {"h": layer(Y)}, {"h": layer(Y % 2)}
    one = pidkd.audit(*layers, Y, shuffles=0)
    assert timeless(pidkd.audit(*layers, Y, shuffles=0, n_jobs=2, resume=tmp_path)) == timeless(one)
    monkeypatch.setattr(posteriors.PosteriorEngine, "learn", None)  # nothing is learned again
    assert timeless(pidkd.audit(*layers, Y, shuffles=0, resume=tmp_path)) == timeless(one)


def test_codes_among_floats_are_columns():
    result = pidkd.audit({"h": Y}, {"h": layer(Y % 2)}, Y, shuffles=0).results["h", "h"]
    assert result.mi_t == pytest.approx(2.0, abs=0.1)


def test_the_papers_procedure_by_name():
    layers = {"h": layer(Y)}, {"h": layer(Y % 2)}
    options = {"shuffles": 0, "uncertainty": None}
    named = pidkd.audit(*layers, Y, estimator=pidkd.get_estimator("kmeans")(n_clusters=4), **options)
    cells = pidkd.audit(*layers, Y, quantize=pidkd.Quantizer(n_clusters=4), **options)
    assert named.results["h", "h"].atoms == cells.results["h", "h"].atoms


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": pidkd.Quantizer(), "estimator": "posterior"}, r"audit\(\.\.\., quantize\): expected None"),
        ({"fit_on": 0.5}, r"audit\(\.\.\., fit_on\): expected 'all' with estimator 'posterior'.*got 0.5"),
        ({"uncertainty": pidkd.Bootstrap(n=2)}, r"audit\(\.\.\., uncertainty\): expected 'auto'"),
    ],
)
def test_options_of_codes_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        pidkd.audit({"h": layer(Y)}, {"h": layer(Y % 2)}, Y, **options)


# --- memory


def test_columns_and_posteriors_that_do_not_fit_into_memory_give_the_same_answer(monkeypatch):
    layers = {"h": layer(Y)}, {"h": layer(Y % 2)}
    whole = pidkd.audit(*layers, Y, shuffles=1)
    monkeypatch.setattr("pidkd.estimators.solvers.posterior.learning.models_bytes", lambda *_: 0)
    pieces = pidkd.audit(*layers, Y, shuffles=1, max_memory=1000)
    assert pieces.results["h", "h"].atoms == whole.results["h", "h"].atoms
    assert pieces.results["h", "h"].null == whole.results["h", "h"].null


def test_models_that_do_not_fit_into_memory_are_refused():
    message = (
        r"expected at least \d+ bytes for 6 features, got 1000; raise it, or keep fewer n_components; "
        r"codes \(broja, kmeans\) are made in pieces"
    )
    with pytest.raises(InputError, match=message):
        pidkd.audit({"h": layer(Y)}, {"h": layer(Y % 2)}, Y, max_memory=1000)
    with pytest.raises(InputError, match=r"audit\(\.\.\., max_memory\): expected a whole number >= 1, got 0"):
        pidkd.audit({"h": layer(Y)}, {"h": layer(Y % 2)}, Y, max_memory=0)


def test_the_memory_of_codes_is_that_of_their_quantizer():
    report = pidkd.audit({"h": layer(Y)}, {"h": layer(Y % 2)}, Y, estimator="broja", shuffles=0, max_memory=3000)
    assert report.provenance["quantizer"]["max_memory"] == 3000
    assert report.results["h", "h"].provenance["teacher"]["quantizer"]["out_of_core"]


@pytest.mark.slow
def test_shards_of_ten_times_the_memory_are_learned_within_it(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    y, limit = rng.integers(3, size=100_000), 2**26
    centres = rng.normal(size=(3, 800)).astype(np.float32)
    for role, noise in (("teacher", 8), ("student", 15)):
        for number in range(10):
            some = y[number * 10_000 : (number + 1) * 10_000]
            shard = centres[some] + noise * rng.standard_normal((len(some), 800), dtype=np.float32)
            save_layers(tmp_path / role / "out", {f"{number:02d}": shard})
    monkeypatch.setattr(probes, "MAX_STEPS", 40)  # each as large as any
    options = {"estimator": posterior.Posterior(n_folds=3), "shuffles": 0}
    pidkd.audit(layer(Y), layer(Y), Y, **options)  # so that all modules are there already
    tracemalloc.start()
    pieces = pidkd.audit(tmp_path / "teacher", tmp_path / "student", y, max_memory=limit, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(file.stat().st_size for file in tmp_path.glob("*/out/*.npy")) > 9 * limit
    assert peak <= limit
    whole = pidkd.audit(tmp_path / "teacher", tmp_path / "student", y, **options)
    assert pieces.results["out", "out"].atoms == whole.results["out", "out"].atoms


# --- devices


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, r"expected one of 'cpu', 'cuda', 'auto', got 'tpu'; did you mean 'cpu'\?"),
        (
            {"device": "cuda", "estimator": "broja"},
            "expected 'cpu' or 'auto', got 'cuda' with estimator 'broja', which runs on the CPU in audits",
        ),
    ],
)
def test_a_device_that_is_of_no_use(options, message):
    with pytest.raises(InputError, match=rf"^audit\(\.\.\., device\): {message}$"):
        pidkd.audit({"h": layer(Y)}, {"h": layer(Y % 2)}, Y, **options)


def test_a_device_that_is_not_there(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    save_layers("t", {"h": layer(Y)})
    np.save("y.npy", Y)
    command = ["audit", "--labels", "y.npy", "--teacher", "t", "--student", "t"]
    assert main([*command, "--device", "cuda"]) == 2
    expected = "pidkd audit: --device: expected 'cpu', or a machine with CUDA, got 'cuda', and torch finds none\n"
    assert capsys.readouterr().err == expected
    assert main([*command, "--device", "auto", "--max-memory", "100MB", "--shuffles", "0"]) == 0


@pytest.mark.gpu
def test_a_device_gives_what_the_cpu_gives():
    layers = {"h": layer(Y)}, {"h": layer(Y % 2)}
    cpu, cuda = (pidkd.audit(*layers, Y, shuffles=1, device=device).results["h", "h"] for device in ("cpu", "cuda"))
    for name, value in cpu.atoms.items():
        assert getattr(cuda, name) == pytest.approx(value, abs=0.02)
