"""Audits in the training loops of others."""
