"""Arithmetic without a market: rolling windows, moving averages, vector mathematics."""
