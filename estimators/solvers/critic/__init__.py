"""Critics f(x, y) of the log density ratio: what they see, what they are, how they learn, and what they are worth."""
