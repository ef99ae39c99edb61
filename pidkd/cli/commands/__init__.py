"""The commands, a module for each or for a few of one kind: thin ones over the functions of the library."""
