"""Distillation of a teacher into a student, audited by partial information decomposition."""
