"""Phases of the epochs."""

from __future__ import annotations

import math

from pidkd.parameters import Fraction, Whole

MOST_EPOCHS = 1_000_000
"""Epochs of a run at most: more would not end within reason."""


def alternating(
    epochs: int, *, warm_up: int = 0, q: int, r: float, warm_up_within_cycles: bool = False
) -> tuple[str, ...]:
    r"""Epoch :math:`i` is in phase ``filters`` if :math:`(i - n_w) \bmod q < r q`, else in phase ``student``.

    This is Algorithm 1 of the reference in its modulo form, after :math:`n_w` warm-up epochs. The test printed there,
    ``round(i / q) < q r``, would let the first phase happen only once, against the text around it.

    Parameters
    ----------
    epochs : int
        All of them, the warm-up included.
    warm_up : int
        :math:`n_w`, epochs of phase ``warm_up`` before the first cycle.
    q : int
        Epochs of a cycle.
    r : float
        The part of a cycle that trains the filters, in [0, 1]; a fraction of an epoch counts as one.
    warm_up_within_cycles : bool
        Begin with the first cycle at once; there is no warm-up but in the filters' epochs among the first ``warm_up``.
        With ``warm_up = q`` this is what the published code does.

    Returns
    -------
    phases : tuple of str, length ``epochs``

    Raises
    ------
    InputError
        When a number cannot be used.

    References
    ----------
    dissanayake2025

    Examples
    --------
    >>> alternating(8, warm_up=2, q=3, r=1 / 3)
    ('warm_up', 'warm_up', 'filters', 'student', 'student', 'filters', 'student', 'student')
    >>> alternating(6, warm_up=3, q=3, r=1 / 3, warm_up_within_cycles=True)
    ('warm_up', 'student', 'student', 'filters', 'student', 'student')
    """
    Whole(0, MOST_EPOCHS).check("schedule(epochs)", epochs)
    Whole(0).check("schedule(warm_up)", warm_up)
    Whole(1).check("schedule(q)", q)
    Fraction().check("schedule(r)", r)
    first = math.ceil(round(r * q, 9))  # 0.07 * 100 is a little more than 7
    phases = []
    for epoch in range(epochs):
        in_warm_up = epoch < warm_up
        start = 0 if warm_up_within_cycles else warm_up
        if in_warm_up and not warm_up_within_cycles:
            phases.append("warm_up")
        elif (epoch - start) % q < first:
            phases.append("warm_up" if in_warm_up else "filters")
        else:
            phases.append("student")
    return tuple(phases)


def two_stages(epochs: int, *, first: str, fraction: float) -> tuple[str, ...]:
    """The first ``floor(fraction * epochs)`` epochs in phase ``first``, the others in phase ``student``.

    A fraction above 0 gives the first phase one epoch at least, for without it what it trains would stay random.

    Raises
    ------
    InputError
        When a number cannot be used.

    Examples
    --------
    >>> two_stages(4, first="hint", fraction=0.25)
    ('hint', 'student', 'student', 'student')
    """
    Whole(0, MOST_EPOCHS).check("schedule(epochs)", epochs)
    Fraction().check("schedule(fraction)", fraction)
    n_first = min(epochs, max(math.floor(round(fraction * epochs, 9)), int(fraction > 0)))
    return (first,) * n_first + ("student",) * (epochs - n_first)
