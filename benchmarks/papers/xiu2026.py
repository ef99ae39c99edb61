"""Posteriors such as Xiu et al. take from vision-language models, of problems whose atoms are known.

The paper decomposes the class probabilities that a model gives from an image, from a text and from both. Its numbers
are of models and data that cannot be made anew here, so nothing is published; the truth of these four problems says
what an estimator makes of such posteriors: sharp ones, crossing ROC curves, nothing shared, and near-copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pidkd import decompose
from pidkd.benchmarks.papers import Number, Paper, Setting
from pidkd.benchmarks.problems.posteriors import KNOWN, Known
from pidkd.result import ATOMS

N_SAMPLES = 6_000

NAMES = ("sharp-2", "bin-cross", "k4-unique", "k4-copy")
"""Problems of the family ``posteriors``."""


def numbers(of: Known) -> Iterator[Number]:
    """Atoms in nats beside the truth."""
    result = decompose(of.posteriors(N_SAMPLES), units="nats")
    for atom in ATOMS:
        interval = (result.interval or {}).get(atom)
        yield Number(atom, getattr(result, atom), None, of.atoms[atom], "integrals", interval, "nats")


PAPER = Paper([Setting(name, "small", partial(numbers, KNOWN[name])) for name in NAMES])
