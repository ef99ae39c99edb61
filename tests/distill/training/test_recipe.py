import math
import subprocess
import sys

import pytest

from pidkd.distill.training.recipe import Recipe
from pidkd.errors import InputError


def test_the_rates_of_the_reference_for_cifar_10():
    recipe = Recipe(epochs=300, lr=0.05, schedule="multistep", milestones=(150, 200), gamma=0.2)
    rates = [recipe.lr * recipe.factor(epoch) for epoch in range(300)]
    assert rates == pytest.approx([0.05] * 150 + [0.01] * 50 + [0.002] * 100)


def test_a_constant_and_a_cosine_schedule():
    assert {Recipe(epochs=5).factor(epoch) for epoch in range(5)} == {1.0}
    cosine = Recipe(epochs=8, schedule="cosine")
    assert cosine.factor(0) == 1
    assert cosine.factor(4) == pytest.approx(0.5)
    assert all(cosine.factor(e) - cosine.factor(e + 1) > 0 for e in range(7))
    assert cosine.factor(7) == pytest.approx(math.sin(math.pi / 16) ** 2)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "multistep"])
def test_a_warm_up_rises_linearly_to_the_schedule_and_leaves_it_afterwards(schedule):
    settings = {"epochs": 10, "schedule": schedule, "milestones": (5,) if schedule == "multistep" else ()}
    plain, warm = Recipe(**settings), Recipe(**settings, warm_up=3)
    for epoch in range(10):
        share = {0: 1 / 4, 1: 1 / 2, 2: 3 / 4}.get(epoch, 1)
        assert warm.factor(epoch) == pytest.approx(share * plain.factor(epoch))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, r"Recipe\(epochs=...\): expected a whole number from 1 to 1,000,000, got 0"),
        ({"batch_size": 2.5}, r"Recipe\(batch_size=...\): expected a whole number >= 1, got 2.5"),
        ({"optimizer": "lion"}, r"Recipe\(optimizer=...\): expected one of 'sgd', 'adam', 'adamw', got 'lion'"),
        ({"epochs": 5, "warm_up": 5}, r"Recipe\(warm_up=...\): expected fewer than the 5 epochs, got 5"),
        ({"warm_up": -1}, r"Recipe\(warm_up=...\): expected a whole number"),
        ({"label_smoothing": 1.0}, r"Recipe\(label_smoothing=...\): expected a number in \[0, 1\), got 1.0"),
        ({"lr": "5e-4"}, r"Recipe\(lr=...\): expected a number > 0, got '5e-4'"),
        ({"lr": math.nan}, r"Recipe\(lr=...\): expected a number > 0, got nan"),
        ({"weight_decay": -1}, r"Recipe\(weight_decay=...\)"),
        ({"momentum": 1.0}, r"Recipe\(momentum=...\): expected a number in \[0, 1\), got 1.0"),
        ({"nesterov": 1}, r"Recipe\(nesterov=...\): expected True or False, got 1"),
        ({"milestones": (3,)}, r"Recipe\(milestones=...\): expected some with schedule 'multistep', and none without"),
        ({"schedule": "multistep"}, r"Recipe\(milestones=...\): expected some with schedule 'multistep'"),
        (
            {"schedule": "multistep", "milestones": (5, 3)},
            r"Recipe\(milestones=...\): expected rising epochs, got \(5, 3\)",
        ),
        ({"clip": 0}, r"Recipe\(clip=...\)"),
        ({"held_out": 1}, r"Recipe\(held_out=...\)"),
        (
            {"part_lr": {"f_t": "fast"}},
            r"Recipe\(part_lr=...\): expected a mapping from names to values, each a number >= 0",
        ),
        ({"precision": "float16"}, r"Recipe\(precision=...\)"),
        ({"crop": -1}, r"Recipe\(crop=...\)"),
        ({"keep_every": 0}, r"Recipe\(keep_every=...\)"),
    ],
)
def test_values_that_cannot_be_used_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Recipe(**wrong)


def test_plain_values_make_the_same_recipe_again():
    recipe = Recipe(schedule="multistep", milestones=(3, 4), part_lr={"f_t": 0.1})
    assert Recipe(**recipe.to_dict()) == recipe
    assert recipe.to_dict()["milestones"] == [3, 4]


def test_it_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; from pidkd.distill.training.recipe import Recipe; Recipe()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
