"""Messages of the venue as it sends them: decoded and validated once, here."""

from __future__ import annotations

import msgspec

Side = str


class Print(msgspec.Struct):
    """One trade: ``{"id":"7","seq":7,"symbol":"BTC-USD","price":70000.5,"size":0.25,"side":"buy","time_ms":1790000000000}``."""

    id: str
    seq: int
    symbol: str
    price: float
    size: float
    side: str
    time_ms: int


class Pushed(msgspec.Struct):
    """What is pushed, or answered when ``id`` is set.

    ``{"channel":"trades.BTC-USD","data":[...]}``, ``{"id":3,"granted":[...],"refused":{...}}``, ``{"error":"..."}``.
    """

    id: int | None = None
    channel: str = ""
    data: list[Print] = []
    granted: list[str] = []
    refused: dict[str, str] = {}
    symbols: list[str] = []
    error: str = ""
