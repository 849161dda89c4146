"""Alerts sent on to other systems over HTTP."""
