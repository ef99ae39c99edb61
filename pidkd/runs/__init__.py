"""Output files, records of finished pieces and worker pools, shared by the three jobs."""
