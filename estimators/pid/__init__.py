"""Estimators of partial information decompositions: one measure, one file, one class."""
