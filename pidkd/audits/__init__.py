"""Activations compared: what an audit measures, computes and says."""
