"""
Audit two small layers
======================

A teacher that sees handwritten digits whole, and students that see the upper or the lower half of them.
"""

from sklearn.datasets import load_digits

import pidkd

pixels, labels = (array[::2] for array in load_digits(return_X_y=True))
teacher = {"whole": pixels}
student = {"upper half": pixels[:, :32], "lower half": pixels[:, 32:]}

# %%
# Ten codes for each layer, found by k-means. The default, without ``quantize``, is classifiers that learn the labels
# from the floats, which takes longer.
report = pidkd.audit(teacher, student, labels, pairs="all", quantize=pidkd.Quantizer(n_clusters=10))
print(report)

# %%
# ``unique_t`` is left to distill. ``report.to_html("report.html")`` writes the whole report.
for (teacher_layer, student_layer), result in report.results.items():
    print(f"{teacher_layer} beside {student_layer}: {result.unique_t:.2f} bits only the teacher's layer has")
report.plot()
