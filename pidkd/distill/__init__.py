"""Distillation of a teacher into a student, audited by partial information decomposition."""

from pidkd.distill.auditing import AuditedPair, AuditReport, audit

__all__ = ["AuditReport", "AuditedPair", "audit"]
