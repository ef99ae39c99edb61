"""The installed wheel with the core only: what must work without any extra, and what must say which extra it lacks.

Run by ``make check`` with the Python of such an environment.
"""

import importlib
import importlib.util
import json
import pkgutil
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import pidkd
import pidkd.distill
from pidkd.errors import MissingDependencyError

pytestmark = pytest.mark.core_only

EXTRAS = (
    *("torch", "cvxpy", "clarabel", "dit", "ecos", "infomeasure", "tensorboard", "h5py", "zarr", "dask"),
    *("transformers", "pytorch_lightning", "pyarrow", "numba"),
)
CHECKOUT = Path(__file__).parents[2]
LAYERS = ("axes", "corruption", "features", "feeding", "hidden_states", "lens", "loss", "positions", "taps")
OF_TORCH = (
    *(f"pidkd.distill.{name}" for name in (*LAYERS, "teacher_ensemble", "weights")),
    "pidkd.integrations.",
    *(f"pidkd.distill.{folder}." for folder in ("methods", "models", "training", "experiments")),
    "pidkd.estimators.solvers.critic.",
)
OF_NUMBA = ("pidkd.estimators.solvers.union.compiled",)
COMMAND = Path(sysconfig.get_path("scripts")) / "pidkd"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def and_gate(tmp_path) -> Path:
    p = np.zeros((2, 2, 2))
    for t in (0, 1):
        for s in (0, 1):
            p[t & s, t, s] = 1 / 4
    np.save(tmp_path / "and.npy", p)
    return tmp_path / "and.npy"


def test_this_environment_has_the_core_only_and_the_wheel_not_the_checkout():
    assert [name for name in EXTRAS if importlib.util.find_spec(name)] == []
    assert CHECKOUT / "pidkd" not in Path(pidkd.__file__).parents


@pytest.mark.parametrize("name", [module.name for module in pkgutil.walk_packages(pidkd.__path__, "pidkd.")])
def test_every_module_can_be_imported_or_is_one_of_an_extra_alone(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        of_torch = name.startswith(OF_TORCH) or name.endswith(".accelerated")
        if not (error.name == "torch" and of_torch) and not (error.name == "numba" and name in OF_NUMBA):
            raise


def test_distillation_methods_are_listed_and_name_the_extra_that_they_lack():
    assert "rid" in pidkd.distill.list_methods()
    with pytest.raises(MissingDependencyError, match=r"pidkd\[train\]"):
        pidkd.distill.get_method("rid")
    with pytest.raises(MissingDependencyError, match=r"pidkd\[train\]"):
        _ = pidkd.distill.FeatureTap


@pytest.mark.parametrize("kind", ["pid", "mi"])
def test_every_estimator_is_listed_and_made_without_its_extra(kind):
    for name in pidkd.list_estimators(kind):
        assert pidkd.get_estimator(name, kind)().name == name


def test_the_command_lists_every_estimator(tmp_path):
    done = run("list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in pidkd.list_estimators("pid"))


def test_discrete_work_is_certified():
    y, t, s = [0, 0, 0, 1] * 30, [0, 0, 1, 1] * 30, [0, 1, 0, 1] * 30
    result = pidkd.decompose(y, t, s)
    assert result.synergistic == pytest.approx(0.5, abs=1e-9)
    assert result.certificate.gap <= 1e-9


def test_the_command_decomposes_a_table(and_gate):
    done = run("decompose", and_gate.name, "--json", cwd=and_gate.parent)
    assert done.returncode == 0, done.stderr
    atoms = json.loads(done.stdout)
    assert atoms["synergistic"] == pytest.approx(0.5, abs=1e-9)
    assert atoms["redundant"] == pytest.approx(1.5 - 0.75 * np.log2(3), abs=1e-9)


def estimators_with_extras() -> list[str]:
    return [name for name in pidkd.list_estimators("pid") if pidkd.get_estimator(name).requires]


@pytest.mark.parametrize("name", estimators_with_extras())
def test_a_missing_extra_is_named_with_the_command_that_installs_it(name):
    with pytest.raises(MissingDependencyError) as caught:
        pidkd.decompose([0, 1], [0, 1], [0, 1], estimator=name)
    [extra, *_] = pidkd.get_estimator(name).requires.values()
    assert f"pidkd[{extra}]" in str(caught.value)


@pytest.mark.parametrize("name", estimators_with_extras())
def test_the_command_says_in_one_line_which_extra_is_missing(name, and_gate):
    done = run("decompose", and_gate.name, "--estimator", name, cwd=and_gate.parent)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "pip install" in line
    assert "Traceback" not in done.stderr
