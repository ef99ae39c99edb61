"""BROJA_2PID of Makkeh, Theis and Vicente, from a folder that the user names: 2pid-ecos."""

from __future__ import annotations

from itertools import product

from pidkd.benchmarks.peers import AtomsPeer, Peer, from_folder
from pidkd.inputs import Pmf


def estimators() -> dict[str, AtomsPeer]:
    """Its estimator, with the solver and the tolerances that it has by default."""
    return {"2pid-ecos": AtomsPeer(_atoms)}


def _atoms(pmf: Pmf) -> dict[str, float]:
    peer = from_folder("BROJA_2PID")
    cells = product(*map(range, pmf.shape))
    answer = peer.pid({cell: float(pmf.p[cell]) for cell in cells if pmf.p[cell] > 0})
    names = {"redundant": "SI", "unique_t": "UIY", "unique_s": "UIZ", "synergistic": "CI"}
    return {atom: answer[name] for atom, name in names.items()}


PEER = Peer("2pid-", estimators)
