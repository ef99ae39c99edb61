import configparser
import re
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import pidkd

ROOT = Path(__file__).parents[1]
LINKED = ("estimators", "benchmarks")

setup = configparser.ConfigParser()
setup.read(ROOT / "setup.cfg")
packages = setup["options"]["packages"].split()


def folder_of(package: str) -> Path:
    parts = package.split(".")[1:]
    return ROOT.joinpath(*parts) if parts and parts[0] in LINKED else ROOT.joinpath("pidkd", *parts)


def modules_of(package: str) -> set[str]:
    return {f"{package.replace('.', '/')}/{path.name}" for path in folder_of(package).glob("*.py")}


def sources(pattern: str) -> list[Path]:
    """Real files: a recursive glob does not follow the links."""
    return [path for top in ("pidkd", *LINKED) for path in (ROOT / top).rglob(pattern)]


@pytest.mark.parametrize("pattern", ["__init__.py", "*.py"])
def test_packages_lists_every_folder_with_code(pattern):
    assert {path.parent for path in sources(pattern)} == {folder_of(package) for package in packages}


@pytest.mark.parametrize("name", LINKED)
def test_links_are_relative_and_lead_to_the_top_level_folders(name):
    link = ROOT / "pidkd" / name
    if not link.is_symlink():
        pytest.skip("this checkout has no links")
    assert link.readlink() == Path("..", name)
    assert link.resolve() == (ROOT / name).resolve()


@pytest.mark.parametrize("name", LINKED)
def test_a_top_level_folder_refuses_to_be_imported_by_its_own_name(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    with pytest.raises(ImportError, match=rf"pidkd\.{name}"):
        __import__(name)


def test_constraints_pin_every_core_dependency_to_a_public_version():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    core = {line.split(">=")[0].strip() for line in setup["options"]["install_requires"].strip().splitlines()}
    assert core <= set(pins)
    assert not [name for name, version in pins.items() if "+" in version]


@pytest.fixture(scope="module")
def wheel() -> set[str]:
    [path] = (ROOT / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sdist() -> set[str]:
    [path] = (ROOT / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames() if not archive.getmember(name).isdir()}


@pytest.mark.dist
def test_wheel_has_one_package_at_its_top(wheel):
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pidkd"}


@pytest.mark.dist
def test_wheel_holds_every_module_and_no_other_code(wheel):
    assert {name for name in wheel if name.endswith(".py")} == {module for p in packages for module in modules_of(p)}


@pytest.mark.dist
def test_wheel_holds_the_declared_data_and_nothing_else(wheel):
    declared = {
        f"{package.replace('.', '/')}/{path.relative_to(folder_of(package)).as_posix()}"
        for package, patterns in setup["options.package_data"].items()
        for pattern in patterns.replace(",", " ").split()
        for path in folder_of(package).glob(pattern)
    }
    assert "pidkd/py.typed" in declared
    assert {name for name in wheel if not name.endswith(".py") and ".dist-info/" not in name} == declared


@pytest.mark.dist
def test_sdist_holds_all_that_a_developer_needs(sdist):
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Makefile", "setup.cfg"} <= sdist
    assert {"constraints.txt", "ruff.toml", "docs/conf.py", "pidkd/references.bib", "pidkd/py.typed"} <= sdist
    everything = [*sources("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
    assert {path.relative_to(ROOT).as_posix() for path in everything} <= sdist


@pytest.mark.dist
def test_sdist_holds_no_build_output_and_no_second_copy(sdist):
    outputs = ("build/", "dist/", "docs/_build", "docs/generated", "pidkd/estimators", "pidkd/benchmarks")
    assert not [name for name in sdist if name.startswith(outputs) or "__pycache__" in name]


def test_versions_agree():
    version = pidkd.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ("## Unreleased" if ".dev" in version else f"## {version}") in changes


def test_the_public_workflow_calls_targets_of_the_makefile():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = set(re.findall(r"run: make ([\w-]+)", workflow))
    assert {"check", "test"} <= called <= targets
