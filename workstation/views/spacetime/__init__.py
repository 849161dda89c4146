"""Ticks in space and time, on the screen."""
