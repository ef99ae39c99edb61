"""Formats of files of arrays, one module each, found by name."""
