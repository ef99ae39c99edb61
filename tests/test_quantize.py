import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from pidkd import Quantizer
from pidkd.errors import InputError, UnknownNameError


def clusters(n_clusters: int, n_samples: int = 300, n_features: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Points near well separated centres, and the centre of each."""
    rng = np.random.default_rng(0)
    codes = np.arange(n_samples) % n_clusters
    centres = rng.normal(size=(n_clusters, n_features)) * 20
    return centres[codes] + rng.normal(size=(n_samples, n_features)) * 0.1, codes


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    return adjusted_rand_score(a, b) == 1.0


@pytest.mark.parametrize("n_clusters", [2, 7, 30])
@pytest.mark.parametrize("n_components", [5, 10, None])
def test_clusters_are_recovered(n_clusters, n_components):
    x, truth = clusters(n_clusters)
    codes = Quantizer(n_components, n_clusters).fit_transform(x)
    assert codes.shape == (300,)
    assert codes.dtype == np.int64
    assert same_partition(codes, truth)


def test_it_is_the_papers_pca_and_k_means():
    x = np.random.default_rng(0).normal(size=(500, 30))
    projected = PCA(10, random_state=0).fit_transform(x)
    peer = KMeans(10, n_init=10, random_state=0).fit_predict(projected)
    assert same_partition(Quantizer(10, 10).fit_transform(x), peer)


def test_a_new_sample_gets_the_code_of_its_cluster():
    x, truth = clusters(5)
    quantizer = Quantizer(n_clusters=5).fit(x[:200])
    codes = quantizer.transform(x)
    np.testing.assert_array_equal(codes[:200], quantizer.transform(x[:200]))
    assert same_partition(codes, truth)


def test_the_code_of_a_sample_does_not_depend_on_the_others():
    x = np.random.default_rng(1).normal(size=(200, 12))
    quantizer = Quantizer().fit(x)
    np.testing.assert_array_equal([quantizer.transform(row[None])[0] for row in x], quantizer.transform(x))


def test_same_seed_same_codes_on_any_number_of_threads():
    x = np.random.default_rng(2).normal(size=(3000, 60))
    codes = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            codes.append(Quantizer(n_clusters=20, seed=3).fit_transform(x))
    np.testing.assert_array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[1], codes[2])


@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-140, 2.0**100, 2.0**1000])
def test_the_unit_of_the_activations_does_not_matter(scale):
    x = np.random.default_rng(3).normal(size=(200, 20))
    np.testing.assert_array_equal(Quantizer().fit_transform(x * scale), Quantizer().fit_transform(x))


def test_normalise_looks_at_directions_only():
    rng = np.random.default_rng(4)
    directions = np.eye(6)[np.arange(120) % 6]
    x = directions * rng.uniform(0.1, 100.0, size=(120, 1))
    assert same_partition(Quantizer(n_clusters=6, normalise=True).fit_transform(x), np.arange(120) % 6)


def test_a_zero_sample_can_be_normalised():
    x = np.vstack([np.zeros((3, 4)), np.eye(4), np.eye(4) * 2])
    codes = Quantizer(n_clusters=5, normalise=True).fit_transform(x)
    assert len(set(codes[:3])) == 1
    np.testing.assert_array_equal(codes[3:7], codes[7:])


def test_higher_ranks_are_flattened():
    x = np.random.default_rng(5).normal(size=(100, 3, 4, 2))
    np.testing.assert_array_equal(Quantizer().fit_transform(x), Quantizer().fit_transform(x.reshape(100, -1)))


def test_the_record_says_what_was_done():
    x, _ = clusters(4)
    quantizer = Quantizer(3, 4, seed=7, n_init=2).fit(x)
    record = quantizer.record
    kept = record.pop("variance_kept")
    assert kept == pytest.approx(PCA(3).fit(x).explained_variance_ratio_.sum())
    assert record == {
        "method": "pca+kmeans",
        "normalise": False,
        "n_features": 40,
        "n_components": 3,
        "n_clusters": 4,
        "cells_used": 4,
        "n_init": 2,
        "fitted_on": 300,
        "out_of_core": None,
        "seed": 7,
    }


@pytest.mark.parametrize("n_components", [4, 5, 10, None])
def test_pca_that_would_keep_all_is_left_out_and_the_record_says_so(n_components):
    x = np.random.default_rng(6).normal(size=(50, 4))
    record = Quantizer(n_components, 5).fit(x).record
    assert (record["method"], record["n_components"], record["variance_kept"]) == ("kmeans", 4, 1.0)


def test_it_is_a_scikit_learn_transformer():
    quantizer = Quantizer(5, 6, normalise=True, n_init=3, seed=2)
    assert clone(quantizer).get_params() == quantizer.get_params()
    x = np.random.default_rng(7).normal(size=(60, 8))
    assert make_pipeline(StandardScaler(), quantizer).fit_transform(x).shape == (60,)
    assert quantizer.set_params(n_clusters=3).fit_transform(x).max() == 2


def test_not_fitted():
    with pytest.raises(NotFittedError):
        Quantizer().transform(np.eye(3))
    with pytest.raises(NotFittedError):
        _ = Quantizer().record


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("pca=10,kmeans=30", {"n_components": 10, "n_clusters": 30}),
        ("kmeans=5", {"n_clusters": 5}),
        (" PCA = none , kmeans = 4 , normalise = true", {"n_components": None, "n_clusters": 4, "normalise": True}),
    ],
)
def test_from_text(text, params):
    assert Quantizer.from_text(text, seed=3).get_params() == Quantizer(**params, seed=3).get_params()


# --- bad input


def complaint(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def test_more_clusters_than_samples():
    message = complaint(Quantizer(n_clusters=5).fit, np.eye(4))
    assert message == "Quantizer.fit(X): expected at least n_clusters = 5 samples, got 4"


@pytest.mark.parametrize("x", [np.repeat(np.eye(4), 5, axis=0), np.vstack([np.zeros((9, 3)), -np.zeros((9, 3))])])
def test_more_clusters_than_distinct_samples(x):
    message = complaint(Quantizer(n_clusters=5).fit, x)
    assert (
        message
        == f"Quantizer.fit(X): expected at least n_clusters = 5 distinct samples, got {len(np.unique(x, axis=0))}"
    )


def test_samples_on_one_ray_are_one_when_normalised():
    x = np.outer(np.arange(1, 20), [0.1, 0.7, 0.3])
    assert complaint(Quantizer(n_clusters=2, normalise=True).fit, x).endswith("2 distinct samples, got 1")


def test_more_components_than_samples():
    message = complaint(Quantizer(10, 2).fit, np.random.default_rng(0).normal(size=(6, 20)))
    assert message == "Quantizer.fit(X): expected at least n_components = 10 samples, got 6"


def test_other_features_than_in_fit():
    quantizer = Quantizer(n_clusters=2).fit(np.eye(4))
    assert complaint(quantizer.transform, np.eye(3)) == "Quantizer.transform(X): expected 4 features, as in fit, got 3"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad):
    x = np.eye(4)
    x[2, 1] = bad
    assert "expected finite values" in complaint(Quantizer(n_clusters=2).fit, x)


@pytest.mark.parametrize("x", [np.float64(3), np.zeros((0, 3)), np.array([["a"]]), np.ones((3, 1), complex)])
def test_what_is_no_table_of_numbers(x):
    assert complaint(Quantizer().fit, x).startswith("Quantizer.fit(X): expected ")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_clusters": 1}, "Quantizer(n_clusters=...): expected a whole number >= 2, got 1"),
        ({"n_clusters": 2.5}, "Quantizer(n_clusters=...): expected a whole number >= 2, got 2.5"),
        ({"n_components": 0}, "Quantizer(n_components=...): expected a whole number >= 1, or None, got 0"),
        ({"n_components": True}, "Quantizer(n_components=...): expected a whole number >= 1, or None, got True"),
        ({"n_init": 0}, "Quantizer(n_init=...): expected a whole number from 1 to 1,000, got 0"),
        ({"seed": -1}, "Quantizer(seed=...): expected a whole number from 0 to 4,294,967,295, got -1"),
        ({"normalise": "l1"}, "Quantizer(normalise=...): expected True or False, got 'l1'"),
    ],
)
def test_parameters_that_cannot_be_used(params, message):
    assert complaint(Quantizer(**params).fit, np.eye(9)) == message


def test_steps_that_are_unknown_are_listed_with_the_nearest():
    with pytest.raises(
        UnknownNameError,
        match="one of kmeans, n_init, normalise, pca, quantile, uniform, got 'kmean'; did you mean 'kmeans'",
    ):
        Quantizer.from_text("pca=10,kmean=3")


@pytest.mark.parametrize("text", ["pca", "pca=ten", "pca=-1", "kmeans=", "kmeans=1", "pca=true", "normalise=3"])
def test_text_that_is_no_quantizer(text):
    complaint(Quantizer.from_text, text)


# --- bins, and what does not fit into memory


def test_bins_of_equal_width_and_of_equal_counts():
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 100.0])[:, None]
    assert list(Quantizer(None, 2, method="uniform").fit_transform(x)) == [0, 0, 0, 0, 0, 1]
    assert list(Quantizer(None, 2, method="quantile").fit_transform(x)) == [0, 0, 0, 1, 1, 1]


def test_bins_of_several_components_are_counted_through():
    x = np.array([[a, b] for a in range(3) for b in range(3)], dtype=float)
    codes = Quantizer.from_text("pca=none,uniform=3").fit_transform(x)
    assert sorted(codes) == list(range(9))


def test_too_many_bins_are_refused():
    x = np.random.default_rng(0).normal(size=(50, 10))
    with pytest.raises(InputError, match=r"expected at most 4096 cells, got 10 bins of each of 10 components"):
        Quantizer.from_text("quantile=10").fit(x)


def test_unknown_method():
    with pytest.raises(InputError, match="did you mean 'uniform'"):
        Quantizer(method="uniforms").fit(np.eye(20))


def apart(n=4000, d=24, clusters=5):
    rng = np.random.default_rng(2)
    truth = np.arange(n) % clusters
    return (rng.normal(size=(clusters, d)) * 8)[truth] + rng.normal(size=(n, d)) * 0.05, truth


@pytest.mark.parametrize(
    ("max_memory", "switch"),
    [
        (2**31, None),
        (500_000, "PCA from the covariance"),
        (40_000, "PCA from the covariance, mini-batch k-means"),
        (12_000, "incremental PCA, mini-batch k-means"),
    ],
)
def test_clusters_are_found_however_little_memory_there_is(max_memory, switch):
    x, truth = apart()
    quantizer = Quantizer(3, 5, max_memory=max_memory).fit(x)
    assert quantizer.record["out_of_core"] == switch
    assert len(set(zip(quantizer.transform(x), truth, strict=True))) == 5


def test_components_in_pieces_are_those_in_memory():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3000, 24)) * np.linspace(1, 3, 24) + 100
    whole, pieces = Quantizer(3, 5).fit(x), Quantizer(3, 5, max_memory=500_000).fit(x)
    assert pieces.record["variance_kept"] == pytest.approx(whole.record["variance_kept"], rel=1e-9)
    np.testing.assert_array_equal(
        pieces.transform(x)[:, None] == pieces.transform(x), whole.transform(x)[:, None] == whole.transform(x)
    )


def test_the_same_codebook_gives_the_same_codes_in_pieces():
    x, _ = apart()
    quantizer = Quantizer(3, 5).fit(x)
    whole = quantizer.transform(x)
    quantizer.max_memory = 20_000
    np.testing.assert_array_equal(quantizer.transform(x), whole)


def test_a_row_that_is_not_finite_is_found_in_pieces():
    x, _ = apart()
    x[3000, 2] = np.nan
    with pytest.raises(InputError, match=r"Quantizer.fit\(X\), rows from \d+: expected finite values"):
        Quantizer(3, 5, max_memory=20_000).fit(x)
