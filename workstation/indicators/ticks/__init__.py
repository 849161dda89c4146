"""Tick indicators: intensity, spikes, reversals."""
