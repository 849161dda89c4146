"""Keeps every row and gives it back."""
