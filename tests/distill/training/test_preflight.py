import json

import pytest

torch = pytest.importorskip("torch")

import small  # noqa: E402
from small import TAPS, data  # noqa: E402
from torch import nn  # noqa: E402

from pidkd.distill import FeatureTap, Recipe, get_method, train  # noqa: E402
from pidkd.distill.training.preflight import look  # noqa: E402
from pidkd.errors import InputError  # noqa: E402


def looked(method="rid", teacher=None, student=None, **recipe):
    recipe = Recipe(**{"epochs": 64, "batch_size": 16} | recipe)
    networks = teacher or small.teacher(), student or small.student()
    result = train(*networks, data(), method=method, taps=TAPS, recipe=recipe, dry_run=True, remarks=["q: chosen"])
    assert result.history == []
    return result.preflight


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_it_says_what_each_phase_trains_and_when():
    method = get_method("rid")(warm_up=2, q=8, r=1 / 4)
    found = looked(method, epochs=18)
    assert found.schedule == method.schedule(18)
    assert found.trained["student"]["student"] == count(small.student())
    assert found.trained["student"]["sigma"] == 3 + 6
    assert found.trained["warm_up"].keys() == found.trained["filters"].keys() == {"f_t", "g_t"}
    text = str(found)
    assert "4-9, 12-17 (12)" in text
    assert "- q: chosen" in text


def test_it_says_the_rate_of_each_group_over_the_whole_run():
    recipe = {"schedule": "multistep", "milestones": (3, 5), "gamma": 0.1, "lr": 0.1, "part_lr": {"f_t": 1.0}}
    found = looked(get_method("rid")(q=4, r=1 / 2), epochs=8, **recipe)
    assert found.rates["student"] == pytest.approx((None, None, 0.1, 0.01, None, None, 0.001, 0.001))
    assert found.rates["f_t"] == pytest.approx((1.0, 1.0, None, None, 0.1, 0.01, None, None))
    assert "2: 0.1, 3: 0.01, 6-7: 0.001" in str(found)


def test_it_says_shapes_operations_and_pooling():
    found = looked()
    first, second = found.layers
    assert (first["teacher_shape"], first["student_shape"], first["pooled"]) == ((6, 8, 8), (3, 4, 4), (4, 4))
    assert (second["teacher_shape"], second["student_shape"], second["pooled"]) == ((12, 4, 4), (6, 2, 2), (2, 2))
    assert first["teacher_flops"] == 2 * 9 * 6 * 64
    assert second["teacher_flops"] - first["teacher_flops"] == 2 * 9 * 6 * 12 * 16
    assert found.flops["teacher"] - second["teacher_flops"] == 2 * 48 * 3
    assert "6 x 8 x 8" in str(found)
    assert "4 x 4" in str(found)


def test_operations_are_those_of_matrices():
    model = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3))
    seen, total = look(FeatureTap(model, ["0"]), torch.zeros(1, 5))
    assert seen == {"0": ((7,), 2 * 5 * 7)}
    assert total == 2 * 5 * 7 + 2 * 7 * 3


def test_it_is_plain_data():
    found = looked()
    assert json.loads(json.dumps(found.to_dict()))["schedule"][0][0] == 0


def test_it_changes_nothing():
    student = small.student()
    before = small.state(student)
    looked(student=student)
    assert small.equal(small.state(student), before)


def test_parameters_that_came_frozen_are_said_and_stay():
    student = small.student()
    student[0].requires_grad_(False)
    found = looked("kd", student=student)
    assert any("not trained, as they came without need of a gradient: 0.0.weight" in note for note in found.notes)
    assert found.trained["student"]["student"] == count(student) - count(student[0])
    assert not student[0][0].weight.requires_grad
    assert student[1][0].weight.requires_grad


def test_a_teacher_of_other_classes_is_said_where_it_does_not_matter():
    teacher = small.teacher()
    teacher[4] = nn.Linear(48, 7)
    assert "the teacher has 7 classes, the student 3" in looked(teacher=teacher).notes


def test_a_parameter_that_no_epoch_trains_is_an_error():
    message = r"expected an epoch of 4 for every parameter, got none that trains loss.f_t"
    with pytest.raises(InputError, match=message):
        looked(get_method("rid")(warm_up=0, q=2, r=0.0), epochs=4)


@pytest.mark.parametrize(("method", "first"), [("fitnet", "hint"), ("ted", "filters")])
def test_a_short_run_has_an_epoch_of_each_phase(method, first):
    assert looked(method, epochs=2).schedule == (first, "student")
