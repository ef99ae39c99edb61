"""Other implementations, one file each, behind one interface."""
