"""States of contracts as the client holds them -> quotes and marks. Pure: the rows depend on the frames alone.

IB sends single fields; the client (ib_async) keeps the whole of them. A frame is that whole after a packet, as JSON, one contract each.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.venue_kit.columns import DAYS, POINTS, Floats, Name, columns_of, number, positive
from workstation.feeds.venue_kit.frame_decoding import Part, Rejection, health_batch, merged, words
from workstation.feeds.venue_kit.symbol_table import OPTION, SymbolTable
from workstation.market.errors import SymbolError
from workstation.market.symbology import Terms, parse
from workstation.market.tables import NO_TIME

VENUE = "ibkr"


def _terms(symbol: str) -> Terms:
    """Of a US option by its OSI symbol, which is IB's local one, and of a stock or index by its ticker. Raises ``SymbolError``."""
    terms = parse(symbol)
    if not terms.listed:
        raise SymbolError(f"{symbol!r} is no US listing")
    return terms


SYMBOLS = SymbolTable(VENUE, terms_of=_terms)
_LATEST_NS = 4_102_444_800_000_000_000


class State(msgspec.Struct, gc=False, omit_defaults=True):
    """What is known of a contract.

    ``{"symbol":"SPY   261218C00600000","time_ns":1796053000000000000,"bid":5.0,"ask":5.1,"open_interest":1205,"delta":0.51,...}``.
    Numbers as IB sends them: vega per vol point, theta a day; -1 and -2 for "not computed" are none already.
    """

    symbol: Name
    time_ns: int
    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None
    last: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    model_price: float | None = None
    model_iv: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    underlying: float | None = None


_STATE = msgspec.json.Decoder(State)


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    Parameters
    ----------
    frames
        Needs ``payload``; ``seen_ns`` and ``channel`` where known.

    Raises
    ------
    Nothing for what is in a frame: what cannot be read becomes a ``rejected`` row of ``health``.

    Examples
    --------
    >>> payload = b'{"symbol":"SPY   261218C00600000","time_ns":1796053000000000000,"bid":5.0,"ask":5.1,"vega":0.6}'
    >>> found = decode(pd.DataFrame({"payload": [payload]}))
    >>> [batch.table for batch in found], found[0].frame["vega"].tolist()
    (['marks', 'quotes'], [60.0])
    """
    rows = len(frames)
    seen_ns = frames["seen_ns"].to_numpy(dtype=np.int64) if "seen_ns" in frames else np.zeros(rows, np.int64)
    states, places, aside = [], [], list[Rejection]()
    for place, payload in enumerate(frames["payload"].tolist()):
        try:
            state = _STATE.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            aside.append(Rejection(place, "rejected", words(error)))
            continue
        if 0 < state.time_ns < _LATEST_NS:
            states.append(state)
            places.append(place)
        else:
            aside.append(Rejection(place, "rejected", f"time: {state.time_ns} is none"))
    batches = merged(_parts(states, np.array(places, dtype=np.intp), seen_ns, aside)) if states else []
    if aside:
        told = frames["channel"].astype("str").tolist() if "channel" in frames else [""] * rows
        batches.append(health_batch(VENUE, aside, [told[each.at] for each in sorted(aside)], seen_ns))
    return batches


def _parts(states: list[State], at: Any, seen_ns: Any, aside: list[Rejection]) -> list[Part]:
    ids = SYMBOLS.ids([state.symbol for state in states])
    known = SYMBOLS.code[ids] >= 0
    aside += [
        Rejection(int(at[row]), "rejected", SYMBOLS.reasons[int(ids[row])]) for row in np.flatnonzero(~known)
    ]
    if not known.any():
        return []
    told = columns_of([state for state, good in zip(states, known.tolist(), strict=True) if good])
    at, ids = at[known], ids[known]
    shared = {
        "event_ns": np.array(told["time_ns"], dtype=np.int64),
        "seen_ns": seen_ns[at],
        "instrument": SYMBOLS.code[ids],
        "venue": VENUE,
    }
    quote = _quote(told)
    option = (SYMBOLS.traits[ids] & OPTION) != 0
    parts = [Part("quotes", at, shared | quote)]
    if option.any():
        marks = shared | quote | _model(told)
        columns = {name: value if isinstance(value, str) else value[option] for name, value in marks.items()}
        parts.append(Part("marks", at[option], columns))
    return parts


def _quote(told: dict[str, Any]) -> dict[str, Floats]:
    columns = {}
    for side in ("bid", "ask"):
        price = positive(told[side])
        size = number(told[f"{side}_size"])
        columns[side] = price
        columns[f"{side}_size"] = np.where(np.isnan(price) | (size < 0), np.nan, size)
    return columns


def _model(told: dict[str, Any]) -> dict[str, Any]:
    """The model's vol and greeks, and open interest, whose day IB does not say."""
    interest = number(told["open_interest"])
    interest[interest < 0] = np.nan
    volume = number(told["volume"])
    volume[volume < 0] = np.nan
    return {
        "last": positive(told["last"]),
        "mark": positive(told["model_price"]),
        "mark_iv": positive(told["model_iv"]),
        "bid_iv": positive(told["bid_iv"]),
        "ask_iv": positive(told["ask_iv"]),
        "delta": number(told["delta"]),
        "gamma": number(told["gamma"]),
        "vega": number(told["vega"]) * POINTS,
        "theta": number(told["theta"]) * DAYS,
        "open_interest": interest,
        "open_interest_ns": np.full(len(interest), NO_TIME),
        "volume_24h": volume,
        "index": positive(told["underlying"]),
    }
