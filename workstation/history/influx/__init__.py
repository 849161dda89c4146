"""The history of an InfluxDB 3 server."""

from __future__ import annotations

from workstation.history.influx.line_encoder import line_protocol

__all__ = ["line_protocol"]
