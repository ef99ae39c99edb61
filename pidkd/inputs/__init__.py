"""The kinds of data that can be decomposed, checked once, here, at the border.

The order is always target Y, teacher T, student S: ``p[y, t, s]``, ``dims=(d_y, d_t, d_s)``, ``decompose(y, t, s)``.
"""

from pidkd.inputs.activations import Activations
from pidkd.inputs.codes import Codes
from pidkd.inputs.dispatch import Input, as_input
from pidkd.inputs.gaussian import Gaussian
from pidkd.inputs.pmf import Pmf
from pidkd.inputs.posteriors import Posteriors

__all__ = ["Activations", "Codes", "Gaussian", "Input", "Pmf", "Posteriors", "as_input"]
