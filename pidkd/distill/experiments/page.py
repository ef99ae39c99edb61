"""The page of an experiment: what each method gained, what its training did, and the audits."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pidkd
from pidkd.display.atoms import LOOKS
from pidkd.display.page import page_template
from pidkd.display.svg import lines, nice_ticks, stack
from pidkd.distill.experiments.cases import Case
from pidkd.distill.experiments.config import Config
from pidkd.distill.experiments.pairing import BASELINE, paired_differences
from pidkd.errors import InputError
from pidkd.files.json import read_json
from pidkd.files.opening import read_text
from pidkd.result import ATOMS

SIZE, MARGINS = (460, 260), (14, 84, 30, 46)
"""Size of a figure of curves, and the room for its labels."""

MAX_LOG = 2**28
"""Bytes of a log at most."""

Row = Mapping[str, Any]
Group = tuple[str, int]
"""A teacher, with its seed."""


def experiment_page(folder: Path, rows: Sequence[Row], config: Config, title: str) -> str:
    """The page as HTML, from the rows of the cases and the logs under their folder; text from files is escaped."""
    differences = {_key(entry): entry for entry in paired_differences(rows)}
    groups: dict[Group, dict[str, list[Row]]] = {}
    for row in rows:
        groups.setdefault((row["teacher"], row["teacher_seed"]), {}).setdefault(row["method"], []).append(row)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    logs = {run: _log(folder, run) for run in dict.fromkeys(row["run"] for row in rows)}
    audited = [row for row in rows if row.get("redundant") is not None]
    return page_template("training.html").render(
        title=title,
        headline=headline_of(list(differences.values()), rows),
        lede=_lede(rows, groups),
        n_cases=len(rows),
        numbers={method: number for number, method in enumerate(methods)},
        baseline=BASELINE,
        accuracies=[
            {**_accuracies(group, by_method, differences), "scale": _scale(folder, by_method)}
            for group, by_method in groups.items()
        ],
        atoms=ATOMS,
        looks=LOOKS,
        stacks=[_stacks(group, by_method, differences) for group, by_method in groups.items()] if audited else [],
        trained=_trained(groups, logs, config),
        pictures=[picture for group, by_method in groups.items() for picture in _curves(group, by_method, logs)],
        audits=[{"name": _case(row).name, "row": row} for row in audited],
        facts=_facts(config, rows),
    )


def headline_of(differences: Sequence[Row], rows: Sequence[Row]) -> str:
    """The comparison in one sentence, of no more than the differences show."""
    if not differences:
        best = max(rows, key=lambda row: row["accuracy"])
        return (
            f"{best['method']} reaches {best['accuracy']:.1%} on the test set; its gain shows beside method {BASELINE}"
        )
    first = [e for e in differences if _group(e) == _group(differences[0])]
    best = max(first, key=lambda entry: entry["accuracy"])
    name = f"{best['method']}, with the teacher {_name(_group(best))},"
    gain = 100 * best["accuracy"]
    if best["n"] == 1:
        return f"{name} ends {gain:+.1f} points beside the student alone, on one seed: more seeds tell chance from gain"
    clear = [e for e in first if e["accuracy"] > 2 * (e["accuracy_se"] or math.inf)]
    if not clear:
        return "No method gains on the student alone by more than twice the standard error over seeds"
    gains = f"gains {gain:+.1f} points on the student alone (standard error {100 * best['accuracy_se']:.1f}"
    return f"{name} {gains}, {best['n']} seeds), the most of the {len(clear)} of {len(first)} methods that clearly gain"


def _lede(rows: Sequence[Row], groups: Mapping[Group, Any]) -> list[str]:
    """Sentences about both networks and the number of runs."""
    texts = []
    for group, by_method in groups.items():
        accuracy = next(iter(by_method.values()))[0].get("teacher_accuracy")
        if accuracy is not None:
            texts.append(f"The teacher {_name(group)} reaches {accuracy:.1%}.")
    seeds = sorted({row["seed"] for row in rows})
    texts.append(f"Students have seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}.")
    return texts


def _scale(folder: Path, by_method: Mapping[str, list[Row]]) -> str:
    """Sentence on the scale of a teacher's outputs, from the preflight of a run with it; empty where none needed it."""
    for run in (row["run"] for rows in by_method.values() for row in rows):
        teacher = read_json(folder / "runs" / run / "run.json")["preflight"]["teacher"]
        if teacher:
            spreads = {**teacher["features"], "logits": teacher["logits"]}
            shown = ", ".join(f"{name} {value:.3g}" for name, value in spreads.items())
            right = "" if teacher["accuracy"] is None else f"{teacher['accuracy']:.1%} accuracy and "
            return f"The teacher on {teacher['n_samples']} training samples: {right}standard deviations of {shown}."
    return ""


def _accuracies(group: Group, by_method: Mapping[str, list[Row]], differences: Mapping[Any, Row]) -> dict[str, Any]:
    """Accuracy of each seed as points on one axis, with means, and the differences to the baseline."""
    values = [row["accuracy"] for cases in by_method.values() for row in cases]
    ticks = nice_ticks(min(values), max(max(values), min(values) + 0.01))
    low, high = ticks[0], ticks[-1]

    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    drawn = []
    for method, cases in by_method.items():
        accuracies = [row["accuracy"] for row in cases]
        mean, spread = fmean(accuracies), stdev(accuracies) if len(cases) > 1 else None
        drawn.append(
            {
                "method": method,
                "points": [(at(row["accuracy"]), row["seed"], row["accuracy"]) for row in cases],
                "mean": mean,
                "mean_at": at(mean),
                "spread": spread,
                "span": (at(max(low, mean - spread)), at(min(high, mean + spread))) if spread is not None else None,
                "difference": differences.get((method, *group)),
            }
        )
    alone = by_method.get(BASELINE)
    return {
        "name": _name(group),
        "methods": drawn,
        "baseline_at": at(fmean(row["accuracy"] for row in alone)) if alone else None,
        "ticks": [(at(tick), f"{100 * tick:g} %") for tick in ticks],
    }


def _stacks(group: Group, by_method: Mapping[str, list[Row]], differences: Mapping[Any, Row]) -> dict[str, Any]:
    """Means of the atoms over seeds as bars, and their differences to the baseline."""
    means = {
        method: {name: fmean(row[name] for row in cases) for name in (*ATOMS, "mi_t", "mi_s")}
        for method, cases in by_method.items()
        if all(row.get(ATOMS[0]) is not None for row in cases)
    }
    scale = max([sum(max(0.0, mean[name]) for name in ATOMS) for mean in means.values()] + [1e-12])
    drawn = [
        {
            "method": method,
            "segments": stack({name: mean[name] for name in ATOMS}, scale),
            "mean": mean,
            "difference": differences.get((method, *group)),
        }
        for method, mean in means.items()
    ]
    return {"name": _name(group), "methods": drawn, "scale": scale}


def _trained(
    groups: Mapping[Group, Mapping[str, list[Row]]], logs: Mapping[str, Sequence[Row]], config: Config
) -> list[dict[str, Any]]:
    """Description of the training of each method with each teacher; of a method that needs none, once."""
    runs: dict[tuple[str, ...], tuple[str, Group, list[Row]]] = {}
    for group, by_method in groups.items():
        for method, cases in by_method.items():
            runs.setdefault(tuple(row["run"] for row in cases), (method, group, cases))
    return [
        _training(method, group, [logs[run] for run in names], cases, config)
        for names, (method, group, cases) in runs.items()
    ]


def _training(
    method: str, group: Group, logs: Sequence[Sequence[Row]], cases: Sequence[Row], config: Config
) -> dict[str, Any]:
    """Means over seeds and epochs of what the logs say of one method with one teacher."""
    rule = _case(cases[0]).of(config).make_method()
    whole = [[row for row in log if rule.trains_student(row["phase"])] for log in logs]
    balances = [row["balance"] for log in whole for row in log if (row.get("balance") or {}).get("ratio") is not None]
    clips = [row["clip"].get("student", row["clip"].get("all")) for log in whole for row in log if row.get("clip")]
    factor = fmean(balance["factor"] for balance in balances) if balances else None
    weight = getattr(rule, "weight", None)
    applied = [balance["ratio"] * balance["factor"] for balance in balances]
    return {
        "method": method,
        "teacher": _name(group) if rule.needs_teacher else "",
        "student_epochs": len(whole[0]),
        "epochs": len(logs[0]),
        "weight": weight,
        "factor": factor,
        "effective": weight * factor if weight is not None and factor is not None else None,
        "share": fmean(ratio / (1 + ratio) for ratio in applied) if applied else None,
        "ratio": fmean(applied) if applied else None,
        "cosine": fmean(balance["cosine"] for balance in balances) if balances else None,
        "clip": fmean(clips) if clips else None,
        "train_accuracy": fmean(row["train_accuracy"] for row in cases),
        "cpu_seconds": fmean(row["cpu_seconds"] for row in cases),
    }


def _curves(
    group: Group, by_method: Mapping[str, list[Row]], logs: Mapping[str, Sequence[Row]]
) -> list[dict[str, Any]]:
    """Figures of accuracy on the test set, and of the matching gradient beside the task's, by epoch."""

    def mean_of(get: Any) -> dict[str, list[tuple[float, float]]]:
        series = {}
        for method, cases in by_method.items():
            by_epoch: dict[int, list[float]] = {}
            for row in (row for case in cases for row in logs[case["run"]]):
                if (value := get(row)) is not None:
                    by_epoch.setdefault(row["epoch"] + 1, []).append(value)
            if by_epoch:
                series[method] = [(float(epoch), fmean(values)) for epoch, values in sorted(by_epoch.items())]
        return series

    def ratio_of(row: Row) -> float | None:
        balance = row.get("balance") or {}
        applied = (balance.get("ratio") or 0.0) * balance.get("factor", 0.0)
        return math.log10(applied) if applied > 0 else None

    figures = {
        f"Accuracy on the test set, with {_name(group)}": (
            mean_of(lambda row: row.get("valid_accuracy")),
            lambda y: f"{100 * y:g} %",
        ),
        f"Matching gradient on the student, times the task's, with {_name(group)}": (
            mean_of(ratio_of),
            lambda y: f"{10**y:.2g}",
        ),
    }
    return [
        {"caption": caption, "plot": lines(series, SIZE, MARGINS, text)}
        for caption, (series, text) in figures.items()
        if series
    ]


def _log(folder: Path, run: str) -> list[Row]:
    """Rows of the log of a run."""
    path = folder / "runs" / run / "log.jsonl"
    try:
        return [json.loads(line) for line in read_text(path, MAX_LOG).splitlines()]
    except ValueError as error:
        raise InputError(str(path), "the log of a run", "lines that are no JSON") from error


def _facts(config: Config, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Settings that all cases share."""
    data, recipe = config.data, config.recipe
    part = f", {data.samples_per_class} of each class for the student" if data.samples_per_class else ""
    schedule = f"{recipe.schedule} learning rate {recipe.lr:g}" + (f", warm-up {recipe.warm_up}" * bool(recipe.warm_up))
    return [
        ("Data", f"{data.name}{f' in {data.path}' if data.path else ''}{part}"),
        ("Teacher", f"{config.teacher.model} {_words(config.teacher.options)}"),
        ("Student", f"{config.student.model} {_words(config.student.options)}"),
        ("Layer pairs", ", ".join(f"{t} → {s}" for t, s in config.taps) or "none"),
        ("Recipe", f"{recipe.epochs} epochs of batches of {recipe.batch_size}, {recipe.optimizer}, {schedule}"),
        ("Cap, clip", f"{recipe.cap if recipe.cap is not None else 'none'}, {recipe.clip or 'none'}"),
        ("Audit", f"{config.audit.layers}, {config.audit.quantize}, {config.audit.shuffles} label shuffles"),
        ("Cases", f"{len(rows)}; all values in config.yaml, all numbers in results.csv"),
        ("pidkd", pidkd.__version__),
    ]


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _case(row: Row) -> Case:
    return Case(row["method"], row["teacher"], row["teacher_seed"], row["seed"])


def _group(entry: Row) -> Group:
    return entry["teacher"], entry["teacher_seed"]


def _key(entry: Row) -> tuple[str, str, int]:
    return entry["method"], entry["teacher"], entry["teacher_seed"]


def _name(group: Group) -> str:
    """Name of a teacher, with its seed where it has no file of its own."""
    return Case(BASELINE, *group, seed=0).teacher_name
