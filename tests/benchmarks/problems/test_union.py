import numpy as np
import pytest

from pidkd.benchmarks.problems.union import FAMILY, dirichlet, measure


def test_every_source_has_the_same_margin_of_the_target():
    (tables,) = dirichlet(4, (3, 5, 2))
    for table in tables:
        np.testing.assert_allclose(table.sum(axis=1), tables[0].sum(axis=1), atol=1e-15)
        assert table.sum() == pytest.approx(1.0)


def test_a_measurement_is_certified_and_timed():
    row = measure("union_information", dirichlet(3, (3, 3, 3), 2), "cpu")
    assert row["status"] == "solved"
    assert row["certified"] == row["members"] == 2
    assert row["cpu"] > 0


def test_the_peer_is_passed_over_where_it_cannot_take_part():
    assert measure("maxent3d", dirichlet(3, (3, 3, 3, 3)), "cpu")["status"] == "skipped"


def test_names_tell_classes_and_cells():
    assert next(problem.name for problem in FAMILY.problems) == "5 of (4; 4, 4, 4)"
