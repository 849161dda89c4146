"""Keeps a feed running: restarts, staleness, duplicates, health rows."""
