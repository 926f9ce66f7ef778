"""How calibration is measured; the report says it too, and needs no torch for that."""

ECE_BINS = 15
"""Equally wide bins of confidence in the expected calibration error."""
