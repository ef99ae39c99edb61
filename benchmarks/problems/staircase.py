"""The staircase: Gaussian variables of 20 coordinates whose mutual information rises, as they are and with y cubed.

Critics are trained once, on three quarters of the samples, and score the last quarter as one block.
"""

from __future__ import annotations

from pidkd.benchmarks.problems import TRUE_NATS, Asks, Family
from pidkd.benchmarks.problems.information import of_task
from pidkd.mi import ContinuousPairs
from pidkd.synthetic import staircase

PROBLEMS = (
    of_task(staircase(d=2, values=(1.0,))[0], 200, "tiny"),
    *(
        of_task(step, 10_000, "full", 2, (f"{TRUE_NATS}, {axis}", step.mi))
        for axis, cubic in (("y as it is", False), ("y cubed", True))
        for step in staircase(cubic=cubic)
    ),
)

FAMILY = Family(PROBLEMS, Asks(ContinuousPairs, peers=False), settings=({"n_folds": 1, "block": 5000},))
