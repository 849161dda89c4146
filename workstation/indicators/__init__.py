"""Ticks: engines over trades."""
