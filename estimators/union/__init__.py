"""Union information of any number of sources, one estimator a file."""
