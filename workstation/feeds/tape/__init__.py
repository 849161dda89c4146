"""Recorded frames and rows given back in their order."""
