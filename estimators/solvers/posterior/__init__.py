"""From samples to posteriors, and from posteriors to a lower bound of the union information on rows held out."""
