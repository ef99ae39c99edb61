"""Against problems whose atoms are known; bounds, laws, bad input."""

import warnings

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

import pidkd
from pidkd.errors import InputError, PidkdWarning
from pidkd.estimator import Context
from pidkd.estimators.pid.posterior import Posterior
from pidkd.estimators.solvers.posterior import learning
from pidkd.estimators.solvers.posterior.held_out import confused
from pidkd.synthetic import problem


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def levels(y, n, sd, rng):
    """Logits of n equally likely levels, each seen with this noise."""
    x = y + sd * rng.normal(size=len(y))
    return -((x[:, None] - np.arange(n)) ** 2) / 2 / sd**2


@pytest.fixture(scope="module")
def four_classes():
    """T sees one bit, S the other, and both a little of both: exact logits."""
    rng = np.random.default_rng(0)
    bits = rng.integers(2, size=(4000, 2))
    z = [levels(bits[:, i], 2, sd, rng) for i, sd in ((0, 0.4), (1, 1.0), (0, 1.0), (1, 0.5))]
    t, s = ((z[i][:, :, None] + z[i + 1][:, None, :]).reshape(4000, 4) for i in (0, 2))
    return bits @ [2, 1], t, s


# --- the truth


def test_two_classes_whose_curves_cross():
    known = problem("bin-cross")
    found = pidkd.decompose(known.sample(3000, seed=1), units="nats")
    assert found.method == "posterior"
    assert found.redundant == pytest.approx(known.atoms["redundant"], abs=0.04)
    assert found.union == pytest.approx(known.union, abs=0.06)
    assert found.interval["union"][0] < known.union


@pytest.mark.parametrize("name", ["k4-unique", "k4-null"])
def test_four_classes(name):
    known = problem(name)
    found = pidkd.decompose(known.sample(2500, seed=0), units="nats")
    for atom, value in known.atoms.items():
        assert getattr(found, atom) == pytest.approx(value, abs=0.05)


def test_given_the_true_posteriors(four_classes):
    """By Bayes' rule T and S are what they say they are: each bit adds the exact information of its own."""
    y, t, s = four_classes
    found = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s), units="nats")
    halves = [
        pidkd.decompose(
            pidkd.Posteriors.from_logits(
                y // 2 if bit == 0 else y % 2,
                *(np.log(softmax(z).reshape(-1, 2, 2).sum(axis=2 - bit)) for z in (t, s)),
            ),
            units="nats",
        )
        for bit in (0, 1)
    ]
    # Two classes go by thresholds, four by cells: independent components add up.
    for atom in ("redundant", "unique_t", "unique_s"):
        assert getattr(found, atom) == pytest.approx(sum(getattr(half, atom) for half in halves), abs=0.02)


def test_temperature_is_calibrated(four_classes):
    y, t, s = four_classes
    fair, sure = (
        pidkd.decompose(pidkd.Posteriors.from_logits(y, scale * t, scale * s), units="nats") for scale in (1, 4)
    )
    for name in ("mi_t", "mi_s", "redundant", "unique_t"):
        assert getattr(sure, name) == pytest.approx(getattr(fair, name), abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bin-cross", "k4-unique", "k8-mixed"])
def test_within_what_is_promised(name):
    known = problem(name)
    found = [pidkd.decompose(known.sample(20_000, seed=seed), units="nats", seed=seed) for seed in range(3)]
    assert np.mean([one.redundant for one in found]) == pytest.approx(known.atoms["redundant"], abs=0.02)
    assert np.mean([one.union for one in found]) == pytest.approx(known.union, abs=0.06)


@pytest.mark.slow
def test_the_lower_bound_is_no_more_often_too_high_than_its_level_allows():
    over = 0
    for seed in range(40):
        known = problem(("bin-cross", "k4-unique")[seed % 2])
        found = pidkd.decompose(known.sample(600, seed=seed), units="nats", seed=seed)
        over += found.interval["union"][0] > known.union
    assert over <= 2


# --- laws


def test_a_copy_is_all_redundant(four_classes):
    y, t, _ = four_classes
    found = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, t), units="nats")
    assert found.redundant == pytest.approx(found.mi_t, abs=0.01)
    assert found.unique_t == pytest.approx(0.0, abs=0.01)
    assert found.unique_s == pytest.approx(found.unique_t, abs=1e-12)


def test_an_atom_that_is_nothing_by_choice_is_not_certain():
    """S is a garbling of T: T alone earns most, and yet sampling may have made it so."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=2000)
    x = y + 0.5 * rng.normal(size=2000)
    t, s = (
        -((x[:, None] + sd * rng.normal(size=(2000, 1)) - np.arange(3)) ** 2) / 2 / (0.25 + sd**2) for sd in (0.0, 1.0)
    )
    found = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s))
    assert found.unique_s == pytest.approx(0.0, abs=1e-12)
    assert "what T says alone earned as much as any potentials: unique_s is 0" in found.certificate.message
    assert found.interval["unique_s"][0] < 0.0 < found.interval["unique_s"][1] < 0.02


def test_sources_that_tell_everything_share_all_of_it():
    y = np.arange(600) % 6
    logits = 50.0 * np.eye(6)[y]
    found = pidkd.decompose(pidkd.Posteriors.from_logits(y, logits, logits), units="nats")
    assert found.redundant == pytest.approx(np.log(6), abs=0.05)


def test_the_atoms_of_the_samples_average_to_the_atoms(four_classes):
    y, t, s = four_classes
    found = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s), keep=("local",))
    for name, value in found.atoms.items():
        assert found.local[name].shape == (4000,)
        assert found.local[name].mean() == pytest.approx(value, abs=1e-9)
    assert pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s)).local is None


def test_the_union_is_at_least_what_each_source_tells_but_for_sampling(four_classes):
    y, t, s = four_classes
    found = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s))
    assert found.union > max(found.mi_t, found.mi_s) - 3 * found.se["union"]


def test_what_is_a_bound_is_said():
    found = pidkd.decompose(problem("k4-null").sample(300))
    assert found.certificate.status == "bound"
    assert np.isinf(found.certificate.gap)
    assert "the atoms are no bounds" in found.certificate.message


# --- many classes


@pytest.mark.slow
def test_a_hundred_classes_given_the_true_posteriors():
    known = problem("k100-levels")
    rng = np.random.default_rng(0)
    digits = rng.integers(10, size=(6000, 2))
    seen = [[levels(digits[:, i], 10, sd, rng) for i, sd in enumerate(sds)] for sds in ((0.4, 0.8), (0.8, 0.4))]
    t, s = ((first[:, :, None] + second[:, None, :]).reshape(-1, 100) for first, second in seen)
    found = pidkd.decompose(pidkd.Posteriors.from_logits(digits @ [10, 1], t, s), units="nats")
    assert found.union == pytest.approx(known.union, abs=0.06)
    assert found.interval["union"][0] < known.union
    for atom in ("redundant", "unique_t", "unique_s"):
        assert getattr(found, atom) == pytest.approx(known.atoms[atom], abs=0.06)


def test_groups_of_classes_bound_the_union_from_below():
    rng = np.random.default_rng(0)
    y = rng.integers(12, size=3000)
    t, s = levels(y, 12, 0.4, rng), levels(y, 12, 0.8, rng)
    data = pidkd.Posteriors.from_logits(y, t, s)
    fine, coarse, lumped = (
        pidkd.decompose(data, units="nats", **options)
        for options in ({}, {"max_classes": 4}, {"max_classes": 4, "lump": True})
    )
    # S is a garbling of T, so the better source stands for both everywhere, and nothing is lost.
    assert coarse.union == pytest.approx(fine.mi_t, abs=0.05)
    assert coarse.mi_t == pytest.approx(fine.mi_t, abs=1e-9)
    assert lumped.mi_t < np.log(4)
    assert "4 groups of 12 classes are the target" in lumped.certificate.message


def specialists(seed=0):
    """Labels of digits, and logits of a network that has seen 0 to 4 only and of one that has seen 5 to 9."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    train, rest = order[:800], order[800:]
    logits = []
    for classes in (range(5), range(5, 10)):
        seen = train[np.isin(y[train], classes)]
        net = MLPClassifier((64,), max_iter=300, random_state=seed).fit(x[seen] / 16, y[seen])
        hidden = np.maximum(x[rest] / 16 @ net.coefs_[0] + net.intercepts_[0], 0)
        z = np.full((len(rest), 10), -8.0) + 0.5 * np.random.default_rng(seed).normal(size=(len(rest), 10))
        z[:, classes] = hidden @ net.coefs_[1] + net.intercepts_[1]
        logits.append(z)
    return y[rest], *logits


@pytest.mark.slow
def test_what_specialists_know_of_classes_that_they_have_never_seen():
    y, t, s = specialists()
    result = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s))
    learned = pidkd.decompose(y, t, s)  # by classifiers of the logits
    assert result.mi_t == pytest.approx(learned.mi_t, abs=0.15)
    assert result.mi_s == pytest.approx(learned.mi_s, abs=0.15)
    for logits, value in ((t, result.mi_t), (s, result.mi_s)):
        coded = pidkd.mutual_information(logits.argmax(axis=1), y, correction="miller_madow")
        assert value > coded.value - 0.05
    assert not result.warnings
    with pytest.warns(PidkdWarning, match="class of [TS] alone says .* scaling='matrix' finds more"):
        plain = pidkd.decompose(pidkd.Posteriors.from_logits(y, t, s), scaling="temperature")
    assert plain.mi_t < 1
    assert all(any(f"most probable class of {name}" in text for text in plain.warnings) for name in "TS")


def test_codes_that_say_nothing_are_not_said_to_say_more():
    warned = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y, z = rng.integers(4, size=800), rng.normal(size=(2, 800, 4))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pidkd.decompose(pidkd.Posteriors.from_logits(y, *z), scaling="temperature")
        warned += any("most probable class" in str(one.message) for one in caught)
    assert warned <= 1  # of twenty sources; errors three times as large are one in a hundred


def test_a_class_that_was_never_seen_does_not_stop_the_fit_of_a_matrix():
    """Logits of a linear model sum to a constant, and so does the column of classes that it does not know."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 4
    z = rng.normal(size=(600, 2)) + np.array([[0, 0], [4, 0], [0, 4], [4, 4]])[y]
    known = np.stack([z[:, 0] - z[:, 1], z[:, 1] - z[:, 0]], axis=1)
    logits = np.hstack([known, np.full((600, 2), -8.0)])
    result = pidkd.decompose(pidkd.Posteriors.from_logits(y, logits, logits))
    coded = pidkd.mutual_information(known.argmax(axis=1), y, correction="miller_madow")
    assert result.mi_t > coded.value + 0.3  # the two unknown classes lie between the known ones
    assert result.mi_t == pytest.approx(pidkd.decompose(y, logits, logits).mi_t, abs=0.15)


@pytest.mark.parametrize(("n", "k"), [(200, 2), (200, 10), (1000, 10)])
def test_posteriors_that_are_right_lose_nothing_by_a_matrix(n, k):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(k, 0.3), size=n)
    y = np.array([rng.choice(k, p=row) for row in p])
    data = pidkd.Posteriors(y, p, p / 2 + 0.5 / k)
    by_matrix, by_temperature = (pidkd.decompose(data, scaling=scaling) for scaling in ("matrix", "temperature"))
    assert by_temperature.se is not None
    assert by_matrix.mi_t == pytest.approx(by_temperature.mi_t, abs=0.3 * by_temperature.se["mi_t"])
    assert by_matrix.unique_s == pytest.approx(0, abs=by_temperature.se["mi_t"])


def test_confused_classes_are_joined_first():
    y = np.arange(400) % 4
    p = np.array([[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0.6, 0.4], [0, 0, 0.4, 0.6]])[y]
    group = confused(p, p, y, 2)
    assert group[0] == group[1] != group[2] == group[3]


# --- classifiers


def test_without_torch_scikit_learn_learns(monkeypatch):
    monkeypatch.setattr(learning, "find_spec", lambda name: None)
    known = problem("k4-unique")
    found = pidkd.decompose(known.sample(1500), units="nats")
    assert "probes in scikit-learn" in found.certificate.message
    assert found.mi_t == pytest.approx(known.information.t, abs=0.06)


@pytest.mark.parametrize("classifier", [GaussianNB(), DecisionTreeClassifier(random_state=0)])
def test_any_classifier(classifier):
    """One that rules out what happens must not bound everything by minus infinity."""
    y = np.arange(600) % 3
    t = y[:, None] + np.random.default_rng(0).normal(size=(600, 2)) * 0.3
    found = pidkd.decompose(y, t, t[:, :1], classifier=classifier)
    assert 0.5 < found.mi_t < np.log2(3)


# --- bad input


def complaint(*data, **options):
    with pytest.raises(InputError) as caught:
        pidkd.decompose(*data, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


X = np.random.default_rng(0).normal(size=(40, 3))


def test_too_few_of_a_class():
    y = np.r_[np.zeros(38, int), 1, 1]
    assert complaint(y, X, X) == (
        "decompose(y, t, s): expected at least n_folds=5 samples of each label, got 2 of 1; "
        "merge or leave out rare labels, or take fewer folds"
    )
    assert "got one class only (0)" in complaint(np.zeros(40, int), X, X)
    assert "samples of each label" in complaint(np.arange(40), X, X)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_folds", 2), ("max_classes", True), ("n_components", 0), ("lump", 1), ("level", 1.0)],
)
def test_parameters_out_of_range(name, value):
    assert f"posterior({name}=...): expected" in complaint(np.arange(40) % 2, X, X, **{name: value})


def test_what_is_no_classifier():
    assert complaint(np.arange(40) % 2, X, X, classifier="svm").startswith(
        "posterior(classifier=...): expected a scikit-learn classifier with predict_proba, or None, got 'svm'"
    )


def test_resampled_rows_would_stand_on_both_sides():
    y = np.arange(40) % 2
    assert "its own intervals" in complaint(y, X, X, uncertainty=pidkd.Bootstrap(n=10))


def test_a_device_that_is_not_there():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert "cuda" in complaint(np.arange(40) % 2, X, X, device="cuda")


def test_a_scikit_learn_classifier_on_a_device():
    ctx = Context(device="cuda")
    y = np.arange(40) % 2
    with pytest.raises(InputError, match="expected torch on device 'cuda', got a scikit-learn classifier"):
        Posterior(classifier=GaussianNB()).learn((X,), y[None], (y * 0)[None], ctx)


def test_no_warning_of_what_sampling_explains():
    assert pidkd.decompose(problem("k4-null").sample(400)).warnings == ()
