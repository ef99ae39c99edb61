"""Documentation written from the presets themselves.

``preset-comparison`` is a table of what presets set up, ``preset-choices`` lists values that their source does not
print, with reasons.
"""

from __future__ import annotations

from estimator_pages import Written
from sphinx.application import Sphinx

from pidkd.codec import plain
from pidkd.distill import get_method, list_presets, load_config
from pidkd.distill.experiments.config import Config


def comparison() -> list[str]:
    """A MyST table with one preset a row."""
    header = ["preset", "data", "teacher, student", "layer pairs", "epochs", "learning rate", "RID's epochs"]
    rows = [_row(name, load_config(name)) for name in list_presets()]
    return [f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows]]


def _row(name: str, config: Config) -> list[str]:
    recipe = config.recipe
    phases = get_method("rid")(**config.methods.get("rid", {})).schedule(recipe.epochs)
    data = config.data.name
    if config.data.samples_per_class:
        data += f", {config.data.samples_per_class:,} of each class"
    networks = [f"`{n.model}` {_options(n.options)}" for n in (config.teacher, config.student)]
    at = ", ".join(map(str, recipe.milestones))
    rate = f"{recipe.lr:g}, times {recipe.gamma:g} at {at}" if at else f"{recipe.lr:g}, {recipe.schedule}"
    cycle = f"{', '.join(f'{phases.count(phase)} {phase}' for phase in dict.fromkeys(phases))}"
    pairs = ", ".join(s for _, s in config.taps)
    return [f"`{name}`", data, "; ".join(networks), pairs, str(recipe.epochs), rate, cycle]


def choices() -> list[str]:
    """For each preset a list of keys, values and reasons."""
    lines = []
    for name in list_presets():
        config = load_config(name)
        if config.chosen:
            lines += [f"`{name}`", ""]
        for key, reason in config.chosen.items():
            held = plain(config)
            for part in key.split("."):
                held = held[part]
            lines.append(f"- `{key}`: {held}; {reason}")
        lines.append("")
    return lines


def _options(options: object) -> str:
    held = dict(options)  # type: ignore[call-overload]
    return ", ".join(f"{key} {value}" for key, value in held.items() if key in ("depth", "width", "widths", "stride"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register one directive for each writer."""
    writers = {
        "preset-comparison": comparison,
        "preset-choices": choices,
    }
    for name, write in writers.items():
        app.add_directive(name, type("Directive", (Written,), {"write": staticmethod(write)}))
    return {"parallel_read_safe": True}
