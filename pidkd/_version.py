"""The version of pidkd, named here and nowhere else."""

__version__ = "0.1.0"
