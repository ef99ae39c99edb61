"""Redundancies that are linear programs over the extreme rays of a cone, and their closed forms."""
