"""Distillation methods: one file each. Importing one needs torch; listing them does not."""
