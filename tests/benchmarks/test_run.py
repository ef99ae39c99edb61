"""Runs of a benchmark: what misbehaves is a row, and what was measured is not measured again."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from pidkd.benchmarks.peers import PEERS, list_peers
from pidkd.benchmarks.problems import FAMILIES, Problem, broja, get_family, list_families
from pidkd.benchmarks.record import read_record
from pidkd.benchmarks.run import run_benchmark
from pidkd.benchmarks.selection import select
from pidkd.errors import InputError, UnknownNameError
from pidkd.inputs import Pmf
from pidkd.synthetic import random_pmf

FAULTY = """
import math, os, subprocess, time
import numpy as np
from dataclasses import dataclass
from pathlib import Path
from pidkd.errors import import_extra
from pidkd.pid import PIDEstimator, Raw
from pidkd.inputs import Pmf
from pidkd.result import Certificate, Information

@dataclass(frozen=True)
class Faulty(PIDEstimator):
    name = "faulty"
    measure = "none"
    reference = "bertschinger2014"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset()

    def _decompose(self, data, ctx):
        self.misbehave(data)
        value = math.nan if data.shape == (2, 3, 3) else 0.25
        threads = os.environ["OMP_NUM_THREADS"] + os.environ["RAYON_NUM_THREADS"]
        stats = {"iterations": 4, "solver_seconds": 0.5}
        certificate = Certificate(value - 1e-3, value, "uncertified", threads)
        return Raw(value, Information(0.5, 0.5, 1.0), certificate, stats=stats)

    def misbehave(self, data):
        pass

class Hangs(Faulty):
    def misbehave(self, data):
        child = subprocess.Popen(["sleep", "600"])
        Path(__file__).with_name("child").write_text(str(child.pid))
        time.sleep(600)

class Dies(Faulty):
    def misbehave(self, data):
        os.abort()

class Leaves(Faulty):
    def misbehave(self, data):
        os._exit(0)

class Absent(Faulty):
    def misbehave(self, data):
        import_extra("no_such_package", "bench", "estimator 'absent'")

class Raises(Faulty):
    def misbehave(self, data):
        raise RuntimeError("no such luck")

class Sometimes(Faulty):
    def misbehave(self, data):
        if data.shape == (2, 3, 3):
            raise ValueError("not of this shape")

class Hoards(Faulty):
    def misbehave(self, data):
        np.ones(2**32)
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimators that misbehave, in a module that the workers can import."""
    (tmp_path / "faulty.py").write_text(textwrap.dedent(FAULTY))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))


def never() -> list[Pmf]:
    pytest.fail("a problem of another size was made")


@pytest.fixture
def two_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Problem("one", "tiny", lambda: broja.dense((2, 2, 2)))
    larger = Problem("two", "small", lambda: [*broja.dense((2, 2, 2)), *broja.dense((2, 3, 3))])
    problems = (small, larger, Problem("three", "full", never))
    monkeypatch.setitem(FAMILIES._built_in, "broja", dataclasses.replace(broja.FAMILY, problems=problems))


def ends(process: int) -> bool:
    """Whether it is gone, or soon is: somebody else has to reap it."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.usefixtures("faulty")
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")
def test_an_interrupt_ends_what_runs_and_leaves_the_record(tmp_path: Path) -> None:
    # Where the tests run in the background, a shell has told them to ignore the signal.
    command = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command += "from pidkd.benchmarks.run import run_benchmark as run\n"
    command += (
        f"run('broja', estimators=['faulty:Faulty', 'faulty:Hangs'], sizes='tiny', out={str(tmp_path / 'out')!r})"
    )
    with subprocess.Popen([sys.executable, "-c", command], stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)  # its limit is a minute
    assert "KeyboardInterrupt" in said
    assert ends(int((tmp_path / "child").read_text()))
    assert [row.estimator for row in read_record(tmp_path / "out")[1]] == ["faulty:Faulty"]


@pytest.mark.usefixtures("faulty", "two_problems")
def test_what_misbehaves_is_a_row_and_stops_nobody(tmp_path: Path) -> None:
    names = ["Hangs", "Dies", "Leaves", "Absent", "Raises", "Hoards", "Sometimes", "Faulty"]
    record = run_benchmark(
        "broja",
        estimators=[f"faulty:{name}" for name in names],
        time_limit=15.0,  # what does not hang must not run out of it on a busy machine
        memory_limit=4096,
        repeats=1,
        out=tmp_path / "record.jsonl",
    )
    found = {(row.estimator.partition(":")[2], row.problem): row for row in record.rows}
    assert len(found) == 2 * len(names)
    assert found["Hangs", "one"].status == "time limit"
    assert ends(int((tmp_path / "child").read_text()))  # what it had started ended with it
    assert found["Hangs", "two"].status == "not tried"
    assert found["Hangs", "two"].message == "ran out of time on one"
    assert found["Dies", "two"].status == "crashed"
    assert "SIGABRT" in found["Dies", "two"].message
    assert found["Leaves", "one"].status == "crashed"
    assert found["Absent", "one"].status == "skipped"
    assert "pip install -e '.[bench]'" in found["Absent", "one"].message
    assert (found["Raises", "one"].status, found["Raises", "one"].failed) == ("failed", 1)
    assert found["Raises", "one"].message == "RuntimeError: no such luck"
    sometimes = found["Sometimes", "two"]
    assert (sometimes.status, sometimes.members, sometimes.failed) == ("failed", 2, 1)
    assert sometimes.message == "ValueError: not of this shape"
    assert sometimes.gap == pytest.approx(1e-3 / math.log(2))
    assert found["Faulty", "one"].status == "solved"
    assert found["Faulty", "one"].message == "uncertified: 11"
    assert found["Faulty", "one"].iterations == 4
    assert found["Faulty", "one"].solver == 0.5
    both = found["Faulty", "two"]
    assert (both.status, both.members, both.failed, both.certified) == ("failed", 2, 1, 0)
    lines = [
        json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "record.jsonl").read_text().splitlines()
    ]
    assert lines[0]["versions"]["numpy"]
    assert len(lines) == 1 + 2 * len(names)


@pytest.mark.usefixtures("faulty", "two_problems")
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such limit")
def test_memory_is_limited() -> None:
    (row, _) = run_benchmark("broja", estimators=["faulty:Hoards"], memory_limit=2048, repeats=1).rows
    assert row.status == "memory limit"
    assert "more than 2048 MB" in row.message


@pytest.mark.usefixtures("two_problems")
def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "record.jsonl"
    seen: list[float] = []
    first = run_benchmark("broja", repeats=1, out=out, progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert [row.problem for row in first.rows] == ["one", "two"]
    kept = out.read_text().splitlines(keepends=True)
    out.write_text("".join(kept[:2]) + kept[2][:40])  # killed while it wrote
    problems = (Problem("one", "tiny", never), FAMILIES.get("broja").problems[1])
    monkeypatch.setitem(FAMILIES._built_in, "broja", dataclasses.replace(broja.FAMILY, problems=problems))
    again = run_benchmark("broja", repeats=1, out=out)
    assert [row.problem for row in again.rows] == ["one", "two"]
    assert again.rows[0] == first.rows[0]
    with pytest.raises(InputError, match="a record of the same settings"):
        run_benchmark("broja", repeats=2, out=out)


@pytest.mark.usefixtures("two_problems")
def test_what_ran_out_of_time_before_a_stop_is_remembered_after_it(tmp_path: Path) -> None:
    out = tmp_path / "record.jsonl"
    record = run_benchmark("broja", repeats=1, out=out)
    first = dataclasses.asdict(record.rows[0]) | {"status": "time limit"}
    out.write_text(f"{json.dumps(record.head)}\n{json.dumps(first)}\n")
    again = run_benchmark("broja", repeats=1, out=out)
    assert [row.status for row in again.rows] == ["time limit", "not tried"]
    assert again.rows[1].message == "ran out of time on one"


@pytest.mark.parametrize(
    "text", ["", "no record\n{}", '{"versions": {}}\n{"family": 1}\n'], ids=["empty", "text", "other data"]
)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"record\.jsonl: expected"):
        run_benchmark("gates", sizes="tiny", out=tmp_path / "record.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"families": "brojo"}, "did you mean 'broja'"),
        ({"sizes": "huge"}, "bench --sizes: expected a size, one of full, small, tiny"),
        ({"estimators": ["conik-*"]}, "bench --estimator: expected an estimator"),
        ({"time_limit": 0.0}, "bench --time-limit"),
        ({"memory_limit": math.nan}, "bench --memory-limit"),
        ({"repeats": 0}, "bench --repeats"),
        ({"n_jobs": 0}, "bench --jobs"),
        ({"device": "gpu"}, "bench --device: expected a device"),
        ({"peer_path": "nowhere"}, "nowhere: expected a folder of peers, got nothing by that name"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run_benchmark(**{"families": "broja", **arguments})
    assert isinstance(caught.value, UnknownNameError) or "expected" in str(caught.value)


FEW = {"information": ["nwj", "ksg", "gaussian"], "staircase": ["nwj(n_folds=1, block=5000)", "ksg"]}
"""Critics differ in their bounds alone, and each is trained for seconds."""


@pytest.mark.parametrize("family", list_families())
def test_the_smallest_size_of_every_family(family: str) -> None:
    names = FEW.get(family) or select(get_family(family), None, peers=False, device="cpu")
    rows = run_benchmark(family, estimators=FEW.get(family), sizes="tiny", repeats=1, n_jobs=2).rows
    assert {row.estimator for row in rows} >= set(names)
    for row in rows:
        if row.status == "skipped" and (find_spec("torch") is None or "--peer-path" in row.message):
            continue
        assert (row.status, row.failed) == ("solved", 0), row
        if row.error is not None:
            assert row.known
            assert row.error < 1.0


@pytest.mark.peer
def test_peers_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three classes: two have a closed form, without iterations.
    problem = dataclasses.replace(broja.PROBLEMS[0], make=lambda: [random_pmf((3, 4, 4), rng=0)])
    monkeypatch.setitem(FAMILIES._built_in, "broja", dataclasses.replace(broja.FAMILY, problems=[problem]))
    names = ["broja", "cvxpy-clarabel-aux", "conic-clarabel-inline", "conic-ecos-aux-tight", "dit-cone", "2pid-ecos"]
    *rows, absent = run_benchmark("broja", estimators=names, sizes="tiny", repeats=2).rows
    assert [row.estimator for row in rows] == names[:-1]
    for row in rows:
        assert (row.status, row.failed, row.members) == ("solved", 0, 1), row
        assert row.gap is not None
        assert row.gap < 1e-6
        assert row.error is not None
        assert row.error < 1e-6
        assert row.cpu is not None
        assert row.peak is not None
        assert row.base is not None
        assert row.peak >= row.base > 10
        assert row.iterations is not None
    assert absent.status == "skipped"
    assert "--peer-path" in absent.message


def test_an_estimator_of_a_user_appears_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        from dataclasses import dataclass
        from pidkd.pid import PIDEstimator, Raw
        from pidkd.info import information
        from pidkd.inputs import Pmf
        from pidkd.result import Certificate

        @dataclass(frozen=True)
        class Mine(PIDEstimator):
            name, measure, reference = "mine", "a guess", "bertschinger2014"
            accepts, certifies, laws = (Pmf,), False, frozenset()

            def _decompose(self, data, ctx):
                known = information(data.p)
                return Raw(known.t / 2, known, Certificate(0.0, known.t, "bound", "half of what T knows"))
        """)
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    from pidkd.benchmarks.reporting.page import write_page

    record = run_benchmark("gates", estimators=["broja", "mine:Mine"], sizes="tiny", repeats=1)
    write_page(record.head, record.rows, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "mine:Mine" in text
    assert text.count("<svg") >= 1
    assert "://" not in text.replace("http://www.w3.org", "")


@pytest.mark.peer
def test_peers_have_names_that_begin_alike() -> None:
    names = list_peers()
    assert len(names) == len(set(names))
    for peer in map(PEERS.get, PEERS.names()):
        assert all(name.startswith(peer.prefix) for name in peer.estimators())
