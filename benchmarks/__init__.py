"""Benchmark problems, peers and the runner; imported as ``pidkd.benchmarks``."""

if __name__ == "benchmarks":  # imported under this name, every class would exist twice
    raise ImportError("this folder is the package pidkd.benchmarks; import it by that name")
