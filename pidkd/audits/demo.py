"""The demonstration: real networks on handwritten digits, captured to files and audited from them.

A teacher that was trained has something to give to a student, and one that was not has nothing, though its layers, too,
carry much information about the digit.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pidkd.arrays import Array, FloatArray
from pidkd.audits.auditing import audit
from pidkd.audits.report import AuditReport
from pidkd.errors import AlignmentWarning
from pidkd.runs.output import PathLike, check_output, save_layers

if TYPE_CHECKING:
    from rich.console import RenderableType

TEACHER = (64, 32, 16)
"""ReLU units of the teacher's hidden layers."""

STUDENT = (16,)
"""ReLU units of the student's one hidden layer."""

N_TRAIN = 700
"""Digits that the teacher learns from; the rest of the 1,797 is audited."""

N_STUDENT = 180
"""Digits that the student learns from, the first of the teacher's."""


@dataclass(frozen=True)
class Demonstration:
    """Result of the demonstration.

    Parameters
    ----------
    folder : Path
        Where activations, labels and reports are.
    accuracy : dict of str to float
        Share of held-out digits that each network recognises.
    trained, untrained : AuditReport
        The trained and the untrained teacher against the student.
    shuffled : AuditReport
        The trained teacher against the student with the labels shuffled: what counting reads where nothing is.
    """

    folder: Path
    accuracy: dict[str, float]
    trained: AuditReport
    untrained: AuditReport
    shuffled: AuditReport

    @property
    def words(self) -> str:
        """Conclusion in words."""
        trained, untrained = self.trained.pairs[0], self.untrained.pairs[0]
        chance = max(result.unique_t for result in self.shuffled.results.values())
        return (
            f"The trained teacher's {trained.teacher} holds {trained.result.unique_t:.2f} bits about the digit that "
            f"the student lacks: there is something to distill. The untrained teacher's {untrained.teacher} carries "
            f"{untrained.result.mi_t:.2f} bits about the digit as well, for random weights keep much of their input, "
            f"but only {untrained.result.unique_t:.2f} that the student lacks. With shuffled labels, counting alone "
            f"reads {chance:.2f}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        reports = {name: getattr(self, name).to_dict() for name in ("trained", "untrained", "shuffled")}
        return {"folder": str(self.folder), "accuracy": self.accuracy, **reports}

    def __rich__(self) -> RenderableType:
        """The tables, what they say, and where the files are."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        from pidkd.display.terminal import Legend

        n_samples = self.trained.n_samples
        networks = [
            ("teacher", TEACHER, f"trained on {N_TRAIN} digits, accuracy {self.accuracy['teacher']:.1%} on others"),
            ("untrained", TEACHER, "random weights"),
            ("student", STUDENT, f"trained on {N_STUDENT} digits, accuracy {self.accuracy['student']:.1%} on others"),
        ]
        lines = [f"{name:<10} {'-'.join(map(str, units)):>8} units, {what}" for name, units, what in networks]
        command = f"""\
  pidkd audit --labels {self.folder / "labels.npy"} --all-pairs --estimator kmeans \\
    --teacher {self.folder / "teacher"} --student {self.folder / "student"}"""
        return Group(
            Text("What does a teacher know about handwritten digits that its student does not?", "bold"),
            Padding(Text("\n".join(lines)), (1, 2)),
            Text(f"Information atoms in bits, from the {n_samples:,} digits that no network was trained on:\n"),
            self.trained.table("Trained teacher"),
            "",
            self.untrained.table("Untrained teacher"),
            "",
            self.shuffled.table("Chance: trained teacher, labels shuffled"),
            "",
            Legend(),
            "",
            Text(self.words, "bold"),
            *(Text(f"- {note}", "dim") for note in self.trained.notes),
            Text(f"\nThe pictures are in {self.folder / 'report.html'}, which any browser opens."),
            Text(f"Activations by layer, labels and audit.json are in {self.folder}. The first table again:"),
            Text(command, no_wrap=True, overflow="ignore"),
        )


def demonstrate(
    folder: PathLike,
    *,
    force: bool = False,
    seed: int = 0,
    n_jobs: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Demonstration:
    """Train, capture to files, and audit from the files.

    Parameters
    ----------
    folder : path
        Gets ``teacher/``, ``untrained/`` and ``student/`` with a file per layer, ``labels.npy``, ``shuffled.npy``,
        ``audit.json``, ``audit.csv``, ``report.html``, ``audit-untrained.json`` and ``audit-shuffled.json``.
    force : bool, default False
        Overwrite these files where they exist.
    seed : int, default 0
    n_jobs, progress
        As for ``audit``.

    Returns
    -------
    Demonstration

    Raises
    ------
    InputError
        When a file exists and ``force`` is not given, or cannot be written.
    """
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    out = Path(folder)
    check_output(out / "audit.json", force)
    rng = np.random.default_rng(seed)
    digits = load_digits()
    order = rng.permutation(len(digits.target))
    x, y = digits.data[order] / digits.data.max(), digits.target[order]
    teacher = _fitted(MLPClassifier(TEACHER, max_iter=500, random_state=seed), x[:N_TRAIN], y[:N_TRAIN])
    student = _fitted(MLPClassifier(STUDENT, max_iter=2000, random_state=seed), x[:N_STUDENT], y[:N_STUDENT])
    sizes = (x.shape[1], *TEACHER)
    random = [rng.normal(0.0, (2 / n) ** 0.5, (n, m)) for n, m in itertools.pairwise(sizes)]

    held_out, labels = x[N_TRAIN:], y[N_TRAIN:]
    networks = {
        "teacher": hidden_layers(held_out, teacher.coefs_[:-1], teacher.intercepts_[:-1]),
        "untrained": hidden_layers(held_out, random, [np.zeros(n) for n in TEACHER]),
        "student": hidden_layers(held_out, student.coefs_[:-1], student.intercepts_[:-1]),
    }
    for name, layers in networks.items():
        save_layers(out / name, layers, force)
    save_layers(out, {"labels": labels, "shuffled": rng.permutation(labels)}, force)

    reports = {}
    runs = {"trained": ("teacher", "labels"), "untrained": ("untrained", "labels"), "shuffled": ("teacher", "shuffled")}
    for done, (name, (network, target)) in enumerate(runs.items()):
        part = None if progress is None else lambda part, done=done: progress((done + part) / len(runs))
        with warnings.catch_warnings():
            if target == "shuffled":  # where nothing is to be found, that nothing is found is no surprise
                warnings.simplefilter("ignore", AlignmentWarning)
            reports[name] = audit(
                out / network,
                out / "student",
                out / f"{target}.npy",
                "all",
                estimator="kmeans",  # as in the paper, and in seconds
                uncertainty="auto" if name == "trained" else None,  # the others are for comparison with its chance
                n_jobs=n_jobs,
                seed=seed,
                progress=part,
            )
        if name == "trained":
            reports[name].write(out, force)
        else:
            reports[name].save(out / f"audit-{name}.json", force)
    accuracy = {"teacher": teacher.score(held_out, labels), "student": student.score(held_out, labels)}
    return Demonstration(out, accuracy, **reports)


def _fitted(network: Any, x: FloatArray, y: Array) -> Any:
    """The network, trained; an interrupt ends the demonstration, where scikit-learn would go on half trained."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Training interrupted")
        try:
            return network.fit(x, y)
        except UserWarning as error:
            raise KeyboardInterrupt from error


def hidden_layers(x: FloatArray, weights: Sequence[FloatArray], biases: Sequence[FloatArray]) -> dict[str, Array]:
    """Activations of the hidden layers of a ReLU network, as float32."""
    layers: dict[str, Array] = {}
    for depth, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
        x = np.maximum(x @ w + b, 0.0)
        layers[f"hidden{depth}"] = x.astype(np.float32)
    return layers
