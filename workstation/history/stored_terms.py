"""Terms of instruments kept in a history, made known to the process that reads it."""

from __future__ import annotations

from workstation.history.history import History
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import INSTRUMENTS


def register_stored_terms(history: History) -> int:
    """Register the newest stored terms of every instrument; returns how many were taken.

    Terms registered already are kept unless the stored ones are newer by ``event_ns``.
    """
    if "instruments" not in history.table_names():
        return 0
    rows = history.latest("instruments")
    names = rows["instrument"].astype("str").tolist()
    known = [INSTRUMENT_TERMS.registered(name) for name in names]
    newer = [
        held is None or int(held.get("event_ns", 0)) < when
        for held, when in zip(known, rows["event_ns"].tolist(), strict=True)
    ]
    taken = rows[newer]
    if len(taken):
        INSTRUMENT_TERMS.register(INSTRUMENTS.conform(taken.reset_index(drop=True)))
    return len(taken)
