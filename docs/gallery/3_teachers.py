"""
Several teachers
================

Three teachers of four classes: one knows the first bit of the label, one the second, one both with errors. What does
each add to what the student knows already?
"""

import numpy as np

import pidkd

rng = np.random.default_rng(0)
label = rng.integers(4, size=5_000)
noisy = np.where(rng.random(label.size) < 0.8, label, rng.integers(4, size=label.size))
teachers = {"first bit": label // 2, "second bit": label % 2, "both, noisy": noisy}
student = np.where(rng.random(label.size) < 0.6, label // 2, rng.integers(2, size=label.size))

result = pidkd.contributions(label, {**teachers, "student": student}, given="student")
print(result)

# %%
# In the greedy order each teacher adds most to those before it; what it adds beyond all others is unique to it.
for name in result.sources:
    print(f"{name}: unique given the rest {result.unique[name].value:.3f} bits")
result.plot()
