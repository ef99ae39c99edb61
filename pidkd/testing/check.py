"""One clause of a contract, as a test that a plug-in runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pidkd.estimator import Estimator


@dataclass(frozen=True)
class Check:
    """One clause of the contract, bound to the estimator that shall keep it: call it.

    Parameters
    ----------
    name : str
    promise : str
        The clause in words.
    function : callable
        Takes the estimator, and raises AssertionError when it breaks the promise.
    estimator : Estimator
    """

    name: str
    promise: str
    function: Callable[[Any], None] = field(repr=False)
    estimator: Estimator

    def __call__(self) -> None:
        """Raise AssertionError when the promise is broken."""
        self.function(self.estimator)

    @property
    def __name__(self) -> str:  # what pytest shows as the id of a parameter
        return self.name
