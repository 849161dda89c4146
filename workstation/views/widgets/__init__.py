"""Figures, cards and controls shared by the pages."""
