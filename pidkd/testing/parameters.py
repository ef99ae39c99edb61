"""The contract of whatever is made of parameters: it refuses what their constraints do not accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pidkd.errors import InputError, PidkdError, quote
from pidkd.parameters import constraints, parameter_names

LONGEST = 600
"""Letters of a message at most: the constraint in words, and a value quoted in 80."""


def check_parameters(of: Any, given: dict[str, Any] | None = None, use: Callable[[Any], Any] | None = None) -> None:
    """Make a class with invalid values of each parameter, and an unknown one, and see that each is one clear line.

    Parameters
    ----------
    of : class
        Its parameters say what they may be, see ``pidkd.parameters``.
    given : mapping, optional
        Values of the parameters that have no default.
    use : callable, optional
        Takes what was made, where values are refused later than in the constructor.

    Raises
    ------
    AssertionError
        When a value is accepted, or the message is none of ours, several lines or does not name the parameter.

    Examples
    --------
    >>> from pidkd import Bootstrap
    >>> check_parameters(Bootstrap)
    """
    given = given or {}

    def make(**params: Any) -> None:
        made = of(**given | params)
        if use is not None:
            use(made)

    make()
    for name, constraint in constraints(of).items():
        for value in constraint.invalid():
            _refusal(make, name, value)
    message = _refusal(make, "no_such_parameter", 1)
    missing = [name for name in parameter_names(of) if name not in message]
    assert not missing, f"the message leaves out the parameters {missing}: {message}"


def _refusal(make: Callable[..., None], parameter: str, value: Any) -> str:
    """The message by which a value is refused."""
    tried = f"{parameter} = {type(value).__name__} {quote(value, 60)}"
    try:
        make(**{parameter: value})
    except InputError as error:
        refusal = error
    except PidkdError:
        raise
    except Exception as error:
        raise AssertionError(f"{tried}: {type(error).__name__}: {error}") from error
    else:
        raise AssertionError(f"{tried} is accepted")
    message = str(refusal)
    assert parameter in refusal.where, f"{tried}: the message does not name it: {message}"
    assert "\n" not in message, f"{tried}: a message of several lines"
    assert len(message) <= LONGEST, f"{tried}: a message of {len(message)} letters"
    return message
