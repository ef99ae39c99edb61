"""Other implementations, one file each, behind the interface of an estimator.

A peer is a module with a ``PEER``, which gives its estimators by name, each of which says what it solves; it is found
by being here, or by an entry point of another package in the group ``pidkd.peers``. An implementation that is on no
registry is imported from below the folder that the user names, see ``from_folder``.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pidkd.arrays import FloatArray
from pidkd.errors import InputError, MissingDependencyError
from pidkd.estimator import Context, Estimator
from pidkd.estimators.solvers.union.certificate import Potentials, bounds
from pidkd.info import information
from pidkd.inputs import Gaussian, Pmf, Posteriors
from pidkd.mi import MIEstimator, Pairs, RawMI
from pidkd.pid import PIDEstimator, Raw
from pidkd.registry import Registry
from pidkd.result import NATS_PER, Certificate, Information

TOLERANCE = 1e-9 * NATS_PER["bits"]
"""Gap up to which an answer is called optimal, as for our own estimators."""

PEER_PATH = "PIDKD_PEER_PATH"
"""The variable of the environment that names a folder of peers."""


@dataclass(frozen=True)
class Solves:
    """Problem that a peer's estimator solves.

    Parameters
    ----------
    inputs : tuple of type
        Kinds of input: of tables, Gaussian systems, posteriors, or pairs of variables.
    measure : str
        As our own estimators call it, or a name of its own.
    variant : bool
        Whether another estimator of the peer solves the same, and this one takes part only where it is named.
    """

    inputs: tuple[type, ...]
    measure: str
    variant: bool = False


BROJA_OF_TABLES = Solves((Pmf,), "BROJA")


@dataclass(frozen=True)
class Peer:
    """Another implementation.

    Parameters
    ----------
    prefix : str
        How the names of its estimators begin.
    estimators : callable
        Gives its estimators by name, and may import the packages that it needs.
    """

    prefix: str
    estimators: Callable[[], Mapping[str, Any]]


PEERS = Registry(
    "a peer",
    "pidkd.benchmarks.peers",
    "pidkd.peers",
    "PEER, a Peer with the prefix and the estimators",
    "PEER",
    lambda peer, name: isinstance(peer, Peer),
)


@dataclass(frozen=True)
class Solution:
    r"""Answer of a solver for one table.

    Parameters
    ----------
    plan, potentials : optional
        What proves the two bounds of Uni(Y:T\S); without them nothing is proven.
    status : str
        In the solver's own words.
    iterations, seconds : optional
        The solver's own account of its effort.
    """

    plan: FloatArray | None
    potentials: Potentials | None
    status: str
    iterations: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ConvexPeer(PIDEstimator):
    """A solver of BROJA's convex problem: whatever it finds is repaired to a feasible plan, and bounded."""

    find: Callable[[Pmf], Solution]
    solves: Solves = BROJA_OF_TABLES

    name = "peer"
    measure = "BROJA"
    reference = "bertschinger2014"
    accepts = (Pmf,)
    certifies = True
    laws = frozenset()

    def _decompose(self, data: Pmf, ctx: Context) -> Raw:
        solution, known = self.find(data), information(data.p)
        effort = {"iterations": solution.iterations, "solver_seconds": solution.seconds}
        stats = {name: value for name, value in effort.items() if value is not None}
        if solution.plan is None or solution.potentials is None:
            return Raw(math.nan, known, Certificate(-math.inf, math.inf, "uncertified", solution.status), stats=stats)
        proven = bounds(data.p, solution.plan, solution.potentials)
        certificate = Certificate(proven.lower, proven.upper, "optimal", solution.status)
        if certificate.gap > TOLERANCE:
            certificate = dataclasses.replace(certificate, status="uncertified")
        return Raw(proven.upper, known, certificate, stats=stats)


@dataclass(frozen=True)
class AtomsPeer(PIDEstimator):
    """An implementation that gives four atoms in bits and proves nothing."""

    find: Callable[[Any], Mapping[str, float]]
    solves: Solves = BROJA_OF_TABLES

    name = "peer"
    measure = "its own"
    reference = "bertschinger2014"
    accepts = (Pmf, Gaussian, Posteriors)
    certifies = False
    laws = frozenset()

    def _decompose(self, data: Pmf | Gaussian | Posteriors, ctx: Context) -> Raw:
        bit = NATS_PER["bits"]
        atoms = {name: float(value) * bit for name, value in self.find(data).items()}
        t, s = atoms["redundant"] + atoms["unique_t"], atoms["redundant"] + atoms["unique_s"]
        known = Information(t, s, sum(atoms.values()))
        unproven = Certificate(-math.inf, math.inf, "uncertified", "it proves nothing")
        return Raw(atoms["unique_t"], known, unproven, atoms=atoms)


@dataclass(frozen=True)
class MIPeer(MIEstimator):
    """An implementation of mutual information, in nats, of pairs of one kind."""

    find: Callable[[Any], float]
    solves: Solves

    name = "peer"
    measure = "its own"
    bound = "none"
    reference = "kraskov2004"
    accepts = (Pairs,)

    def _estimate(self, data: Pairs, ctx: Context) -> RawMI:
        if not isinstance(data, self.solves.inputs):
            raise InputError("bench", " or ".join(kind.__name__ for kind in self.solves.inputs), type(data).__name__)
        return RawMI(float(self.find(data)))


def list_peers() -> list[str]:
    """Names of the estimators of all peers; only a peer can say them, so what it needs is imported."""
    return list(peer_estimators())


def peer_estimators() -> dict[str, Any]:
    """The estimators of all peers by name; what each peer needs is imported."""
    return {name: estimator for peer in PEERS.names() for name, estimator in PEERS.get(peer).estimators().items()}


def find_peer(name: str) -> Estimator | None:
    """The estimator of this name, of the peer that has it."""
    for peer in map(PEERS.get, PEERS.names()):
        # Asked for one, no other's packages are loaded: they would count as its memory.
        if name.startswith(peer.prefix) and name in (estimators := peer.estimators()):
            estimator: Estimator = estimators[name]
            return estimator
    return None


def from_folder(module: str) -> Any:
    """A module that lies below the folder that the user named, at any depth.

    Raises
    ------
    MissingDependencyError
        When no folder is named, or it does not hold the module.
    """
    folder, relative = os.environ.get(PEER_PATH), module.replace(".", "/")
    scripts = sorted(Path(folder).rglob(f"{relative}.py")) if folder else []
    if not scripts:
        where = f"is not below {folder}" if folder else "is on no registry: name its folder with --peer-path"
        raise MissingDependencyError(f"module {module!r} {where}")
    sys.path.insert(0, str(scripts[0].parents[module.count(".")]))
    return importlib.import_module(module)
