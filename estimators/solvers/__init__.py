"""Numerical kernels that several estimators share."""
