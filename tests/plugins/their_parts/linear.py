"""One linear layer."""

from __future__ import annotations

import math
from typing import Annotated

from torch import nn

from pidkd.parameters import Whole


def build(shape, n_classes, units: Annotated[int, Whole(1, 100)] = 3):
    """Two linear layers on the pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), units), nn.Linear(units, n_classes))
