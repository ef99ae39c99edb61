"""The union information of a table: BROJA's optimisation, solved and certified."""
