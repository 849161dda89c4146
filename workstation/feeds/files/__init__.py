"""Recorded files in, rows of a table out: one reader per format."""

from __future__ import annotations

from workstation.feeds.files.reading import FORMATS, Rejections, read

__all__ = ["FORMATS", "Rejections", "read"]
