"""Keys of a configuration, by the arguments of the functions that are given its values."""

from __future__ import annotations

from pidkd.errors import Argument

KEYS = {"teacher, taps": "taps of the teacher", "student, taps": "taps of the student", "student": "student.model"}
"""Keys of arguments of ``train`` that the configuration names otherwise."""


def key_in_configuration(place: str, recipe: str) -> str:
    """Key of an argument of ``train``, or of a field of its recipe."""
    if not isinstance(place, Argument) or place.owner not in ("Recipe", "train"):
        return place
    return f"{recipe}.{place.name}" if place.owner == "Recipe" else KEYS.get(place.name, place.name)
