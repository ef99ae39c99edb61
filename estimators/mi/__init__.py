"""Estimators of mutual information: one file, one class."""
