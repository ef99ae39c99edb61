"""The union information of jointly Gaussian variables."""
