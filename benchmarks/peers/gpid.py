"""gpid of Venkatesh and others for Gaussian systems, from a folder that the user names: gpid-tilde."""

from __future__ import annotations

import contextlib
import io

from pidkd.benchmarks.peers import AtomsPeer, Peer, Solves, from_folder
from pidkd.inputs import Gaussian


def estimators() -> dict[str, AtomsPeer]:
    """Its estimator: the projected gradient solver of the union information, as it comes."""
    return {"gpid-tilde": AtomsPeer(_atoms, Solves((Gaussian,), "BROJA of Gaussian variables"))}


def _atoms(data: Gaussian) -> dict[str, float]:
    peer = from_folder("gpid.tilde_pid")
    with contextlib.redirect_stdout(io.StringIO()):
        answer = peer.exact_gauss_tilde_pid(data.cov, *data.dims)
    return dict(zip(("unique_t", "unique_s", "redundant", "synergistic"), answer[5:9], strict=True))


PEER = Peer("gpid-", estimators)
