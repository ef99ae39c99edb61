"""Files of activations, labels and JSON: opened, read and checked here."""
