"""Williams and Beer's examples with every measure of pidkd.

Their values of I_min are those that Ince's code prints too; they are rows of ``ince2017``.
"""

from __future__ import annotations

from functools import partial

from pidkd.benchmarks.papers import Paper, Setting
from pidkd.benchmarks.papers._tables import every_measure, uniform

PAPER = Paper(
    [
        Setting("figure 4A", "tiny", partial(every_measure, uniform((0, 0, 0), (1, 0, 1), (2, 1, 0)))),
        Setting("figure 4B", "tiny", partial(every_measure, uniform((0, 0, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0)))),
    ]
)
