import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

import pidkd
from pidkd.audits.demo import demonstrate, hidden_layers
from pidkd.display.terminal import to_text
from pidkd.errors import InputError
from pidkd.files.reading import open_layers


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    return demonstrate(tmp_path_factory.mktemp("demo") / "out")


def test_captured_activations_are_those_of_the_network():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 6)), np.arange(80) % 3
    network = MLPClassifier((7, 5), max_iter=2000, random_state=0, solver="lbfgs").fit(x, y)
    layers = hidden_layers(x, network.coefs_[:-1], network.intercepts_[:-1])
    assert {name: values.shape for name, values in layers.items()} == {"hidden1": (80, 7), "hidden2": (80, 5)}
    logits = layers["hidden2"] @ network.coefs_[-1] + network.intercepts_[-1]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), network.predict_proba(x), atol=1e-4)


def test_an_interrupt_ends_it(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(MLPClassifier, "_backprop", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demonstrate(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_every_row_is_certified(demonstration):
    for report in (demonstration.trained, demonstration.untrained, demonstration.shuffled):
        assert len(report.pairs) == 3
        for pair in report.pairs:
            assert pair.result.certificate.status == "optimal"
            assert min(pair.result.atoms.values()) >= -1e-9
            assert pair.result.residual <= 1e-9


def test_training_is_what_makes_a_teacher_worth_distilling(demonstration):
    left = demonstration.trained.pairs[0].result.unique_t
    assert left > demonstration.untrained.pairs[0].result.unique_t
    assert demonstration.accuracy["teacher"] > demonstration.accuracy["student"] > 0.8


def test_shuffled_labels_leave_what_counting_alone_reads(demonstration):
    results = demonstration.shuffled.results.values()
    assert max(result.mi_t for result in results) < 0.1 * demonstration.trained.pairs[0].result.mi_t


def test_the_audit_from_the_files_is_the_one_that_was_written(demonstration):
    out = demonstration.folder
    assert pidkd.AuditReport.load(out / "audit.json") == demonstration.trained
    again = pidkd.audit(out / "teacher", out / "student", out / "labels.npy", "all", estimator="kmeans")
    for pair, result in demonstration.trained.results.items():
        assert again.results[pair].atoms == result.atoms


def test_files_hold_the_layers_and_nothing_unfinished(demonstration):
    out = demonstration.folder
    assert list(open_layers(out / "untrained", "")) == ["hidden1", "hidden2", "hidden3"]
    assert [
        path for path in out.rglob("*") if path.suffix not in (".npy", ".json", ".csv", ".html") and path.is_file()
    ] == []


def test_it_says_what_it_shows(demonstration):
    text = to_text(demonstration)
    assert demonstration.words in " ".join(text.split())
    for title in ("Trained teacher", "Untrained teacher", "Chance"):
        assert title in text


def test_what_exists_is_kept_without_force(demonstration):
    with pytest.raises(InputError, match=r"audit\.json: expected a new file, got one that exists"):
        demonstrate(demonstration.folder)
