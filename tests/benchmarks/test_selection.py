"""Names of estimators and peers: what they mean, and which are selected."""

import numpy as np
import pytest

from pidkd.benchmarks.peers import list_peers
from pidkd.benchmarks.problems import get_family
from pidkd.benchmarks.selection import find_estimator, parse, select
from pidkd.errors import InputError, UnknownNameError
from pidkd.inputs import Activations, Gaussian
from pidkd.synthetic import gate


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("ksg", ("ksg", {}, "cpu")),
        ("kmeans(n_clusters=20, normalise=True)", ("kmeans", {"n_clusters": 20, "normalise": True}, "cpu")),
        ("gaussian(debias='none')", ("gaussian", {"debias": "none"}, "cpu")),
        ("mine.module:Mine(a=[1, 2])@cuda", ("mine.module:Mine", {"a": [1, 2]}, "cuda")),
    ],
)
def test_a_name_has_parameters_and_a_device(text, meaning):
    assert parse(text) == meaning


@pytest.mark.parametrize("text", ["", "kmeans(", "kmeans(20)", "kmeans(n_clusters=print())", "broja@", "broja@a b"])
def test_what_is_spelt_otherwise_is_refused(text):
    with pytest.raises(InputError, match=r"bench --estimator: expected NAME"):
        parse(text)


def test_parameters_reach_the_estimator():
    assert find_estimator("kmeans(n_clusters=20)", "pid").get_params()["n_clusters"] == 20
    with pytest.raises(UnknownNameError, match="n_clusters"):
        find_estimator("kmeans(clusters=20)", "pid")


def test_auto_goes_by_the_data():
    y, x = np.arange(10) % 2, np.zeros((10, 1))
    names = {
        find_estimator("auto", "pid", like).name
        for like in (gate("and").pmf, Gaussian(np.eye(3), (1, 1, 1)), Activations(y, x, x))
    }
    assert names == {"broja", "gaussian", "posterior"}


def test_on_a_device_those_that_know_it_take_part_once_more():
    assert select(get_family("broja"), ["broja", "i_min"], peers=False, device="cuda") == [
        "broja",
        "i_min",
        "broja@cuda",
    ]
    assert select(get_family("broja"), ["broja@cuda"], peers=False, device="cuda") == ["broja@cuda"]
    assert select(get_family("speed"), None, peers=False, device="cuda") == ["auto", "auto@cuda"]
    assert select(get_family("training"), ["eng*"], peers=False, device="cuda") == ["engine", "engine@cuda"]


def test_a_pattern_keeps_its_parameters():
    chosen = select(get_family("broja"), ["broja*(tol=1e-8)@cuda"], peers=False, device="cpu")
    assert chosen == ["broja(tol=1e-8)@cuda", "broja_cvx(tol=1e-8)@cuda"]


def test_a_parameter_that_nobody_has_is_refused_before_anything_runs():
    with pytest.raises(UnknownNameError, match="tolerance"):
        select(get_family("broja"), ["broja(tolerance=1e-8)"], peers=False, device="cpu")


@pytest.mark.peer
def test_peers_take_part_on_the_cpu_alone():
    chosen = select(get_family("broja"), None, peers=True, device="cuda")
    assert [name for name in chosen if "@" in name] == ["broja@cuda"]
    assert set(list_peers()) & set(chosen)
