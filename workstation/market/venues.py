"""Rules of venues that whoever reads their data must know."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PUBLIC_DELAY_S: Mapping[str, float] = MappingProxyType({"cboe": 900.0})
"""Seconds by which a venue's free data is late by rule. Source: Cboe's delayed quotes page, 15 minutes."""
CONSOLIDATED = frozenset({"opra", "equs", "dbeq", "cta", "utp"})
"""``venue`` of rows that are of all venues of a consolidated feed together. Source: Databento's list of publishers."""
