"""Experiments with several teachers: each trained on its part, what each adds in the record, resumed."""

from __future__ import annotations

import numpy as np
import pytest

from pidkd.distill.dataset import load_data
from pidkd.distill.experiments.config import Config, TeacherConfig
from pidkd.distill.experiments.loading import load_config
from pidkd.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("yaml")

from pidkd.distill.experiments.experiment import Experiment, run_experiment  # noqa: E402
from pidkd.distill.experiments.teaching import taught  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::pidkd.errors.PidkdWarning")

SETTINGS = [
    "teacher={model: cnn, options: {widths: [4, 4, 8]}, samples_per_class: 20, recipe: {epochs: 4}}",
    "teachers={low: {classes: [0, 1, 2, 3, 4]}, high: {classes: [5, 6, 7, 8, 9]}}",
    "taps=[[low.stage3, stage3], [high.stage3, stage3]]",
    "student.options={widths: [4, 4, 8]}",
    "data.samples_per_class=8",
    "recipe.epochs=2",
    "methods.rid={warm_up: 0, q: 2, r: 0.5}",
    "audit={layers: all, shuffles: 0, quantize: 'pca=1,kmeans=2'}",
]


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config("digits-rid", SETTINGS)


@pytest.fixture(scope="module")
def experiment(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return run_experiment(config, tmp_path_factory.mktemp("several") / "out", methods=["rid"])


def test_each_teacher_is_trained_on_its_classes(experiment: Experiment) -> None:
    names = {path.name for path in (experiment.folder / "teachers").iterdir()}
    assert names == {"low-trained-t0", "high-trained-t0"}
    results = experiment.contributions()
    assert set(results) == {"rid-trained-t0-s0"}
    for result in results.values():
        assert result.given == "student"
        assert set(result.sources) == {"low", "high"}
        assert result.union.value >= max(result.information[name].value for name in ("low", "high", "student"))
        assert result.union.upper - result.union.lower <= 1e-9


def test_it_goes_on_with_the_same_rows_and_refuses_others(experiment: Experiment, config: Config) -> None:
    again = run_experiment(config, experiment.folder, methods=["rid"], resume=True)
    assert again.rows == experiment.rows
    assert again.contributions() == experiment.contributions()
    other = load_config("digits-rid", [*SETTINGS, "teachers.low.classes=[0, 1]"])
    with pytest.raises(InputError, match=r"teachers\.low\.classes \[0, 1\] instead of \[0, 1, 2, 3, 4\]"):
        run_experiment(other, experiment.folder, methods=["rid"], resume=True)


def test_the_report_names_the_teachers(experiment: Experiment) -> None:
    text = (experiment.folder / "results/rid-trained-t0-s0/report.html").read_text(encoding="utf-8")
    assert "low/stage3" in text


def test_what_a_teacher_is_taught() -> None:
    data, _ = load_data("digits")
    halves = [taught(data, TeacherConfig("cnn", part=(k, 2)), 0) for k in (1, 2)]
    assert sorted(np.concatenate([half.ids for half in halves])) == sorted(data.ids)
    low = taught(data, TeacherConfig("cnn", classes=(0, 3), samples_per_class=5), 0)
    assert np.bincount(low.labels).tolist() == [5, 0, 0, 5]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("teachers={low: {}}", "teachers: expected two teachers or more"),
        ("teachers={low: {}, student: {}}", "none called student"),
        ("teachers={low: {part: [3, 2]}, high: {}}", r"expected a part from 1 to 2, got 3"),
        ("teachers={low: {colour: 1}, high: {}}", r"teachers\.low\.colour"),
    ],
)
def test_bad_settings_are_refused(setting: str, message: str) -> None:
    with pytest.raises((InputError, KeyError), match=message):
        load_config("digits-rid", [setting])
