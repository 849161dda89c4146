"""Batches of trades by instrument."""
