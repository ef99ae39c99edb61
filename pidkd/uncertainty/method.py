"""Quantities, and the normal interval, that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TypeAlias

from pidkd.arrays import FloatArray
from pidkd.result import ATOMS

QUANTITIES = (*ATOMS, "mi_t", "mi_s", "mi")
"""What every method speaks of: the four atoms and the three mutual informations."""

FILLED = ("interval", "se", "null", "bias", "corrected")
"""Fields of a result that the methods fill; what else they find goes into its record."""

Values: TypeAlias = Mapping[str, FloatArray]
"""Each quantity over the resamples, shape (n_resamples,)."""


def normal_interval(centre: float, se: float, level: float) -> tuple[float, float]:
    """Two-sided interval of a normal distribution, as (low, high)."""
    half = NormalDist().inv_cdf((1 + level) / 2) * se
    return centre - half, centre + half
