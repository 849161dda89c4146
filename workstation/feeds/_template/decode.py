"""The venue's raw frames -> batches of tables. Pure: the rows depend on the frames alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd

from workstation.feeds._template.messages import Print, Pushed
from workstation.feeds.feed import Batch
from workstation.feeds.venue_kit.health_rows import HealthRows, Row
from workstation.market.errors import SymbolError
from workstation.market.instants import MILLISECOND_NS
from workstation.market.tables import TRADES

VENUE = "template"
_MESSAGE = msgspec.json.Decoder(Pushed)
_SIDES = {"buy": 1, "sell": -1}


def instrument_of(symbol: str) -> str:
    """The workstation's name of a venue's symbol: ``BTC-USD`` is ``BTC/USD``. Raises ``SymbolError``."""
    base, dash, quote = symbol.partition("-")
    if not dash or not base.isalnum() or not quote.isalnum():
        raise SymbolError(f"{symbol!r} is no symbol of {VENUE}: BASE-QUOTE")
    return f"{base}/{quote}"


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    One raw message::

        {"channel":"trades.BTC-USD","data":[
         {"id":"7","seq":7,"symbol":"BTC-USD","price":70000.5,"size":0.25,"side":"buy","time_ms":1790000000000}]}

    Parameters
    ----------
    frames
        Needs ``payload`` and ``seen_ns``.

    Raises
    ------
    Nothing for what the venue sends: what cannot be decoded becomes a ``rejected`` or ``refused`` row of ``health``, and costs
    no other message and no other print.

    Examples
    --------
    >>> payload = (b'{"channel":"trades.BTC-USD","data":[{"id":"7","seq":7,"symbol":"BTC-USD","price":70000.5,'
    ...            b'"size":0.25,"side":"buy","time_ms":1790000000000}]}')
    >>> decode(pd.DataFrame({"payload": [payload], "seen_ns": [1]}))[0].frame[["instrument", "side"]].values.tolist()
    [['BTC/USD', 1]]
    """
    health, rows, reported = HealthRows(VENUE), [], list[Row]()
    for payload, seen_ns in zip(frames["payload"].tolist(), frames["seen_ns"].tolist(), strict=True):
        try:
            message = _MESSAGE.decode(payload)
        except msgspec.DecodeError as error:
            reported.append(health.row("rejected", time_ns=seen_ns, detail=f"json: {error}", count=1))
            continue
        if message.error:
            reported.append(
                health.row("refused", time_ns=seen_ns, detail=f"venue error: {message.error}", count=1)
            )
        for each in message.data:
            try:
                rows.append(_row(each, seen_ns))
            except (SymbolError, ValueError) as error:
                reported.append(
                    health.row(
                        "rejected", time_ns=seen_ns, detail=str(error), count=1, channel=message.channel
                    )
                )
    batches = [Batch("trades", TRADES.conform(pd.DataFrame(rows)))] if rows else []
    return [*batches, health.batch(reported)] if reported else batches


def _row(each: Print, seen_ns: int) -> dict[str, Any]:
    if each.side not in _SIDES:
        raise ValueError(f"side: {each.side!r} is neither {' nor '.join(_SIDES)}")
    return {
        "event_ns": each.time_ms * MILLISECOND_NS,
        "seen_ns": seen_ns,
        "instrument": instrument_of(each.symbol),
        "venue": VENUE,
        "price": each.price,
        "size": each.size,
        "side": _SIDES[each.side],
        "side_source": "venue",
        "trade_id": each.id,
        "venue_seq": each.seq,
    }
