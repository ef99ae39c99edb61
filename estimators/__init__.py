"""Estimators of information quantities, one file each; imported as ``pidkd.estimators``."""

if __name__ == "estimators":  # imported under this name, every class would exist twice
    raise ImportError("this folder is the package pidkd.estimators; import it by that name")
