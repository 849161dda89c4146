"""Recorded files in, rows of a table out: one reader per format."""
