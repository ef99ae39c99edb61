"""Several teachers as one: the mean of softened classes, layers by name."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pidkd.distill import FeatureTap, Recipe, get_method, train  # noqa: E402
from pidkd.distill.loss import softened_kl  # noqa: E402
from pidkd.distill.teacher_ensemble import TeacherEnsemble  # noqa: E402
from pidkd.errors import InputError  # noqa: E402


def network(width=6):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_divergence_is_that_from_the_mean_of_softened_classes(temperature):
    teachers, x, student = {"low": network(), "high": network()}, torch.randn(20, 4), torch.randn(20, 3)
    mean = torch.stack([(one(x) / temperature).softmax(1) for one in teachers.values()]).mean(0)
    known = temperature**2 * (mean * (mean.log() - (student / temperature).log_softmax(1))).sum(1).mean()
    logits = TeacherEnsemble(teachers, temperature)(x)
    assert softened_kl(logits, student, temperature).item() == pytest.approx(known.item(), rel=1e-5)


def test_equal_teachers_teach_as_one():
    teacher, x = network(), torch.randn(20, 4)
    both = TeacherEnsemble({"a": teacher, "b": teacher}, 2.0)(x)
    assert torch.allclose(both.softmax(1), teacher(x).softmax(1), atol=1e-6)


def test_layers_of_each_are_tapped_and_matched():
    teachers = TeacherEnsemble({"a": network(8), "b": network(5)})
    features = FeatureTap(teachers, ["a.1", "b.1"])(torch.randn(2, 4))[1]
    assert [tuple(feature.shape) for feature in features.values()] == [(2, 8), (2, 5)]
    before = {name: value.clone() for name, value in teachers.state_dict().items()}
    data, recipe = (torch.randn(16, 4), torch.arange(16) % 3), Recipe(epochs=4, batch_size=8)
    taps = [("a.1", "1"), ("b.1", "1")]
    result = train(teachers, network(4), data, method=get_method("rid")(q=2, r=0.5), taps=taps, recipe=recipe)
    assert len(result.loss.f_t) == 2
    assert all(torch.equal(value, teachers.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ({"a": network()}, "expected two teachers or more, got 1"),
        ({"a": network(), "b.c": network()}, "expected a name for a teacher, got 'b.c'"),
        ({"a": network(), "half": network()}, "no name that a module has, such as half"),
    ],
)
def test_others_are_refused(teachers, message):
    with pytest.raises(InputError, match=message):
        TeacherEnsemble(teachers)
