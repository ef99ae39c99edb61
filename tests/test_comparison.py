"""Several measures on one table, side by side."""

import json

import numpy as np
import pytest

import pidkd
from pidkd.cli.main import main
from pidkd.errors import InputError, UnknownNameError
from pidkd.result import ATOMS
from pidkd.synthetic import gate

MEASURES = ["broja", "i_alpha", "i_min", "mmi", "gk", "sx"]


@pytest.fixture
def comparison():
    return pidkd.compare(gate("and").pmf, measures=MEASURES)


def test_each_measure_is_its_decomposition(comparison):
    for measure in MEASURES:
        assert comparison[measure].atoms == pidkd.decompose(gate("and").pmf, estimator=measure).atoms
    assert list(comparison.results) == MEASURES


def test_the_informations_are_those_of_every_measure(comparison):
    for name in ("mi_t", "mi_s", "mi"):
        values = [getattr(result, name) for result in comparison.results.values()]
        assert values == pytest.approx([values[0]] * len(values), abs=1e-12)


def test_redundancies_are_in_the_order_that_is_proven(comparison):
    ordered = [comparison[measure].redundant for measure in ("gk", "i_alpha", "broja", "mmi")]
    assert ordered == sorted(ordered)


def test_rows_table_and_units(comparison):
    assert [row["measure"] for row in comparison.rows()] == MEASURES
    text = str(comparison)
    assert len(text.splitlines()) == 1 + len(MEASURES)
    assert "0.122556" in text
    nats = comparison.to("nats")
    assert nats.units == "nats"
    assert nats["broja"].redundant == pytest.approx(comparison["broja"].redundant * np.log(2))
    assert comparison.to_latex().count("i") > 1
    assert "broja" in comparison._repr_html_()


def test_goes_to_json_and_back(comparison):
    again = pidkd.Comparison.from_dict(json.loads(json.dumps(comparison.to_dict())))
    assert again.rows() == comparison.rows()
    with pytest.raises(InputError, match="by measure"):
        pidkd.Comparison.from_dict([])


def test_draws_a_bar_for_each_atom_and_measure(comparison):
    from matplotlib.figure import Figure

    axes = comparison.plot(Figure().subplots())
    assert len(axes.patches) == len(ATOMS) * len(MEASURES)


def test_a_gaussian_system_has_its_measures():
    system = pidkd.Gaussian(np.eye(3) + 1.0, (1, 1, 1))
    comparison = pidkd.compare(system, measures=["gaussian", "mmi"])
    assert comparison["mmi"].redundant == pytest.approx(comparison["gaussian"].redundant, abs=1e-12)


def test_samples_have_intervals():
    rng = np.random.default_rng(0)
    t, s = rng.integers(2, size=(2, 500))
    comparison = pidkd.compare(t & s, t, s, measures=["mmi", "sx"], uncertainty=pidkd.Bootstrap(n=20))
    assert all(set(ATOMS) <= set(result.interval) for result in comparison.results.values())


@pytest.mark.parametrize("measures", ["broja", [], None, ["sx", "sx"], [pidkd.get_estimator("sx")(), "sx"]])
def test_measures_that_cannot_be_compared_are_refused(measures):
    with pytest.raises(InputError, match="measures"):
        pidkd.compare(gate("and").pmf, measures=measures)


def test_an_unknown_measure_of_the_comparison_is_refused(comparison):
    with pytest.raises(InputError, match="'ccs'"):
        comparison["ccs"]


def test_the_command_prints_the_table(tmp_path, capsys):
    np.save(tmp_path / "and.npy", gate("and").pmf.p)
    assert main(["compare", str(tmp_path / "and.npy"), "--measure", "broja", "--measure", "sx"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[1:]] == ["broja", "sx"]
    assert main(["compare", str(tmp_path / "and.npy"), "--measure", "broja", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["broja"]["redundant"] == pytest.approx(0.311278, abs=1e-6)


def test_a_measure_that_is_not_known_is_one_of_the_measures():
    with pytest.raises(UnknownNameError, match=r"compare\(\.\.\., measures='brojaa'\): .*did you mean 'broja'"):
        pidkd.compare(pidkd.Pmf(np.full((2, 2, 2), 1 / 8)), measures=["broja", "brojaa"])
