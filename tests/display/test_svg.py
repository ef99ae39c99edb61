import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.display.svg import curves, nice_ticks, stack
from pidkd.result import ATOMS

NUMBERS = st.floats(-5, 5).filter(lambda x: abs(x) > 1e-9)


def atoms(*values):
    return dict(zip(ATOMS, values, strict=True))


def test_segments_touch_and_end_at_the_total():
    bar = stack(atoms(1.0, 0.5, 0.25, 0.25), 4.0, {"unique_t": (0.25, 1.0)})
    assert [part.x for part in bar] == [0.0, 25.0, 37.5, 43.75]
    assert bar[-1].x + bar[-1].width == 50.0
    assert (bar[1].low, bar[1].high) == (31.25, 50.0)
    assert bar[0].low is None


def test_a_negative_atom_has_no_width_and_keeps_its_value():
    bar = stack(atoms(1.0, -0.5, 0.5, 0.0), 2.0)
    assert (bar[1].width, bar[1].value, bar[2].x) == (0.0, -0.5, 50.0)


@given(NUMBERS, NUMBERS)
def test_ticks_enclose_and_are_even(a, b):
    low, high = min(a, b), max(a, b) + 0.01
    ticks = nice_ticks(low, high)
    steps = [y - x for x, y in itertools.pairwise(ticks)]
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    assert 1 <= len(steps) <= 7
    assert steps == pytest.approx([steps[0]] * len(steps))


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_curves_stay_inside_and_their_labels_apart(stages):
    names = [f"epoch {i}" for i in range(len(stages))]
    plot = curves(names, [atoms(*stage) for stage in stages], (420, 240), (14, 62, 30, 38))
    for curve in plot.curves:
        assert all(38 <= x <= 358 and 14 - 1e-6 <= y <= 210 + 1e-6 for x, y in curve.points)
    places = sorted(curve.label_y for curve in plot.curves)
    assert all(b - a >= 13 - 1e-9 for a, b in itertools.pairwise(places))
    assert places[-1] <= 210 + 1e-6
    assert plot.ticks_x[-1][1] == names[-1]


def test_many_names_leave_room():
    names = [f"epoch {i}" for i in range(40)]
    shown = curves(names, [atoms(1, 0, 0, 0)] * 40, (420, 240), (14, 62, 30, 38)).ticks_x
    assert len(shown) < 9
    assert min(b - a for (a, _), (b, _) in itertools.pairwise(shown)) > 40
