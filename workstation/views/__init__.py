"""Rows and Datasets in, HoloViews elements and panels out."""
