"""Experiments from a file of settings: data, teacher, student, method, audit."""
