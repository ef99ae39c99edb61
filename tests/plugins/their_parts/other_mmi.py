"""The smaller information again, by another hand: other-mmi."""

from __future__ import annotations

from pidkd.benchmarks.peers import AtomsPeer, Peer, Solves
from pidkd.inputs import Pmf


def atoms(pmf):
    from pidkd import decompose

    return decompose(pmf, estimator="shared_nothing").atoms


PEER = Peer("other-", lambda: {"other-nothing": AtomsPeer(atoms, Solves((Pmf,), "no redundancy"))})
