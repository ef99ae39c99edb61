"""
A Gaussian system in closed form
================================

Y is a standard normal variable, T and S are Y with noise. As the student's noise grows, what both share becomes what
only the teacher has. The atoms are exact functions of the covariance; no sample is drawn.
"""

import matplotlib.pyplot as plt
import numpy as np

import pidkd


def covariance(noise_t, noise_s):
    """Covariance of (Y, T, S)."""
    return np.ones((3, 3)) + np.diag([0.0, noise_t, noise_s])


noises = np.geomspace(0.01, 100, 60)
results = [pidkd.decompose(pidkd.Gaussian(covariance(1.0, noise), dims=(1, 1, 1))) for noise in noises]
print(results[0])

# %%
# For a single Y one of the two unique atoms is always 0, and the two bends are where the noises are equal.
names = {"redundant": "Red", "unique_t": "Uni T", "unique_s": "Uni S", "synergistic": "Syn"}
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for atom, symbol in names.items():
    ax.semilogx(noises, [getattr(result, atom) for result in results], label=symbol)
ax.axvline(1.0, color="0.7", linestyle=":")
ax.set(xlabel="variance of the student's noise (the teacher's is 1)", ylabel="bits")
ax.legend()
