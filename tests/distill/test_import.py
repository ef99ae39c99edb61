"""What of distillation works without torch, and what says that it is missing."""

import pkgutil
import subprocess
import sys

import pytest

import pidkd.distill

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; import pidkd, pidkd.distill; "


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


def test_importing_it_does_not_import_torch():
    done = run("import sys, pidkd.distill; pidkd.distill.list_methods(); print('torch' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_methods_are_listed_and_schedules_made_without_torch():
    code = (
        "from pidkd.distill import schedule; "
        "print('rid' in pidkd.distill.list_methods(), schedule.alternating(2, q=2, r=0.5))"
    )
    done = run(WITHOUT_TORCH + code)
    assert done.stdout.strip() == "True ('filters', 'student')", done.stderr


@pytest.mark.parametrize("code", ["pidkd.distill.FeatureTap", "pidkd.distill.get_method('rid')"])
def test_what_needs_torch_names_the_extra(code):
    done = run(WITHOUT_TORCH + code)
    assert "MissingDependencyError" in done.stderr.splitlines()[-1]
    assert "pip install -e '.[train]'" in done.stderr.splitlines()[-1]


def test_a_name_that_is_not_there_is_an_attribute_error():
    done = run("import pidkd.distill; pidkd.distill.FeatureTab")
    assert "module 'pidkd.distill' has no attribute 'FeatureTab'" in done.stderr


def test_no_module_bears_the_name_of_a_public_function():
    """Importing it would put the module in the function's place."""
    modules = {module.name for module in pkgutil.iter_modules(pidkd.distill.__path__)}
    assert not modules & set(pidkd.distill.__all__)
