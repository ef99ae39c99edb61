"""
A lattice of three sources
==========================

With three sources there is an atom for each of eighteen antichains. Here two bits hold the first half of the label only
together, and a third holds the other half alone.
"""

import numpy as np

import pidkd

rng = np.random.default_rng(0)
a, b, c = rng.integers(2, size=(3, 4_000))
label = 2 * (a ^ b) + c
result = pidkd.decompose_lattice(label, {"a": a, "b": b, "c": c}, measure="sx")
print(result)

# %%
# The Hasse diagram. Atoms of ``sx`` may be negative: they are differences of an informative and a misinformative part.
result.plot()

# %%
# The same by a measure whose atoms never are.
pidkd.decompose_lattice(label, {"a": a, "b": b, "c": c}, measure="mmi").plot()
