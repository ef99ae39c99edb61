"""
A table and its atoms
=====================

The exclusive-or is all synergy, a copy all redundancy, and the *and* of two bits lies between them.
"""

import numpy as np

import pidkd

p = np.zeros((2, 2, 2))  # p[y, t, s]
for t in (0, 1):
    for s in (0, 1):
        p[t & s, t, s] = 1 / 4  # Y = T and S
result = pidkd.decompose(pidkd.Pmf(p))
print(result)

# %%
# The certificate bounds every atom from both sides.
low, high = result.bounds("synergistic")
print(f"Syn from {low:.6f} to {high:.6f} bits")

# %%
# Other measures answer otherwise. ``I(Y;T,S)`` is the length of each bar.
comparison = pidkd.compare(pidkd.Pmf(p), measures=["broja", "i_alpha", "i_min", "mmi", "gk"])
print(comparison)
comparison.plot()
