"""Answers and accuracy of the networks, from the logits or predictions that lie beside their layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from pidkd.arrays import Array
from pidkd.audits.plan import AuditPlan
from pidkd.audits.samples import OUTPUTS, answers_of
from pidkd.files.layer import Layer

Answers: TypeAlias = Mapping[tuple[str, str | None], Array]
"""Answers of a network to each sample, by network and stage of the student."""


def accuracy(answers: Array | None, plan: AuditPlan) -> float | None:
    """Share of right answers, where there are any."""
    return None if answers is None else float((answers.astype(str) == plan.target.astype(str)).mean())


def network_answers(plan: AuditPlan) -> Answers:
    """Answers of each network at each stage, where logits or predictions of the samples lie beside its layers."""
    if plan.continuous:
        return {}
    networks: dict[tuple[str, str | None], Mapping[str, Layer]] = {("teacher", None): plan.teacher}
    for name in dict.fromkeys(plan.network_of.values()):
        own = {layer: one for layer, one in plan.teacher.items() if plan.network_of[layer] == name}
        networks[name, None] = {layer.removeprefix(f"{name}/"): one for layer, one in own.items()}
    networks |= {("student", stage): layers for stage, layers in plan.students.items()}
    answers = {}
    for network, layers in networks.items():
        for name in OUTPUTS:
            if name in layers and layers[name].shape[:1] == plan.target.shape:
                given = answers_of(layers[name].load(), plan.target)
                if given is not None:
                    answers[network] = given
                    break
    return answers
