"""The vocabulary: tables, instruments, symbols, calendars, conditions and the errors of the edge."""

from __future__ import annotations

from workstation.market.public_face import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "INSTRUMENT_TERMS": "instrument_terms",
        "REGISTRY": "instruments",
        "TABLES": "tables",
        "Engine": "engine",
        "TradeFlag": "tables",
        "WorkstationError": "errors",
        "digest": "digest",
        "parse": "symbology",
        "unified": "symbology",
        "venue_symbol": "symbology",
    },
)
