"""Replay and evaluation."""
