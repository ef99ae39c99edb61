import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError, SmallSampleWarning


def spread(codes, seed, d=20):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(codes.max() + 1, d)) * 10)[codes] + rng.normal(size=(len(codes), d)) * 0.01


def test_it_is_the_quantizer_then_broja():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, 800)
    t, s = (rng.normal(size=(800, 30)) + noise * y[:, None] for noise in (0.5, 0.2))
    codes = [pidkd.Quantizer(4, 6, seed=3).fit_transform(values) for values in (t, s)]
    truth = pidkd.decompose(y, *codes)
    found = pidkd.decompose(y, t, s, estimator="kmeans", n_components=4, n_clusters=6, seed=3)
    assert found.atoms == pytest.approx(truth.atoms, abs=1e-9)
    assert found.certificate.status == "optimal"


@pytest.mark.parametrize("normalise", [False, True])
def test_the_papers_numbers_of_cells_in_nats(normalise):
    y = np.arange(1000) % 10
    t, s = spread(y, 0), spread(y // 2, 1)
    result = pidkd.decompose(y, t, s, estimator="kmeans", n_clusters=5, normalise=normalise, units="nats")
    # Five cells of ten classes: at most ln 5, which the student reaches.
    assert result.mi_s == pytest.approx(np.log(5), abs=1e-9)
    assert result.mi_t <= np.log(5) + 1e-9


def test_the_bias_under_independent_labels_is_that_of_miller_and_madow():
    rng = np.random.default_rng(1)
    n, k, classes = 4000, 10, 10
    t, s = rng.normal(size=(2, n, 15))
    found = []
    for _ in range(3):
        y = rng.integers(0, classes, n)
        with pytest.warns(SmallSampleWarning, match="kmeans: 4000 samples for 10 classes and 100 occupied pairs"):
            found.append(pidkd.decompose(y, t, s, estimator="kmeans", n_init=1, units="nats"))
    assert np.mean([r.mi_t for r in found]) == pytest.approx((classes - 1) * (k - 1) / (2 * n), rel=0.4)
    assert np.mean([r.mi for r in found]) == pytest.approx((classes - 1) * (k * k - 1) / (2 * n), rel=0.2)
    assert np.mean([r.synergistic for r in found]) > 0.7 * np.mean([r.mi for r in found])


def test_too_few_samples_name_the_source():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"kmeans, source t, Quantizer.fit\(X\): expected at least n_clusters = 10"):
        pidkd.decompose([0, 1, 0, 1], rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), estimator="kmeans")


def test_a_tolerance_that_nothing_can_meet():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"kmeans\(tol=...\): expected a gap in bits > 0, got 0"):
        pidkd.decompose([0, 1, 0, 1], rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), estimator="kmeans", tol=0)
