"""Lesion detection: boxes on slices, NumPy only outside ``networks``."""
