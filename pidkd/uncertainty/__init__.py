r"""Sampling uncertainty around any estimator: intervals, standard errors, null levels and bias.

A method makes resamples of the data, the estimator decomposes all of them in one batch, and the method summarises the
answers. Every statement is about sampling, given the codes: the certificate says how well each table was solved, and
the effect of a quantiser on the activations is in neither.
"""

from pidkd.uncertainty.bootstrap import Bootstrap
from pidkd.uncertainty.jackknife import Jackknife
from pidkd.uncertainty.permutation import Permutation
from pidkd.uncertainty.resampling import Method, as_methods, quantify

__all__ = ["Bootstrap", "Jackknife", "Method", "Permutation", "as_methods", "quantify"]
