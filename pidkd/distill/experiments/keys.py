"""Keys of a configuration, by what the functions call them that are given its values."""

from __future__ import annotations

from pidkd.codec import key_of

AS_CONFIGURED = {
    "train(taps)": "taps",
    "train(teacher, taps)": "taps of the teacher",
    "train(student, taps)": "taps of the student",
    "train(device)": "device",
    "train(strict)": "strict",
    "train(student)": "student.model",
}
"""Keys of a configuration, by what the functions call them that are given its values."""


def key_in_configuration(where: str, recipe: str) -> str:
    """The key of what ``train`` calls by its own argument, or its recipe by a field."""
    return key_of(where, recipe) if where.startswith("Recipe(") else AS_CONFIGURED.get(where, where)
