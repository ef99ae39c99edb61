"""Engines of an audit: codes, posteriors, moments."""
