"""The recipe of training: epochs, rates, batches. Nothing here needs torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pidkd.distill.schedule import MOST_EPOCHS
from pidkd.parameters import Fraction, NonNegative, Parameterised, Positive, Whole


@dataclass(frozen=True)
class Recipe(Parameterised):
    r"""Epoch e has learning rate :math:`\lambda_e = \lambda f(e)`, for every method and every phase alike.

    With E epochs f(e) is 1 for ``"constant"``, :math:`\gamma` to the number of milestones :math:`\le e` for
    ``"multistep"``, and :math:`(1 + \cos(\pi e / E)) / 2` for ``"cosine"``; epochs are counted from 0 over the whole
    run, whatever their phases, or, with ``count="student"``, over those that train the whole student. A warm-up of w
    epochs multiplies f(e) by :math:`\min(1, (e + 1) / (w + 1))`.

    *Label smoothing* trains on :math:`(1 - \varepsilon)\, q + \varepsilon / C` in place of a label q, one of C classes
    or probabilities of them, in all terms of a loss that are of labels, those of heads included.

    The *balance*: with :math:`g` and :math:`h` the gradients on the student's parameters of the task and of what
    matches features, as moving averages of their norms, h is multiplied by :math:`\min(1, c\,|g| / |h|)`. It is only
    ever lowered. Terms on logits, and the parts of the loss (filters, heads, variances), are left as they are.

    Parameters
    ----------
    epochs : int
        E.
    count : {"all", "student"}
        Which epochs are counted: all, or those that train the whole student, so that every method trains it for as
        many, at the same learning rates; phases that train something else come on top.
    batch_size : int
        Samples of a step, over all processes together. An epoch is ``n_samples // batch_size`` steps. A ``DataLoader``
        keeps batches of its own.
    optimizer : {"sgd", "adam", "adamw"}
        Weight decay is added to the gradient, but for "adamw", which takes lr * weight_decay off each weight.
    lr, weight_decay : float
    momentum, nesterov : float, bool
        Of SGD.
    schedule : {"constant", "multistep", "cosine"}
    milestones : tuple of int
        Epochs from which on the rate is multiplied by ``gamma`` once more.
    gamma : float
    warm_up : int
        w, epochs of a learning rate that rises to the schedule's; fewer than E.
    label_smoothing : float
        :math:`\varepsilon`, in [0, 1). Losses and accuracies of evaluation are those of the labels as they are.
    clip : float, optional
        Largest norm of the gradient of each group of parameters: the student, and every part of the method's loss. None
        clips nothing, with which FitNet's hints and RID's filters diverge at the rates that a student learns at.
    clip_jointly : bool
        Clip the norm of all groups together, as published codes do; a large gradient of the loss's own parts then
        makes the student's small.
    cap : float, optional
        c: how many times as large as the task's the matching gradient on the student may be.
    balance_every : int, optional
        Steps from one measurement of both gradients to the next, twice as many where there is nothing to cap; None
        measures, logs and caps nothing.
    part_lr, part_weight_decay : mapping from str to float
        Those of parts of the method's loss (filters, heads, variances), by name, where they differ from the student's.
    flip : bool
        Mirror each image left to right with probability 1/2.
    crop : int
        Pad each image with as many black pixels on each side, and cut its size out of that at random.
    cache : {"auto", "never"}
        Whether the teacher's outputs on the training set are kept, to the same bits, where it lies in memory and is not
        augmented; otherwise the teacher runs in every step.
    cache_memory : float
        GiB that they may take.
    held_out : float
        The part of the training set, in [0, 1), that is not trained on and says which epoch was best.
    precision : {"auto", "float32", "bfloat16"}
        That of the networks; losses are always in float32. "auto" is bfloat16 on CUDA devices that have it, unless
        strict, else float32.
    compile : bool
        Compile teacher and student with ``torch.compile``; not when strict.
    sync_batchnorm : bool
        Batch statistics over all processes; CUDA only.
    keep_every : int, optional
        Keep a checkpoint every so many epochs, beside the last two.

    Raises
    ------
    InputError
        When a value cannot be used.

    Examples
    --------
    >>> recipe = Recipe(epochs=300, lr=0.05, schedule="multistep", milestones=(150, 200))
    >>> [round(recipe.rate("student", epoch), 6) for epoch in (0, 149, 150, 200)]
    [0.05, 0.05, 0.01, 0.002]
    """

    epochs: Annotated[int, Whole(1, MOST_EPOCHS)] = 30
    count: Literal["all", "student"] = "all"
    batch_size: Annotated[int, Whole(1)] = 128
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: Annotated[float, Positive()] = 0.05
    momentum: Annotated[float, Fraction(ends="[)")] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, NonNegative()] = 5e-4
    schedule: Literal["constant", "multistep", "cosine"] = "constant"
    milestones: tuple[Annotated[int, Whole(1)], ...] = ()
    gamma: Annotated[float, Positive()] = 0.2
    warm_up: Annotated[int, Whole(0, MOST_EPOCHS)] = 0
    label_smoothing: Annotated[float, Fraction(ends="[)")] = 0.0
    clip: Annotated[float, Positive()] | None = 2.0
    clip_jointly: bool = False
    cap: Annotated[float, Positive()] | None = 3.0
    balance_every: Annotated[int, Whole(1)] | None = 20
    part_lr: Mapping[str, Annotated[float, NonNegative()]] = field(default_factory=dict)
    part_weight_decay: Mapping[str, Annotated[float, NonNegative()]] = field(default_factory=dict)
    flip: bool = False
    crop: Annotated[int, Whole(0, 1_024)] = 0
    cache: Literal["auto", "never"] = "auto"
    cache_memory: Annotated[float, Positive()] = 1.0
    held_out: Annotated[float, Fraction(ends="[)")] = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    sync_batchnorm: bool = False
    keep_every: Annotated[int, Whole(1)] | None = None

    def __post_init__(self) -> None:
        self.check_params()
        for parameter in dataclasses.fields(self):
            value = getattr(self, parameter.name)
            self._check(
                parameter.name, "a number that single precision holds", not isinstance(value, float) or value < 1e38
            )
        self._check("milestones", "rising epochs", sorted(set(self.milestones)) == list(self.milestones))
        measured = self.balance_every is not None or self.cap is None
        self._check("balance_every", "a number of steps, or cap None", measured)
        object.__setattr__(self, "milestones", tuple(self.milestones))
        fits = bool(self.milestones) == (self.schedule == "multistep")
        self._check("warm_up", f"fewer than the {self.epochs} epochs", self.warm_up < self.epochs)
        self._check("milestones", "some with schedule 'multistep', and none without", fits)

    def factor(self, epoch: int) -> float:
        """Factor f(e) of the learning rates in an epoch."""
        warm_up = min(1.0, (epoch + 1) / (self.warm_up + 1))
        if self.schedule == "cosine":
            return warm_up * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        return warm_up * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)

    def rate(self, group: str, epoch: int) -> float:
        """The learning rate of "student", or of a part of the loss, in an epoch."""
        return self.part_lr.get(group, self.lr) * self.factor(epoch)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, by name."""
        return dataclasses.asdict(self) | {"milestones": list(self.milestones)}
