"""What `import pidkd` brings, and what it costs."""

import subprocess
import sys

import pytest

import pidkd

HEAVY = ["torch", "cvxpy", "dit", "matplotlib", "sklearn", "typer", "rich", "scipy", "pandas", "jinja2", "joblib"]


def printed(code: str) -> str:
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_importing_pidkd_imports_nothing_heavy() -> None:
    assert printed(f"import sys, pidkd; print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_importing_pidkd_takes_less_than_three_tenths_of_a_second() -> None:
    code = "import time; start = time.process_time(); import pidkd; print(time.process_time() - start)"
    assert min(float(printed(code)) for _ in range(5)) < 0.3


def test_a_decomposition_imports_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys, pidkd; pidkd.decompose([0, 1] * 99, [0, 1] * 99, [0, 1] * 99); "
        f"print([n for n in {HEAVY} if n in sys.modules])"
    )
    assert set(eval(printed(code))) <= {"scipy"}


@pytest.mark.parametrize("name", pidkd.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pidkd, name) is not None
    assert name in dir(pidkd)


def test_nothing_else_is_listed_and_packages_are_found_without_their_import() -> None:
    assert not {"Any", "annotations", "importlib", "TYPE_CHECKING"} & {*dir(pidkd), *dir(pidkd.distill)}
    assert printed("import pidkd; print(pidkd.distill.Recipe().epochs > 0)") == "True"


def test_every_estimator_is_a_name_of_the_package() -> None:
    for kind in ("pid", "mi"):
        for name in pidkd.list_estimators(kind):
            cls = pidkd.get_estimator(name, kind)
            assert getattr(pidkd, cls.__name__) is cls
            assert cls.__name__ in dir(pidkd)
    assert pidkd.decompose([0, 1] * 99, [0, 1] * 99, [0, 1] * 99, estimator=pidkd.BROJA(tol=1e-8)).params["tol"] == 1e-8


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_package_runs_as_a_module_and_has_short_help(option: str) -> None:
    for command in ([], ["mi"]):
        arguments = [sys.executable, "-m", "pidkd", *command, option]
        run = subprocess.run(arguments, capture_output=True, text=True, check=True)
        assert "Usage: pidkd" in run.stdout


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pidkd' has no attribute 'decompse'"):
        pidkd.decompse  # noqa: B018
