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
        f"import sys, pidkd; pidkd.decompose([0, 1], [0, 1], [0, 1]); print([n for n in {HEAVY} if n in sys.modules])"
    )
    assert set(eval(printed(code))) <= {"scipy"}


@pytest.mark.parametrize("name", pidkd.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pidkd, name) is not None
    assert name in dir(pidkd)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pidkd' has no attribute 'decompse'"):
        pidkd.decompse  # noqa: B018
