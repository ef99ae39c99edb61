import pytest

from pidkd.benchmarks.gaussian_bias import CONFIGURATIONS, Configuration, errors

RULES = ("none", "matching")


@pytest.mark.parametrize("kind", ["redundant", "unique", "null"])
def test_correction_helps_where_there_is_much_bias(kind):
    found = errors(Configuration(kind, 6, 6, 100), n_systems=8, rules=RULES)
    assert found["matching"] < 0.7 * found["none"]


@pytest.mark.slow
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_correction_never_hurts(configuration):
    found = errors(configuration, n_systems=10, rules=RULES)
    assert found["matching"] < found["none"]
