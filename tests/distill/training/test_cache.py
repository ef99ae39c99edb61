"""The teacher's outputs, kept: to the bit what the teacher would put out in every step."""

import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import RECIPE, TAPS, data, equal, state  # noqa: E402
from torch.utils.data import TensorDataset  # noqa: E402

from pidkd.distill import Recipe, train  # noqa: E402
from pidkd.distill.corruption import corrupt  # noqa: E402

METHODS = pytest.mark.parametrize("method", small.methods(), ids=lambda method: method.name)


def run(method, teacher=None, given=None, **recipe):
    runs = []
    recipe = Recipe(**RECIPE.to_dict() | recipe)
    teacher = teacher or small.teacher()
    calls = []
    handle = teacher.register_forward_hook(lambda *_: calls.append(1))
    result = train(
        teacher, small.student(), given or data(), method=method, taps=TAPS, recipe=recipe, strict=True,
        after_epoch=lambda run: runs.append(run),
    )  # fmt: skip
    handle.remove()
    return result, runs[-1], len(calls)


@METHODS
def test_a_cached_teacher_is_a_live_one_to_the_bit(method):
    cached, running, calls = run(method)
    live, _, more_calls = run(method, cache="never")
    assert cached.history == live.history
    assert equal(state(cached.student), state(live.student))
    assert equal(state(cached.loss), state(live.loss))
    if method.needs_teacher:
        assert running.why_live is None
        assert calls < more_calls


@pytest.mark.filterwarnings("ignore::pidkd.errors.TrainingWarning")  # of random teachers
@pytest.mark.parametrize(
    ("given", "recipe", "why"),
    [
        (None, {"cache": "never"}, "never"),
        (None, {"flip": True}, "augmented"),
        (None, {"crop": 1}, "augmented"),
        (None, {"cache_memory": 1e-6}, "more than recipe.cache_memory"),
        (TensorDataset(*data()), {}, "not in memory"),
    ],
)
def test_a_teacher_that_cannot_be_cached_is_live(given, recipe, why):
    _, running, _ = run("kd", given=given, **recipe)
    assert running.cache is None
    assert why in running.why_live


def test_a_teacher_that_draws_is_live():
    teacher = small.teacher()
    corrupt(teacher, ["1"], 0.5, 1.0)
    _, running, _ = run("rid", teacher)
    assert running.cache is None
    assert "other bits in another batch" in running.why_live
    assert run("kd", teacher)[0].history != run("kd", small.teacher())[0].history
