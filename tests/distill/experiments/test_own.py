"""From ``pidkd init`` to a trained student: own pictures, own networks, own file."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("yaml")
Image = pytest.importorskip("PIL.Image")

from pidkd.cli.main import main  # noqa: E402
from pidkd.distill import Recipe, load_config  # noqa: E402
from pidkd.distill.experiments.config import Config, DataConfig, StudentConfig, TeacherConfig  # noqa: E402
from pidkd.distill.experiments.loading import OWN  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.PidkdWarning")

NETWORKS = """
from torch import nn

class Student(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(4 * width, 2)

    def forward(self, x):
        x = self.block2(self.block1(x))
        return self.head(x.view(x.size(0), -1))

def Teacher():
    return Student(8)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures of two classes, and a module of two networks."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 40), ("test", 20)):
        for number in range(n):
            pixels = rng.integers(0, 100, (8, 8)) + 150 * (np.arange(8)[:, None] // 4 == number % 2)
            file = tmp_path / "images" / part / f"class{number % 2}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(file)
    (tmp_path / "networks.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "networks", raising=False)
    return tmp_path


def test_what_init_writes_trains_as_it_stands(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "own.yaml"]) == 0
    assert "pidkd train own.yaml --dry-run" in capsys.readouterr().err
    changes = ["recipe.epochs=2", "recipe.batch_size=10", "audit.shuffles=0"]
    assert main(["train", "own.yaml", "--methods", "none,kd,vid", "-o", "out", *changes]) == 0
    assert (place / "out" / "results.csv").exists()


CAREFUL = {"count": "student", "batch_size": 64, "schedule": "cosine", "cap": 1.0}
"""Where its recipe is another than by default."""


def test_all_but_a_careful_recipe_is_as_it_is_by_default() -> None:
    config = load_config(OWN)
    assert config == Config(
        data=DataConfig("folder", "images"),
        teacher=TeacherConfig("networks:Teacher"),
        student=StudentConfig("networks:Student"),
        taps=(("block2", "block2"),),
        recipe=Recipe(**CAREFUL),
    )


DIGITS = """
from torch import nn

class Student(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(8 * width, 10)

    def forward(self, x):
        x = self.block2(self.block1(x))
        return self.head(x.view(x.size(0), -1))

def Teacher():
    return Student(64)
"""


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [{}, {key: getattr(Recipe(), key) for key in CAREFUL}], ids=["written", "plain"])
def test_no_method_ends_far_below_the_student_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, object]
) -> None:
    """Digits as 1,000 pictures in a folder, own networks without BatchNorm, 24 epochs, all else as written or plain."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels, rows = (digits.images * 255 / 16).round().astype(np.uint8), np.random.default_rng(0).permutation(1797)
    for place, (number, row) in ((("train", "test")[i >= 1000], pair) for i, pair in enumerate(enumerate(rows))):
        file = tmp_path / "images" / place / str(digits.target[row]) / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[row]).save(file)
    (tmp_path / "networks.py").write_text(DIGITS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "networks", raising=False)
    assert main(["init", "own.yaml"]) == 0
    changes = ["recipe.epochs=24", "audit.layers=none", *(f"recipe.{key}={value}" for key, value in recipe.items())]
    assert main(["train", "own.yaml", "--methods", "all", "--seeds", "0,1,2", "-o", "out", *changes]) == 0
    differences = json.loads((tmp_path / "out" / "results.json").read_text())["differences"]
    gains = {entry["method"]: round(100 * entry["accuracy"], 1) for entry in differences}
    assert len(gains) == 6
    assert min(gains.values()) >= -2, gains


def test_a_file_that_exists_and_a_name_that_is_no_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a b.yaml"
    assert main(["init", str(file)]) == 0
    written = file.read_text()
    assert f"pidkd train '{file}' --dry-run" in written
    assert main(["init", str(file)]) == 2
    assert main(["init", str(file), "--force"]) == 0
    assert main(["init", str(tmp_path / "own")]) == 2
    assert "expected the name of a new file in .yaml" in capsys.readouterr().err
