"""Readers of data sets, one file each, found by name."""
