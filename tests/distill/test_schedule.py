import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pidkd.distill.method import get_method
from pidkd.distill.schedule import alternating, two_stages
from pidkd.errors import InputError


def test_the_setting_of_the_reference_for_cifar_10():
    phases = alternating(300, warm_up=30, q=30, r=1 / 4)
    assert phases[:30] == ("warm_up",) * 30
    assert all((phases[i] == "filters") == (i % 30 in range(8)) for i in range(30, 300))
    assert phases[30:].count("student") == 9 * 22


def test_the_setting_of_the_reference_for_cifar_100():
    phases = alternating(250, warm_up=5, q=5, r=1 / 5)
    assert phases == ("warm_up",) * 5 + ("filters", "student", "student", "student", "student") * 49


def test_the_setting_of_the_reference_for_birds():
    phases = alternating(250, warm_up=20, q=20, r=1 / 5)
    cycle = ("filters",) * 4 + ("student",) * 16
    assert phases == (("warm_up",) * 20 + cycle * 12)[:250]


def test_the_published_code_warms_up_within_its_first_cycle():
    phases = alternating(300, warm_up=30, q=30, r=1 / 4, warm_up_within_cycles=True)
    assert phases[:30] == ("warm_up",) * 8 + ("student",) * 22
    assert phases[30:60] == ("filters",) * 8 + ("student",) * 22


@given(st.integers(0, 60), st.integers(0, 20), st.integers(1, 20), st.fractions(0, 1, max_denominator=50))
def test_every_epoch_obeys_the_modulo_form(epochs, warm_up, q, r):
    phases = alternating(epochs, warm_up=warm_up, q=q, r=float(r))
    assert len(phases) == epochs
    for epoch, phase in enumerate(phases):
        cycled = "filters" if (epoch - warm_up) % q < r * q else "student"
        assert phase == ("warm_up" if epoch < warm_up else cycled)


def test_a_product_that_rounding_has_made_a_little_larger_adds_no_epoch():
    assert 0.07 * 100 > 7
    assert alternating(100, q=100, r=0.07).count("filters") == 7


@given(st.integers(0, 400), st.fractions(0, 1, max_denominator=50))
def test_two_stages_follow_each_other(epochs, fraction):
    first = min(epochs, max(math.floor(fraction * epochs), fraction > 0))  # what it trains is not to stay random
    assert two_stages(epochs, first="hint", fraction=float(fraction)) == ("hint",) * first + ("student",) * (
        epochs - first
    )


@pytest.mark.parametrize("wrong", [{"q": 0}, {"r": 1.5}, {"r": -0.1}, {"warm_up": -1}, {"epochs": -1}])
def test_numbers_that_cannot_be_used_are_refused(wrong):
    [name] = wrong
    with pytest.raises(InputError, match=rf"schedule\({name}\): expected"):
        alternating(**{"epochs": 3, "q": 2, "r": 0.5} | wrong)


def test_methods_use_it():
    pytest.importorskip("torch")
    rid = get_method("rid")(warm_up=30, q=30)
    assert rid.schedule(300) == alternating(300, warm_up=30, q=30, r=1 / 4)
    assert get_method("ted")().schedule(300) == ("filters",) * 37 + ("student",) * 263
    assert get_method("fitnet")().schedule(8) == ("hint",) * 2 + ("student",) * 6
