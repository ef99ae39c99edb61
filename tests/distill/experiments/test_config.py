"""Configurations: presets as the paper prints them, YAML and back, overrides, errors that name the key."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from pidkd.distill.architectures import build_model
from pidkd.distill.dataset import list_data
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.loading import list_presets, load_config
from pidkd.distill.method import list_methods
from pidkd.errors import InputError, UnknownNameError

pytest.importorskip("torch")
pytest.importorskip("yaml")

PAPER = ("cifar10-rid-paper", "cifar100-rid-paper", "cub-rid-paper")


@pytest.mark.parametrize("preset", list_presets())
def test_a_preset_survives_yaml(preset: str, tmp_path: Path) -> None:
    config = load_config(preset)
    file = tmp_path / "config.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(file) == config
    assert Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(("preset", "method"), [*itertools.product(list_presets(), list_methods())])
def test_every_method_can_be_chosen_in_every_preset(preset: str, method: str) -> None:
    config = load_config(preset, [f"method={method}"])
    assert config.make_method().name == method
    assert len(config.make_method().schedule(config.student_recipe.epochs)) == config.recipe.epochs
    assert config.data.name in list_data()


@pytest.mark.parametrize("preset", list_presets())
def test_taps_are_layers_of_the_networks(preset: str) -> None:
    torch = pytest.importorskip("torch")
    config = load_config(preset)
    shape = {"digits": (8, 8, 1), "idx": (28, 28, 1), "cub": (224, 224, 3), "sentences": (24, 522)}.get(
        config.data.name, (32, 32, 3)
    )
    with torch.device("meta"):
        student = build_model(config.student.model, shape, 10, **config.student.options)
        teachers = {
            name: build_model(one.teacher.model, shape, 10, **one.teacher.options)
            for name, one in config.members().items()
        }
    layers = {f"{name}.{layer}".lstrip(".") for name, one in teachers.items() for layer, _ in one.named_modules()}
    for t, s in config.taps:
        assert t in layers
        assert s in dict(student.named_modules())


# Epochs, warm-up, cycle, epochs of a cycle in the first phase: as the paper prints them.
@pytest.mark.parametrize(
    ("preset", "epochs", "warm_up", "q", "first"),
    [
        ("cifar10-rid-paper", 300, 30, 30, 8),
        ("cifar100-rid-paper", 250, 5, 5, 1),
        ("cub-rid-paper", 250, 20, 20, 4),
    ],
)
def test_algorithm_1(preset: str, epochs: int, warm_up: int, q: int, first: int) -> None:
    config = load_config(preset)
    phases = config.make_method().schedule(config.recipe.epochs)
    cycle = ["filters"] * first + ["student"] * (q - first)
    expected = ["warm_up"] * warm_up + list(itertools.islice(itertools.cycle(cycle), epochs - warm_up))
    assert list(phases) == expected


def test_algorithm_1_of_the_published_code() -> None:
    """Phase 1 in epochs 0 to 7 of every 30; before epoch 30 without its second term."""
    phases = load_config("cifar10-rid-repo").make_method().schedule(300)
    for epoch, phase in enumerate(phases):
        assert phase == ("student" if epoch % 30 >= 8 else "warm_up" if epoch < 30 else "filters")


def test_algorithm_1_of_the_small_presets() -> None:
    phases = load_config("digits-rid").make_method().schedule(60)
    assert phases == (*["warm_up"] * 4, *(["filters"] * 2 + ["student"] * 6) * 7)


@pytest.mark.parametrize(
    ("preset", "rates"),
    [
        ("cifar10-rid-paper", {0: 0.05, 149: 0.05, 150: 0.01, 199: 0.01, 200: 0.002, 299: 0.002}),
        ("cifar100-rid-paper", {0: 0.1, 60: 0.02, 120: 0.004, 160: 0.0008}),
        ("cub-rid-paper", {0: 0.1, 149: 0.1, 150: 0.02, 200: 0.004}),
    ],
)
def test_printed_learning_rates_for_every_method(preset: str, rates: dict[int, float]) -> None:
    for method in list_methods():
        recipe = load_config(preset, [f"method={method}"]).student_recipe
        for epoch, rate in rates.items():
            assert recipe.lr * recipe.factor(epoch) == pytest.approx(rate, rel=1e-12)


def test_effective_learning_rates_of_the_published_code() -> None:
    """The square of what is printed; only VID and the baseline ever lower it."""
    for method, rates in {
        "vid": (0.0025, 0.0005, 0.0001),
        "none": (0.0025, 0.0005, 0.0001),
        "rid": (0.0025,) * 3,
    }.items():
        recipe = load_config("cifar10-rid-repo", [f"method={method}"]).student_recipe
        for epoch, rate in zip((0, 150, 200), rates, strict=True):
            assert recipe.lr * recipe.factor(epoch) == pytest.approx(rate, rel=1e-12)
    assert load_config("cifar10-rid-repo").student_recipe.part_lr == {"f_t": 0.05, "g_t": 0.05}


@pytest.mark.parametrize("preset", PAPER)
def test_what_is_printed_is_as_printed(preset: str) -> None:
    config = load_config(preset)
    recipe = config.recipe
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov, recipe.weight_decay) == ("sgd", 0.9, True, 5e-4)
    assert config.methods["rid"]["reduction"] == "sum"
    assert config.methods["vid"]["weight"] == 100
    assert len(config.taps) == (2 if preset.startswith("cub") else 3)
    assert config.data.samples_per_class == (100 if "100" in preset else None)


@pytest.mark.parametrize("preset", list_presets())
def test_chosen_values_are_there_and_have_reasons(preset: str) -> None:
    config = load_config(preset)
    for key, reason in config.chosen.items():
        held: Any = config.to_dict()
        for part in key.split("."):
            held = held[part]
        assert len(reason.split()) >= 2
    # Of RID's own settings the paper prints these.
    if preset in PAPER:
        printed = {"reduction", "warm_up", "q", "r"}
        assert {f"methods.rid.{name}" for name in set(config.methods["rid"]) - printed} <= set(config.chosen)


def test_overrides_reach_every_depth() -> None:
    overrides = ["recipe.lr=5e-2", "methods.rid.q=7", "data.samples_per_class=12", "teacher.options.widths=[3, 4, 5]"]
    config = load_config("digits-rid", [*overrides, "teacher.weights=untrained", "recipe.clip=null"])
    assert (config.recipe.lr, config.recipe.clip, config.make_method().q) == (0.05, None, 7)
    assert (config.data.samples_per_class, config.teacher.options["widths"]) == (12, [3, 4, 5])
    assert config.teacher.weights == "untrained"
    # The teacher's recipe is the student's but for what it says.
    assert (config.teacher_recipe.lr, config.teacher_recipe.epochs) == (0.05, 30)
    with_parts = load_config("digits-rid", ["recipe.part_lr={f_t: 0.1}"])
    assert with_parts.teacher_recipe == load_config("digits-rid").teacher_recipe


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("recipe.epoch=5", r"recipe.epoch: .*did you mean 'epochs'"),
        ("recipie.epochs=5", r"recipie: .*did you mean 'recipe'"),
        ("recipe.epochs=five", r"recipe.epochs: expected a whole number, got 'five'"),
        ("recipe.epochs=0", r"recipe.epochs: expected a whole number from 1 to 1,000,000, got 0"),
        ("recipe.epochs=true", r"recipe.epochs: expected a whole number, got True"),
        ("recipe.nesterov=1", r"recipe.nesterov: expected true or false, got 1"),
        ("recipe.schedule=linear", r"recipe.schedule: expected constant or multistep or cosine, got 'linear'"),
        ("recipe.milestones=150", r"recipe.milestones: expected a list"),
        ("taps=[[stage1]]", r"taps\[0\]: expected a list of 2"),
        ("method=red", r"method: .*did you mean 'ted'"),
        ("methods.red.q=3", r"methods: .*did you mean 'ted'"),
        ("recipes.rid.lrr=3", r"recipes.rid.lrr: .*did you mean 'lr'"),
        ("teacher.recipe.epochs=-1", r"teacher.recipe.epochs: expected a whole number from 1"),
        ("teacher.corrupted=2", r"teacher.corrupted: expected a number in \[0, 1\]"),
        ("audit.every=0", r"audit.every: expected a whole number >= 1, or None"),
        ("monitor.gate=open", r"monitor.gate: expected unique or information"),
        ("data.options=3", r"data.options: expected keys with values"),
        ("data=3", r"data: expected keys with values"),
        ("data.name.x=3", r"data.name.x: expected a key of values"),
        ("starts={rid: ted, ted: none}", r"starts.rid: expected a method whose student starts from nothing"),
        ("recipe", r"load_config\(overrides\): expected key=value, got 'recipe'"),
        ("=3", r"load_config\(overrides\): expected key=value"),
        ("taps=[", r"taps: expected YAML"),
    ],
)
def test_bad_overrides_name_their_key(override: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_config("digits-rid", [override])


def test_a_monitor_needs_something_to_audit() -> None:
    with pytest.raises(InputError, match=r"monitor: expected layer pairs that are audited, got audit\.layers none"):
        load_config("digits-rid", ["monitor.every=5", "audit.layers=none"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("methods.rid.qq=3", r"methods.rid.qq: .*did you mean 'q'"),
        ("methods.rid.q=0", r"methods.rid.q: expected a whole number >= 1, or None, got 0"),
        ("methods.rid.q=many", r"methods.rid.q: expected a whole number, got 'many'"),
        ("methods.rid.reduction=median", r"methods.rid.reduction: expected mean or sum"),
    ],
)
def test_bad_parameters_of_a_method_name_their_key(override: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load_config("digits-rid", [override]).make_method()


def test_unknown_presets_and_damaged_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'digits-rid'"):
        load_config("digit-rid")
    with pytest.raises(InputError, match=r"absent.yaml: "):
        load_config(tmp_path / "absent.yaml")
    file = tmp_path / "config.yaml"
    for text, words in {
        "data: [": "YAML of plain values",
        "- 1": "expected keys with values, got list",
        "data: {name: digits}": "teacher: expected a value, got none",
        "a: !!python/object/apply:os.getcwd []": "YAML of plain values",
    }.items():
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            load_config(file)


CYCLE = "data: &a {name: digits, options: *a}"
LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{y}: &{y} [{', '.join([f'*{x}'] * 10)}]" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        "seed: 2001-13-45",
        "seed: 2001-02-30 25:61:61",
        "seed: !!int x",
        "seed: !!float x",
        "seed: !!timestamp x",
        "seed: !!binary é",
        "seed: !!bool x",
        "seed: !!python/object/apply:os.system [true]",
        "[" * 5000,
        "{a: " * 3000,
        "- " * 3000,
        CYCLE,
        LAUGHS,
        "? [1]\n: 2",
        "{[1]: 2}",
        "1: 2",
        "~: 2",
        "\x00",
        "a: \x1b",
        "a: b: c",
        "*a",
        "%YAML 9.9\n---\na: 1",
        "--- 1\n--- 2",
        "seed: 0x",
        "seed: 1e999",
        "seed: 0b2",
        "seed: 1:2:3:4",
        "seed: ''",
        "=: 1",
        "<<: 1",
        "<<: [1]",
        "a: !!set {1, 2}",
        "a: !!omap 3",
        "a: !!pairs [1]",
        "seed: " + "9" * 5000,
    ],
)
def test_yaml_that_is_none_is_one_line(tmp_path, text):
    file = tmp_path / "a.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_config(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    with pytest.raises(InputError):
        load_config("digits-rid", [f"seed={text}"])


def test_a_fault_of_yaml_has_a_place(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("data: {name: digits}\nseed: 2001-13-45\n")
    with pytest.raises(InputError, match=r"month must be in 1..12 .*line 2, column 7"):
        load_config(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_configuration_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(InputError, match="got a pipe"):
        load_config(tmp_path / "a.yaml")
