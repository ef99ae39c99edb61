"""Keys of a configuration, by the arguments of the functions that are given its values."""

from __future__ import annotations

from pidkd.errors import Argument

KEYS = {
    "device": "device",
    "strict": "strict",
    "student": "student.model",
    "student, taps": "taps of the student",
    "taps": "taps",
    "teacher, taps": "taps of the teacher",
}
"""Keys of the arguments of ``train`` that a configuration holds."""


def key_in_configuration(place: str, recipe: str) -> str:
    """Key of an argument of ``train``, or of a field of its recipe."""
    if not isinstance(place, Argument) or place.owner not in ("Recipe", "train"):
        return place
    return f"{recipe}.{place.name}" if place.owner == "Recipe" else KEYS.get(place.name, place)
