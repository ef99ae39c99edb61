"""A paragraph that says how a number came to be."""

import numpy as np
import pytest

import pidkd
from pidkd.citing import reference_of
from pidkd.errors import InputError
from pidkd.registry import ESTIMATORS, get_estimator

Y = np.arange(400) % 4


def test_names_estimator_source_settings_data_certificate_and_version() -> None:
    text = pidkd.cite(pidkd.decompose(Y, Y // 2, Y % 2, estimator="broja_cvx", tol=1e-7))
    for part in (
        "broja_cvx (BROJA;",
        "Bertschinger et al. 2014",
        "tol = 1e-07",
        "400 samples",
        "bits",
        pidkd.__version__,
    ):
        assert part in text, text
    assert "\n" not in text


def test_names_resamples_level_and_seed() -> None:
    text = pidkd.cite(pidkd.decompose(Y, Y // 2, Y % 2, uncertainty=pidkd.Bootstrap(50), seed=3))
    assert "bootstrap with" in text
    assert "level 95%" in text
    assert "seed 3" in text


def test_of_other_results() -> None:
    rng = np.random.default_rng(0)
    assert "Kraskov" in pidkd.cite(pidkd.mutual_information(*rng.normal(size=(2, 100)), estimator="ksg"))
    assert "Union information" in pidkd.cite(pidkd.union_information(Y, {"a": Y // 2, "b": Y % 2}))
    rng = np.random.default_rng(0)
    report = pidkd.audit(
        Y[:, None] + rng.normal(size=(400, 2)), rng.normal(size=(400, 2)), Y, estimator="kmeans", seed=5
    )
    assert "kmeans" in report.cite()
    assert "seed 5" in report.cite()


def test_refuses_what_is_no_result() -> None:
    with pytest.raises(InputError, match="a result of pidkd"):
        pidkd.cite(3)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, found in ESTIMATORS.items() for name in found.names()]
)
def test_every_reference_is_known_and_plain(kind: str, name: str) -> None:
    text = reference_of(get_estimator(name, kind).reference)
    assert " " in text, text
    assert not set(text) & set("{}\\"), text


def test_accents() -> None:
    assert "Czyż" in reference_of("czyz2023")
    assert reference_of("no_such_key") == "no_such_key"
