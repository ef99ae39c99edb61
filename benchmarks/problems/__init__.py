"""Problems with known truth or known difficulty, one file per family."""
