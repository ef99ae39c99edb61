"""Synthetic truth: tables, representations with labels, and pairs of variables, of which the information is known.

``tables`` has the gates of the literature and random tables, ``representations`` has labels with a teacher's and a
student's representation in any dimension, and ``tasks`` has two continuous variables. Everything draws from a seed.
"""

from pidkd.synthetic.representations import Component, Look, Problem, levels, list_problems, problem, scale, shift
from pidkd.synthetic.tables import Gate, gate, histogram, list_gates, random_pmf
from pidkd.synthetic.tasks import (
    Task,
    additive_uniform,
    dense_normal,
    list_tasks,
    normal_cdf,
    sparse_normal,
    spiral,
    staircase,
    student,
    swissroll,
    task,
)

__all__ = [
    "Component",
    "Gate",
    "Look",
    "Problem",
    "Task",
    "additive_uniform",
    "dense_normal",
    "gate",
    "histogram",
    "levels",
    "list_gates",
    "list_problems",
    "list_tasks",
    "normal_cdf",
    "problem",
    "random_pmf",
    "scale",
    "shift",
    "sparse_normal",
    "spiral",
    "staircase",
    "student",
    "swissroll",
    "task",
]
