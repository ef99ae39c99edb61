"""Values that no argument is made for: each public call answers, or refuses them in one line that names the place."""

import numpy as np
import pytest

import pidkd
import pidkd.synthetic
from pidkd.errors import PidkdError

Y, T, S = (np.arange(24) * k % 3 for k in (1, 2, 5))
ODD = {
    "array": np.arange(3),
    "empty array": np.zeros(0),
    "matrix": np.zeros((2, 2)),
    "class": int,
    "list": [1, [2]],
    "huge": 10**400,
    "bytes": b"x",
    "surrogate": "\ud800",
    "long": "x" * 10**6,
}


def audit(**options):
    return pidkd.audit({"h": T}, {"h": S}, Y, **{"shuffles": 0, "uncertainty": None} | options)


CALLS = {
    "decompose": (
        lambda **k: pidkd.decompose(Y, T, S, **k),
        ("estimator", "units", "seed", "uncertainty", "keep", "device", "target", "groups", "given"),
    ),
    "mutual_information": (
        lambda **k: pidkd.mutual_information(T, Y, **k),
        ("estimator", "units", "seed", "device", "target", "groups"),
    ),
    "audit": (
        audit,
        (
            "pairs",
            "checkpoints",
            "estimator",
            "quantize",
            "fit_on",
            "pool",
            "shuffles",
            "uncertainty",
            "local",
            "max_memory",
            "device",
            "n_jobs",
            "seed",
            "units",
            "resume",
        ),
    ),
    "union_information": (lambda **k: pidkd.union_information(Y, {"a": T, "b": S}, **k), ("units", "seed")),
    "decompose_lattice": (lambda **k: pidkd.decompose_lattice(Y, {"a": T, "b": S}, **k), ("measure", "units")),
    "gate": (lambda **k: pidkd.synthetic.gate(**k), ("name",)),
    "problem": (lambda **k: pidkd.synthetic.problem(**k), ("name",)),
    "task": (lambda **k: pidkd.synthetic.task(**k), ("name",)),
    "get_estimator": (lambda **k: pidkd.get_estimator(**{"name": "broja"} | k), ("name", "kind")),
    "bounds": (lambda **k: pidkd.decompose(Y, T, S).bounds(**k), ("atom",)),
    "to": (lambda **k: pidkd.decompose(Y, T, S).to(**k), ("units",)),
    "from_dict": (lambda **k: pidkd.PIDResult.from_dict(**k), ("data",)),
}


@pytest.mark.parametrize(
    ("call", "option"), [(call, option) for call, (_, options) in CALLS.items() for option in options]
)
def test_an_odd_value_is_refused_in_one_line(call, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ODD.values():
        message = ""
        try:
            CALLS[call][0](**{option: value})
        except PidkdError as error:
            message = str(error)
        assert "\n" not in message
        assert len(message) < 2000, message[:200]
    assert not list(tmp_path.iterdir())
