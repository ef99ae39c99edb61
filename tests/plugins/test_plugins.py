"""One file adds a measure, a method, data, a model, a format, a peer or a problem family: nothing else is touched."""

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
UNWANTED = shutil.ignore_patterns("__pycache__", "results")

PARTS = [
    ("shared_nothing", "SharedNothing", "pidkd.estimators.pid", "estimators/pid"),
    ("signs", "Signs", "pidkd.estimators.pid", "estimators/pid"),
    ("half_task", "HalfTask", "pidkd.methods", "distill/methods"),
    ("stripes", "read", "pidkd.data", "distill/data"),
    ("linear", "build", "pidkd.models", "distill/models"),
    ("text", "Text", "pidkd.formats", "files/formats"),
    ("other_mmi", "PEER", "pidkd.peers", "benchmarks/peers"),
    ("copies", "FAMILY", "pidkd.problems", "benchmarks/problems"),
]
"""File, what it holds, group of entry points, and folder of pidkd."""


def use(folder: Path, *paths: Path) -> None:
    """Use the parts in a process that imports from these paths first."""
    pytest.importorskip("torch")
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, str(HERE / "use.py"), str(ROOT / "docs" / "_ext")]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_by_the_entry_points_of_another_package(tmp_path: Path) -> None:
    shutil.copytree(HERE / "their_parts", tmp_path / "their_parts", ignore=UNWANTED)
    (tmp_path / "their_parts" / "__init__.py").touch()
    points = defaultdict(list)
    for name, member, group, _ in PARTS:
        points[group].append(f"{name} = their_parts.{name}:{member}")
    info = tmp_path / "their_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their_parts\nVersion: 1.0\n")
    lines = [line for group, named in points.items() for line in (f"[{group}]", *named)]
    (info / "entry_points.txt").write_text("\n".join(lines))
    use(tmp_path, tmp_path, ROOT)


@pytest.mark.slow
def test_by_a_file_in_its_folder(tmp_path: Path) -> None:
    package = tmp_path / "tree" / "pidkd"
    shutil.copytree(ROOT / "pidkd", package, ignore=shutil.ignore_patterns("__pycache__", "estimators", "benchmarks"))
    for linked in ("estimators", "benchmarks"):
        shutil.copytree(ROOT / linked, package / linked, ignore=UNWANTED)
    for name, _, _, folder in PARTS:
        shutil.copy(HERE / "their_parts" / f"{name}.py", package / folder)
    use(tmp_path, tmp_path / "tree")
