"""The commands: each module holds one function ``command``, found by the name of the module."""
