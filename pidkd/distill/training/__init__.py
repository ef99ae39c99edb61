"""A student trained: phases, epochs and steps, on one device or several, stopped and resumed."""
