"""The latest state of everything, read by every screen."""
