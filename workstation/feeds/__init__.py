"""Bytes in, rows of a table out: the only rooms that know a venue."""
