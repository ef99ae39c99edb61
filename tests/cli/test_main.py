import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pidkd
from pidkd.cli.main import main
from pidkd.estimators.pid.mmi import MMI
from pidkd.runs.output import save_layers

Y = np.arange(600) % 6


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a table, three files of codes, and activations."""
    p = np.zeros((2, 2, 2))
    for t in (0, 1):
        for s in (0, 1):
            p[t & s, t, s] = 1 / 4
    rng = np.random.default_rng(0)
    save_layers(tmp_path, {"and": p, "counts": (p * 40).astype(int), "y": Y, "t": Y, "s": Y % 2})
    save_layers(tmp_path / "teacher", {"h1": rng.normal(size=(600, 12)), "h2": np.eye(6)[Y]})
    np.savez(tmp_path / "student.npz", h1=rng.normal(size=(600, 12)), out=np.eye(2)[Y % 2] + rng.normal(size=(600, 2)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


AUDIT = ("audit", "--labels", "y.npy", "--teacher", "teacher", "--student", "student.npz")


@pytest.fixture
def run(capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


# --- what works


def test_without_a_command_it_explains_itself(run):
    status, out, err = run()
    assert (status, err) == (0, "")
    for command in ("decompose", "audit", "mi", "list", "bench", "demo"):
        assert command in out


@pytest.mark.parametrize("command", ["decompose", "audit", "mi", "list", "bench", "demo"])
def test_every_command_explains_itself(run, command):
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"Usage: pidkd {command}" in out


def test_version(run):
    assert run("--version") == (0, f"pidkd {pidkd.__version__}\n", "")


@pytest.mark.parametrize("source", [("and.npy",), ("counts.npy",)])
def test_decompose_a_table(folder, run, source):
    status, out, err = run("decompose", *source, "--json")
    assert (status, err) == (0, "")
    result = pidkd.PIDResult.from_dict(json.loads(out))
    assert result.synergistic == pytest.approx(0.5, abs=1e-9)
    assert result.n_samples == (40 if source == ("counts.npy",) else None)


def test_decompose_with_uncertainty(folder, run):
    options = ["--uncertainty", "bootstrap=20", "--uncertainty", "permutation=19"]
    status, out, _ = run("decompose", "counts.npy", *options, "--json")
    assert status == 0
    methods = [pidkd.Bootstrap(n=20, bias="shuffle"), pidkd.Permutation(n=19)]
    here = pidkd.decompose(pidkd.Pmf.from_counts(np.load("counts.npy")), uncertainty=methods)
    found = pidkd.PIDResult.from_dict(json.loads(out))
    assert (found.interval, found.null) == (here.interval, here.null)


@pytest.mark.parametrize("text", ["bootstrap=", "bootstrap=x", "jackknife=3", "permutation=0", "median", "none"])
def test_uncertainty_that_is_none(folder, run, text):
    status, out, err = run("decompose", "counts.npy", "--uncertainty", "jackknife", "--uncertainty", text)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1


def test_audit_without_intervals(folder, run):
    status, out, _ = run(*AUDIT, "--estimator", "broja", "--pair", "h1:h1", "--uncertainty", "none", "--json")
    assert status == 0
    assert pidkd.AuditReport.from_dict(json.loads(out)).pairs[0].result.interval is None


def test_decompose_codes_in_nats(folder, run):
    status, out, _ = run("decompose", "--y", "y.npy", "--t", "t.npy", "--s", "s.npy", "--units", "nats", "--json")
    assert status == 0
    assert json.loads(out)["unique_t"] == pytest.approx(np.log(3), abs=1e-9)


def test_decompose_activations(folder, run):
    options = ["--estimator", "kmeans", "--param", "n_clusters=6", "--uncertainty", "bootstrap=2"]
    files = ["--y", "y.npy", "--t", "teacher/h2.npy", "--s", "teacher/h1.npy"]
    status, out, _ = run("decompose", *files, *options, "--json")
    assert status == 0
    data = pidkd.Activations(Y, np.load("teacher/h2.npy"), np.load("teacher/h1.npy"))
    bootstrap = pidkd.Bootstrap(n=2, bias="extrapolation")
    here = pidkd.decompose(data, estimator="kmeans", n_clusters=6, uncertainty=bootstrap)
    assert pidkd.PIDResult.from_dict(json.loads(out)).interval == here.interval


def test_decompose_says_on_the_terminal_what_python_says(folder, run):
    status, out, _ = run("decompose", "and.npy", "--estimator", "mmi")
    lines = [line for line in out.splitlines() if line]
    assert status == 0
    assert lines == str(pidkd.decompose(pidkd.Pmf(np.load("and.npy")), estimator="mmi")).splitlines()


def test_parameters_and_what_to_keep(folder, run):
    status, out, _ = run("decompose", "and.npy", "--param", "tol=1e-7", "--keep", "plan", "--json")
    found = json.loads(out)
    assert status == 0
    assert found["params"]["tol"] == 1e-7
    assert np.shape(found["plan"]) == (2, 2, 2)


def test_mi_says_what_python_says(folder, run):
    x = np.load("teacher/h1.npy")
    np.save("z.npy", x[:, 0])
    linear = pidkd.mutual_information(x, x[:, 0], estimator="gaussian")
    for arguments, found in [
        (("teacher/h1.npy", "z.npy", "--estimator", "gaussian"), linear),
        (("y.npy", "s.npy"), pidkd.mutual_information(Y, Y % 2)),
        (("z.npy", "y.npy", "--param", "n_folds=3", "--units", "nats"), None),
    ]:
        status, out, err = run("mi", *arguments, "--json")
        assert (status, err) == (0, "")
        record = json.loads(out)
        if found is not None:
            assert {**record, "seconds": 0} == {**found.to_dict(), "seconds": 0}
    assert record["bound"] == "lower"
    assert record["units"] == "nats"
    assert run("mi", "y.npy", "s.npy")[1].startswith("I(X;Y) 1.000000 bits\nplugin: of the table itself, n=600")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("y.npy", "short.npy"), "pidkd mi: short.npy: expected 600 samples, as in y.npy, got shape (3,)"),
        (("y.npy", "s.npy", "--param", "seed=1"), "pidkd mi: --param: expected a parameter of the estimator, got seed"),
        (("y.npy", "nan.npy"), "pidkd mi: Y: expected finite values, got NaN or infinity in row 0"),
        (
            ("y.npy", "s.npy", "--device", "cuda"),
            "pidkd mi: --device: expected 'cpu', got 'cuda' with estimator 'plugin'",
        ),
    ],
)
def test_mi_refuses_bad_input_in_one_line(folder, run, arguments, message):
    np.save("short.npy", np.arange(3))
    np.save("nan.npy", np.full(600, np.nan))
    status, out, err = run("mi", *arguments)
    assert (status, out, err) == (2, "", f"{message}\n")


def test_mi_on_a_device(folder, run):
    assert run("mi", "y.npy", "s.npy", "--device", "auto")[0] == 0
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("CUDA is there")
    status, _, err = run("mi", "teacher/h1.npy", "teacher/h1.npy", "--estimator", "infonce", "--device", "cuda")
    assert (status, err) == (
        2,
        "pidkd mi: --device: expected 'cpu', or a machine with CUDA, got 'cuda', and torch finds none\n",
    )


def test_audit_says_what_python_says(folder, run):
    status, out, err = run(*AUDIT, "--all-pairs", "--quantize", "pca=5,kmeans=6", "--seed", "2", "--json", "-o", "out")
    assert (status, err) == (0, "wrote out/audit.json, out/audit.csv, out/report.html\n")
    assert out == (folder / "out/audit.json").read_text()
    found = pidkd.AuditReport.load("out/audit.json")
    here = pidkd.audit("teacher", "student.npz", "y.npy", "all", quantize=pidkd.Quantizer(5, 6, seed=2), seed=2)
    assert len(found.pairs) == 4
    for pair, result in here.results.items():
        assert found.results[pair].atoms == result.atoms


def test_audit_with_checkpoints_and_a_baseline_says_what_python_says(folder, run):
    options = ["--checkpoint", "early=student.npz", "--baseline", "student.npz", "--pair", "h1:h1", "--fit-on", "0.5"]
    more = ["--max-memory", "1GB", "--pool", "mean", "--shuffles", "2", "--quantize", "pca=5,kmeans=6"]
    status, out, _ = run(*AUDIT, *options, *more, "--json")
    assert status == 0
    found = pidkd.AuditReport.from_dict(json.loads(out)).pairs[0]
    here = pidkd.audit(
        "teacher",
        "student.npz",
        "y.npy",
        [("h1", "h1")],
        checkpoints={"early": "student.npz"},
        baseline="student.npz",
        quantize=pidkd.Quantizer(5, 6),
        fit_on=0.5,
        pool="mean",
        shuffles=2,
    ).pairs[0]
    assert [stage.checkpoint for stage in found.stages] == ["baseline", "early", None]
    assert [a.result.atoms for a in found.stages] == [b.result.atoms for b in here.stages]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--checkpoint", "early"], "--checkpoint: expected NAME=FILE, each name once, got 'early'"),
        (["--checkpoint", "a=b", "--checkpoint", "a=c"], "--checkpoint: expected NAME=FILE, each name once, got 'a=c'"),
        (["--max-memory", "much"], "--max-memory: expected a number of bytes such as 500MB or 2GiB, got 'much'"),
        (["--fit-on", "2"], "--fit-on: expected 'all', a fraction between 0 and 1, or row numbers, got 2.0"),
        (["--fit-on", "rows.npy"], "rows.npy: expected an existing file or folder, got nothing by that name"),
        (["--baseline", "none.npz"], "none.npz: expected an existing file or folder, got nothing by that name"),
    ],
)
def test_options_of_the_audit_that_cannot_be_used(folder, run, options, message):
    assert run(*AUDIT, "--estimator", "broja", *options) == (2, "", f"pidkd audit: {message}\n")


def test_audit_of_named_pairs(folder, run):
    status, out, err = run(*AUDIT, "--pair", "h2:out", "--pair", "h1:h1", "--quantize", "kmeans=6")
    assert (status, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[1:3]] == [["h2", "out"], ["h1", "h1"]]


def test_warnings_go_to_stderr_a_line_each(folder, run):
    status, out, err = run(*AUDIT, "--quantize", "kmeans=50")
    assert status == 0
    assert err.startswith("pidkd audit: warning: 1 of 1 pairs have fewer samples than")
    assert err.count("\n") == 2
    assert "h1" in out


def test_list_names_every_estimator(run):
    status, out, _ = run("list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:] if not line.startswith(" ")] == pidkd.list_estimators()


def test_list_as_json_says_what_is_missing(run, monkeypatch):
    monkeypatch.setattr("pidkd.display.listing.find_spec", lambda module: None)
    status, out, _ = run("list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert status == 0
    assert rows["broja_cvx"]["missing"] == list(rows["broja_cvx"]["requires"])
    assert rows["broja"]["missing"] == []
    assert rows["broja"]["certifies"] is True


def test_the_demo_needs_nothing_and_can_be_run_again(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        status, out, err = run("demo", "--skip-training")
        assert status == 0
        assert [line for line in err.splitlines() if "% after" not in line] == []  # progress, on a slow machine
        assert "Untrained teacher" in out
    found = pidkd.AuditReport.load("pidkd-demo/audit.json")
    assert found.pairs[0].result.unique_t > 0.1


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from pidkd.cli.main import main; main(['--help']); main(['audit', '--help'])\n"
        "print(sorted({'sklearn', 'scipy', 'joblib', 'torch', 'cvxpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# --- bad input: one line on stderr, exit status 2, nothing on stdout, nothing written


def spoil(name: str, values: np.ndarray) -> None:
    path = Path(name)
    path.unlink()
    np.save(path, values, allow_pickle=True)


def truncate(name: str) -> None:
    path = Path(name)
    path.write_bytes(path.read_bytes()[:-20])


NAN = np.where(np.arange(600)[:, None] == 17, np.nan, np.ones((600, 2)))
OBJECTS = np.array([{}, []], dtype=object)

BAD = {
    "no command by that name": (lambda: None, ("audti",), "pidkd: No such command 'audti'. Did you mean 'audit'?"),
    "no option by that name": (lambda: None, (*AUDIT, "--unit", "nats"), "pidkd audit: No such option: --unit"),
    "missing option": (lambda: None, AUDIT[:-2], "pidkd audit: Missing option '--student'."),
    "no number": (lambda: None, (*AUDIT, "--seed", "one"), "pidkd audit: Invalid value for '--seed'"),
    "negative seed": (lambda: None, (*AUDIT, "--seed", "-1"), "pidkd audit: Invalid value for '--seed'"),
    "unknown units": (lambda: None, (*AUDIT, "--units", "bans"), "pidkd audit: Invalid value for '--units'"),
    "unknown kind": (lambda: None, ("list", "--kind", "x"), "pidkd list: Invalid value for '--kind'"),
    "no input": (
        lambda: None,
        ("decompose",),
        "pidkd decompose: input: expected a TABLE, or all of --y, --t and --s, got nothing",
    ),
    "half an input": (
        lambda: None,
        ("decompose", "--y", "y.npy"),
        "pidkd decompose: input: expected a TABLE, or all of",
    ),
    "two inputs": (lambda: None, ("decompose", "and.npy", "--y", "y.npy"), "got TABLE --y"),
    "missing table": (
        lambda: None,
        ("decompose", "no.npy"),
        "pidkd decompose: no.npy: expected an existing file or folder, got nothing by that name",
    ),
    "wrong axes": (
        lambda: spoil("and.npy", np.full((2, 2), 0.25)),
        ("decompose", "and.npy"),
        "pidkd decompose: and.npy: expected two sources, t and s, got one",
    ),
    "wrong sum": (
        lambda: spoil("and.npy", np.full((2, 2, 2), 0.25)),
        ("decompose", "and.npy"),
        "pidkd decompose: and.npy: expected a sum of 1 within 1e-06, got 2",
    ),
    "negative probability": (
        lambda: spoil("and.npy", np.array([[[-0.5, 1.5]]])),
        ("decompose", "and.npy"),
        "pidkd decompose: and.npy: expected entries >= 0, got -0.5 at (0, 0, 0)",
    ),
    "codes of unequal length": (
        lambda: spoil("t.npy", Y[:-1]),
        ("decompose", "--y", "y.npy", "--t", "t.npy", "--s", "s.npy"),
        "pidkd decompose: t.npy: expected 600 samples, as in y.npy, got shape (599,)",
    ),
    "float codes": (
        lambda: spoil("t.npy", Y * 0.5),
        ("decompose", "--y", "y.npy", "--t", "t.npy", "--s", "s.npy"),
        "pidkd decompose: --y, --t, --s: expected t and s of one kind, both codes (integers, bools, strings) or both",
    ),
    "unknown estimator": (
        lambda: None,
        (*AUDIT, "--estimator", "brojaa"),
        "pidkd audit: --estimator: expected an estimator, one of",
    ),
    "unknown parameter": (
        lambda: None,
        ("decompose", "and.npy", "--param", "tl=1"),
        "pidkd decompose: --param tl: expected a parameter, one of compiled, max_memory, tol, got 'tl'; "
        "did you mean 'tol'?",
    ),
    "unusable parameter": (
        lambda: None,
        ("decompose", "and.npy", "--param", "tol=-1"),
        "pidkd decompose: --param tol: expected a gap in bits > 0, got -1",
    ),
    "text for a number": (
        lambda: None,
        ("decompose", "and.npy", "--estimator", "blackwell", "--param", "time_limit=soon"),
        "pidkd decompose: --param time_limit: expected seconds > 0, got 'soon'",
    ),
    "an option for a parameter": (
        lambda: None,
        ("decompose", "and.npy", "--param", "units=nats"),
        "pidkd decompose: --param: expected a parameter of the estimator, got units",
    ),
    "parameters of no estimator in particular": (
        lambda: None,
        (*AUDIT, "--param", "tol=1e-3"),
        "pidkd audit: --param: expected --estimator NAME beside it, got none",
    ),
    "no count of resamples": (
        lambda: None,
        ("decompose", "counts.npy", "--uncertainty", "bootstrap=1"),
        "pidkd decompose: --uncertainty n: expected a whole number from 2 to 1,000,000, got 1",
    ),
    "an estimator of other data": (
        lambda: None,
        ("mi", "teacher/h1.npy", "y.npy", "--estimator", "plugin"),
        "pidkd mi: --estimator plugin: expected DiscretePairs (two of labels), got MixedPairs (floats and labels); ",
    ),
    "no parameter": (
        lambda: None,
        ("decompose", "and.npy", "--param", "tol"),
        "--param: expected KEY=VALUE, got 'tol'",
    ),
    "unknown thing to keep": (lambda: None, ("decompose", "and.npy", "--keep", "plans"), "did you mean 'plan'?"),
    "missing file": (
        lambda: None,
        ("audit", "--labels", "y.npy", "--teacher", "teechers", "--student", "student.npz"),
        "pidkd audit: teechers: expected an existing file or folder, got nothing by that name",
    ),
    "truncated archive": (
        lambda: truncate("student.npz"),
        AUDIT,
        "pidkd audit: student.npz: expected a file that can be read, got the fault: File is not a zip file",
    ),
    "truncated array": (lambda: truncate("teacher/h1.npy"), AUDIT, "the file is truncated"),
    "pickled labels": (
        lambda: spoil("y.npy", OBJECTS),
        AUDIT,
        "pidkd audit: y.npy: expected numbers or strings, got Python objects (dtype object); pidkd never unpickles",
    ),
    "not a number": (
        lambda: spoil("teacher/h1.npy", NAN),
        AUDIT,
        "pidkd audit: teacher/h1.npy: expected finite values, got NaN or infinity in row 17",
    ),
    "constant layer": (
        lambda: spoil("teacher/h1.npy", np.ones((600, 2))),
        AUDIT,
        "pidkd audit: teacher/h1.npy: expected samples that differ, got a constant layer",
    ),
    "labels of another length": (
        lambda: spoil("y.npy", Y[:-1]),
        AUDIT,
        "pidkd audit: teacher/h1.npy: expected 599 samples, as in y.npy, got shape (600, 12)",
    ),
    "labels of another shape": (
        lambda: spoil("y.npy", np.eye(6, dtype=int)[Y]),
        AUDIT,
        "pidkd audit: y.npy: expected shape (n_samples,), got (600, 6)",
    ),
    "float labels": (
        lambda: spoil("y.npy", Y * 1.0),
        AUDIT,
        "pidkd audit: y.npy: expected labels (integers, bools, strings) or a continuous target, got float64 that holds",
    ),
    "one class": (
        lambda: spoil("y.npy", Y * 0),
        AUDIT,
        "pidkd audit: y.npy: expected at least two classes, got one class only (0)",
    ),
    "unknown layer": (
        lambda: None,
        (*AUDIT, "--pair", "h3:out"),
        "pidkd audit: --pair: expected a layer of the teacher, one of h1, h2, got 'h3'; did you mean",
    ),
    "no pair": (lambda: None, (*AUDIT, "--pair", "h1"), "--pair: expected TEACHER_LAYER:STUDENT_LAYER, got 'h1'"),
    "pairs twice": (lambda: None, (*AUDIT, "--pair", "h1:h1", "--all-pairs"), "--all-pairs: expected one of them"),
    "no layers of equal name": (
        lambda: Path("teacher/h1.npy").rename("teacher/conv.npy"),
        AUDIT,
        "got teacher layers conv, h2 and student layers h1, out; name the pairs, or ask for all",
    ),
    "more clusters than samples": (
        lambda: None,
        (*AUDIT, "--quantize", "kmeans=601"),
        "pidkd audit: teacher/h1.npy, Quantizer.fit(X): expected at least n_clusters = 601 samples, got 600",
    ),
    "more clusters than distinct samples": (
        lambda: None,
        (*AUDIT, "--pair", "h2:h1", "--quantize", "kmeans=7"),
        "pidkd audit: teacher/h2.npy, Quantizer.fit(X): expected at least n_clusters = 7 distinct samples, got 6",
    ),
    "unknown step": (lambda: None, (*AUDIT, "--quantize", "kmean=3"), "--quantize: expected a step, one of kmeans"),
    "too few clusters": (
        lambda: None,
        (*AUDIT, "--quantize", "kmeans=1"),
        "pidkd audit: --quantize n_clusters: expected a whole number >= 2, got 1",
    ),
    "no processes": (lambda: None, (*AUDIT, "--jobs", "0"), "pidkd audit: --jobs: expected a number of processes"),
    "output exists": (
        lambda: save_layers("out", {"a": Y}) or Path("out/audit.json").write_text("mine"),
        AUDIT,
        "pidkd audit: out/audit.json: expected a new file, got one that exists; overwrite it with --force (force=True)",
    ),
    "output cannot be written": (
        lambda: Path("out").write_text("a file"),
        AUDIT,
        "pidkd audit: out/audit.json: expected a place that can be written to",
    ),
    "missing extra": (
        lambda: None,
        ("decompose", "and.npy", "--estimator", "broja_cvx"),
        "it is of the extra pidkd[cvx]; in a checkout: pip install -e '.[cvx]'",
    ),
    "unknown benchmark": (lambda: None, ("bench", "borja"), "did you mean 'broja'?"),
    "unknown paper": (lambda: None, ("bench", "papers", "williams2011"), "did you mean 'williams2010'?"),
    "papers without that option": (lambda: None, ("bench", "papers", "--peers"), "expected --sizes, --out"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input(folder, run, monkeypatch, fault):
    prepare, arguments, message = BAD[fault]
    prepare()
    if fault == "missing extra":
        monkeypatch.setitem(sys.modules, "cvxpy", None)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    status, out, err = run(*arguments, *(("-o", "out") if arguments[: len(AUDIT)] == AUDIT else ()))
    assert message in err
    assert err.startswith("pidkd")
    assert err.count("\n") == 1
    assert (status, out) == (2, "")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_json_output_is_empty_when_the_input_is_bad(folder, run):
    assert run(*AUDIT, "--json", "--estimator", "nope")[:2] == (2, "")


def test_force_overwrites(folder, run):
    Path("out").mkdir()
    Path("out/audit.json").write_text("old")
    assert run(*AUDIT, "--quantize", "kmeans=6", "-o", "out", "--force")[0] == 0
    assert len(pidkd.AuditReport.load("out/audit.json").pairs) == 1


def test_another_folder_is_not_the_demos_own(folder, run):
    Path("mine").mkdir()
    Path("mine/audit.json").write_text("mine")
    status, out, err = run("demo", "-o", "mine")
    assert (status, out) == (2, "")
    assert "mine/audit.json: expected a new file" in err


# --- faults that are not the user's


def test_a_fault_of_ours_says_so(folder, run, monkeypatch):
    def broken(self, data, ctx):
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(MMI, "_decompose", broken)
    status, out, err = run("decompose", "and.npy", "--estimator", "mmi")
    assert (status, out) == (1, "")
    assert "ZeroDivisionError: of ours" in err
    assert err.splitlines()[-1] == "pidkd decompose: this is a fault of pidkd, not of your input; please report it"


def test_no_feasible_answer_is_one_line(folder, run, monkeypatch):
    def failing(self, data, ctx):
        raise pidkd.errors.SolverError("mmi: no finite answer")

    monkeypatch.setattr(MMI, "_decompose", failing)
    assert run("decompose", "and.npy", "--estimator", "mmi") == (1, "", "pidkd decompose: mmi: no finite answer\n")


def test_an_interrupt_is_no_fault(folder, run, monkeypatch):
    def interrupted(self, data, ctx):
        raise KeyboardInterrupt

    monkeypatch.setattr(MMI, "_decompose", interrupted)
    status, out, err = run("decompose", "and.npy", "--estimator", "mmi")
    assert (status, out) == (130, "")
    assert err.strip() == "pidkd decompose: interrupted"


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of a terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_while_the_command_is_imported_is_no_fault(tmp_path, number):
    (tmp_path / "numpy.py").write_text("import os, sys\nos.kill(os.getpid(), int(sys.argv[-1]))\nimport absent")
    done = subprocess.run(
        [sys.executable, "-m", "pidkd", "list", str(int(number))],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(pidkd.__file__).parents[1]}"},
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # tests in the background ignore some
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "pidkd: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs the parent of a process")
def test_a_rank_ends_with_torchrun_while_the_command_is_imported(tmp_path):
    (tmp_path / "numpy.py").write_text("import sys, time\nprint('begun', flush=True)\ntime.sleep(60)")
    launcher = (
        "import os, subprocess, sys\n"
        "rank = subprocess.Popen([sys.executable, '-m', 'pidkd', 'list'], stdout=subprocess.PIPE)\n"
        "rank.stdout.readline()\n"
        "os._exit(0)\n"
    )
    path = f"{tmp_path}{os.pathsep}{Path(pidkd.__file__).parents[1]}"
    environ = {**os.environ, "PYTHONPATH": path, "TORCHELASTIC_RUN_ID": "none"}
    # Its standard error is ours, which is at its end when all that hold it are.
    subprocess.run([sys.executable, "-c", launcher], env=environ, stderr=subprocess.PIPE, timeout=20, check=True)


def test_a_program_that_imports_the_package_keeps_its_signals():
    code = "import signal; own = signal.getsignal(2); import pidkd; print(signal.getsignal(2) is own)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_reader_that_goes_away_is_no_fault(folder):
    code = "import sys; from pidkd.cli.main import main; sys.exit(main(['list', '--json']))"
    done = subprocess.run(
        f'{sys.executable} -c "{code}" | true', shell=True, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_output_that_finds_no_room_is_one_line(options):
    code = "import sys; from pidkd.cli.main import main; sys.exit(main(sys.argv[1:]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code, "list", *options], stdout=full, stderr=-1, text=True)
    message = "pidkd list: output: expected a place that can be written to, got the error 'No space left on device'\n"
    assert (done.returncode, done.stderr) == (2, message)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes files")
def test_closed_output_takes_nothing():
    code = "import sys; from pidkd.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        f"{sys.executable} -c '{code}' list --json >&-; {sys.executable} -c '{code}' list --kind no 2>&-",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disc_leaves_nothing_half_written(tmp_path):
    import resource

    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    for name in ("t", "s"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "h.npy", rng.normal(size=(300, 4)) + y[:, None])
    np.save(tmp_path / "y.npy", y)
    command = ["audit", "--labels", "y.npy", "--teacher", "t", "--student", "s", "--quantize", "kmeans=4", "-o", "out"]
    ended = subprocess.run(
        [sys.executable, "-c", "import sys; from pidkd.cli.main import main; sys.exit(main(sys.argv[1:]))", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "expected a place that can be written to, got the error 'File too large'" in ended.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_groups_and_targets_are_options_of_decompose_and_mi(folder, run):
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(100), 4)
    bit = rng.integers(2, size=100)
    np.save("bits.npy", bit[group])
    np.save("noisy.npy", np.where(rng.random(100) < 0.3, 1 - bit, bit)[group])
    np.save("group.npy", group)
    np.save("age.npy", 20 + rng.integers(60, size=400))
    samples = ["--y", "bits.npy", "--t", "noisy.npy", "--s", "noisy.npy", "--uncertainty", "jackknife", "--json"]
    errors = []
    for options in ([], ["--groups", "group.npy"]):
        status, out, _ = run("decompose", *samples, *options)
        assert status == 0
        errors.append(json.loads(out)["se"]["mi_t"])
    assert errors[1] == pytest.approx(2 * errors[0], rel=0.1)
    status, out, _ = run("mi", "bits.npy", "age.npy", "--target", "continuous", "--groups", "group.npy", "--json")
    assert status == 0
    assert json.loads(out)["method"] == "classifier"
    status, _, err = run("mi", "bits.npy", "age.npy", "--target", "ordinal")
    assert status == 2
    assert "--target" in err
    status, _, err = run("decompose", "counts.npy", "--groups", "group.npy")
    assert (status, "--groups: expected samples by --y, --t and --s" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["mi", "", "y.npy"], "the word after mi"),
        (["audit", "--labels", ""], "the word after --labels"),
        (["capture", "digits-rid", "--out="], "--out"),
    ],
)
def test_empty_words_are_not_the_present_folder(words, place, capsys):
    assert main(words) == 2
    assert f"pidkd {words[0]}: {place}: expected a value, got an empty one" in capsys.readouterr().err
