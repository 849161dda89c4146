"""Random and fixed streams of table rows for the laws of engines, reusable for any engine.

A stream is a list of ``(table, frame)``: maximal runs of rows of one table in ``seq`` order. ``cut`` splits it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from workstation.market.tables import NO_TIME, TradeFlag
from workstation.market.tables import table as table_named

Stream = list[tuple[str, pd.DataFrame]]

START_NS = pd.Timestamp("2026-11-01T00:00:00").value
SECOND = 10**9
SPOTS = ("BTC/USD", "ETH/USD", "AAPL")
OPTIONS = tuple(
    f"BTC/USD:BTC-{expiry}-{strike}-{right}"
    for expiry in ("261101", "261225")
    for strike in (95_000, 100_000, 105_000)
    for right in "CP"
)
FLAGS = (
    0,
    int(TradeFlag.BLOCK),
    int(TradeFlag.LATE),
    int(TradeFlag.ISO),
    int(TradeFlag.AUCTION),
    int(TradeFlag.CANCEL),
)


LEVELS = st.integers(90, 110)


@cache
def among(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One of these; the strategy is made once, for making it costs more than the draw.

    Options that are equal are one, whatever their type: 0 and 0.0 in two places would give what was asked for first.
    """
    return st.sampled_from(options)


def _trade(draw: st.DrawFn) -> dict[str, object]:
    return {
        "instrument": draw(among(SPOTS + OPTIONS[:3])),
        "price": draw(LEVELS) + draw(among((0.0, 0.1, 0.25))),
        "size": draw(among((0.1, 1.0, 3.0))),
        "side": draw(among((-1, 0, 1))),
        "flags": draw(among(FLAGS)),
        "trade_id": draw(among(("", "1", "2", "3"))),
        "venue": draw(among(("", "deribit", "bybit"))),
        "block_id": draw(among(("", "", "A", "B"))),
        "index": draw(among((np.nan, 99_500.0))),
    }


def _mark(draw: st.DrawFn) -> dict[str, object]:
    return {
        "instrument": draw(among(OPTIONS)),
        "mark_iv": draw(among((0.4, 0.5, 0.65, np.nan))),
        "open_interest": draw(among((0.0, 5.0, 120.0))),
        "open_interest_ns": draw(among((NO_TIME, START_NS, START_NS + 5 * SECOND))),
        "volume_24h": draw(among((0.0, 7.0))),
        "index": draw(among((99_000.0, 100_000.0, 101_500.0))),
        "mark": 0.01,
    }


def _quote(draw: st.DrawFn) -> dict[str, object]:
    bid = draw(LEVELS)
    return {
        "instrument": draw(among(SPOTS)),
        "bid": draw(among((float(bid), np.nan))),
        "ask": bid + draw(among((0.0, 0.5, 2.0))),
        "bid_size": 1.0,
        "ask_size": 2.0,
    }


def _liquidation(draw: st.DrawFn) -> dict[str, object]:
    return {
        "instrument": draw(among(("BTC/USD:BTC", "ETH/USD"))),
        "side": draw(among((-1, 1))),
        "price": 100.0,
        "size": draw(among((0.5, 20.0))),
        "usd": draw(among((np.nan, 70.0))),
    }


def _leg(draw: st.DrawFn) -> dict[str, object]:
    return {
        "instrument": draw(among((*SPOTS[:2], "BTC/USD:BTC", *OPTIONS[:2]))),
        "venue": draw(among(("deribit", "bybit"))),
        "account": "",
    }


def _fill(draw: st.DrawFn) -> dict[str, object]:
    return (
        _leg(draw)
        | {
            "side": draw(among((-1, 1))),
            "price": draw(among((0.01, 0.02, 90.0))),
            "size": draw(among((0.1, 0.2, 1.0))),
            "fee": draw(among((np.nan, 0.0003, -0.0001))),
            "fee_currency": draw(among(("", "BTC", "USDT"))),
            "kind": draw(among(("trade", "trade", "", "funding", "settlement", "liquidation", "gift"))),
            "index": draw(among((np.nan, 99_500.0))),
            "fill_id": draw(among(("", "", "1", "2"))),
        }
        | _side(draw)
    )


def _side(draw: st.DrawFn) -> dict[str, object]:
    """Side and margin mode, mostly of a net position."""
    return {
        "position_side": draw(among(("", "", "", "long", "short"))),
        "margin_mode": draw(among(("", "", "cross", "isolated"))),
    }


def _position(draw: st.DrawFn) -> dict[str, object]:
    return (
        _leg(draw)
        | {
            "quantity": draw(among((-2.0, 0.0, 0.3))),
            "entry": draw(among((0.01, 95.0))),
            "mark": draw(among((np.nan, 0.02))),
            "index": draw(among((np.nan, 99_000.0))),
        }
        | _side(draw)
    )


def _instrument(draw: st.DrawFn) -> dict[str, object]:
    return {"instrument": draw(among(SPOTS)), "kind": "spot"}


def _health(draw: st.DrawFn) -> dict[str, object]:
    return {
        "feed": draw(among(("", "deribit", "synthetic"))),
        "channel": draw(among(("", "trades", "quotes"))),
        "event": draw(among(("gap", "stale", "connected", "late"))),
        "instruments": draw(among(("", SPOTS[0], " ".join(SPOTS[:2])))),
    }


FLOW_OPTIONS = OPTIONS[4:8]


def _print(draw: st.DrawFn) -> dict[str, object]:
    return _trade(draw) | {
        "instrument": draw(among((*FLOW_OPTIONS, "AAPL"))),
        "side_source": draw(among(("", "quote", "venue"))),
        "exchange": draw(among(("", "C", "D"))),
        "cancels": draw(among((0, 0, 0, 0, 1, 5))),
        "placement": draw(among(("A", "A", "MID", "B", "MISSING"))),
        "exclusion": draw(among(("", "", "", "late", "multi-leg"))),
        "size": draw(among((20.0, 500.0, 4000.0))),
        "bid": 90.0,
        "ask": 90.1,
        "premium_usd": draw(among((np.nan, 3e4, 3e5))),
        "spot": draw(among((np.nan, 100_000.0))),
        "gamma": 1e-5,
    }


def _packet(draw: st.DrawFn) -> dict[str, object]:
    name = draw(among(FLOW_OPTIONS))
    buy, lean = draw(among(((0.9, 1.0), (0.0, -1.0), (0.1, 0.0))))
    return {
        "instrument": name,
        "underlying": "BTC",
        "revision": draw(among((0, 0, 0, 1))),
        "burst_packets": draw(among((1, 2, 3))),
        "start_ns": START_NS,
        "end_ns": START_NS + SECOND * draw(among((0, 1, 400))),
        "expiry_ns": START_NS + 50 * 86_400 * SECOND,
        "strike": float(name.split("-")[2]),
        "right": name[-1],
        "prints": draw(among((0, 3, 3))),
        "size": draw(among((100.0, 500.0))),
        "premium_usd": 9e4,
        "largest_usd": 9e4,
        "exchanges": 2,
        "buy_ratio": buy,
        "sell_ratio": 0.9 - buy,
        "lean": lean,
        "coverage": draw(among((0.1, 1.0))),
        "directional": 1.0,
        "spot": draw(among((np.nan, 100_000.0))),
        "open_interest": 5.0,
        "evidence": '{"prints":["a"]}',
    }


def _hit(draw: st.DrawFn) -> dict[str, object]:
    return {
        "instrument": draw(among(FLOW_OPTIONS)),
        "classifier": draw(among(("block", "straddle", "absorbed"))),
        "parent_id": draw(among(("a", "b", "c"))),
        "retracted": draw(among((False, False, True))),
        "parent_hits": draw(among((1, 1, 2))),
        "confidence": draw(among((0.5, 0.9))),
        "direction": draw(among((-1, 0, 1))),
        "abstained": draw(among((False, False, True))),
        "premium_usd": draw(among((np.nan, 3e4, 3e5))),
        "explanation": "words",
        "evidence": "{}",
    }


ROWS = {
    "prints": _print,
    "packets": _packet,
    "hits": _hit,
    "trades": _trade,
    "marks": _mark,
    "fills": _fill,
    "positions": _position,
    "quotes": _quote,
    "instruments": _instrument,
    "liquidations": _liquidation,
    "health": _health,
    "heartbeat": lambda draw: {"feed": ""},
}
"""Table -> one random row of it, without its time. An engine that reads another table needs its row here."""


@st.composite
def streams(draw: st.DrawFn, tables: Sequence[str], max_rows: int = 40) -> Stream:
    """Rows of these tables in arrival order; times jump ahead, repeat and step back."""
    at = START_NS + draw(among((0, SECOND - 1)))
    rows: list[tuple[str, dict[str, object]]] = []
    for _ in range(draw(st.integers(1, max_rows))):
        table = draw(among(tuple(tables)))
        step = draw(among((0, 0, 1, SECOND // 4, SECOND, 7 * SECOND, 75 * SECOND)))
        back = draw(among((0, 0, 0, 1, 2 * SECOND, 12 * SECOND)))
        at += step
        rows.append((table, {"event_ns": at - back, **ROWS[table](draw)}))
    _number([row for table, row in rows if table == "prints"])
    _gather([row for table, row in rows if table == "packets"], "burst_packets")
    _gather([row for table, row in rows if table == "hits"], "parent_hits")
    return in_runs(rows)


def _number(prints: list[dict[str, Any]]) -> None:
    """Numbers of prints, and cancels of one that was."""
    for number, row in enumerate(prints, start=1):
        row["print_number"] = number
        row["cancels"] = max(number - row["cancels"], 0) if row["cancels"] else 0


def _gather(rows: list[dict[str, Any]], size: str) -> None:
    """Rows that stand together as engines write them: as many as the first of them says, the last ones fewer."""
    start = 0
    while start < len(rows):
        first = rows[start]
        amended = size == "burst_packets" and first["revision"] > 0
        group = rows[start : start + (1 if amended else int(first[size]))]
        for row in group:
            row[size] = 0 if amended else first[size]
            if size == "burst_packets":
                row["revision"] = first["revision"]
                row["burst"], row["packet_id"] = (
                    start + 1,
                    f"{row['instrument']}:{start % 3 if amended else start}",
                )
            else:
                row["parent_id"], row["retracted"] = first["parent_id"], first["retracted"]
        start += len(group)


def in_runs(rows: Iterable[tuple[str, dict[str, object]]]) -> Stream:
    """Rows gathered into maximal runs of one table, conformed and numbered."""
    runs: list[tuple[str, list[dict[str, object]]]] = []
    for seq, (table, row) in enumerate(rows, start=1):
        if not runs or runs[-1][0] != table:
            runs.append((table, []))
        runs[-1][1].append({"seq": seq, **row})
    return [
        (table, table_named(table).batch({name: [row[name] for row in run] for name in run[0]}))
        for table, run in runs
    ]


@st.composite
def cuts(draw: st.DrawFn, stream: Stream) -> Stream:
    """The same rows in other batches."""
    parts: Stream = []
    for table, frame in stream:
        places = draw(st.sets(st.integers(1, len(frame) - 1))) if len(frame) > 1 else set()
        edges = [0, *sorted(places), len(frame)]
        for first, last in pairwise(edges):
            parts.append((table, table_named(table).conform(frame.iloc[first:last])))
    return parts


def fixed_stream(tables: Sequence[str], rows: int = 400, seed: int = 7) -> Stream:
    """A seeded stream, the same in every process."""
    rng = np.random.default_rng(seed)
    made: list[tuple[str, dict[str, object]]] = []
    at = START_NS
    for number in range(rows):
        table = tables[int(rng.integers(len(tables)))]
        at += int(rng.integers(0, 2 * SECOND))
        flow = dict.fromkeys(("prints", "packets", "hits"), FLOW_OPTIONS)
        names = {"marks": OPTIONS, "trades": SPOTS + OPTIONS[:2], **flow}.get(table, SPOTS)
        if engine_reads_prints_alone(tables):
            names = ("AAPL",)
        made.append((table, {"event_ns": at, **_plain(table, names[int(rng.integers(len(names)))], number)}))
    return in_runs(made)


def engine_reads_prints_alone(tables: Sequence[str]) -> bool:
    """Such an engine looks at equities off exchange."""
    return tuple(tables) == ("prints",)


def _plain(table: str, instrument: str, number: int) -> dict[str, object]:
    """The row of a table at a place of the fixed stream."""
    row: dict[str, dict[str, object]] = {
        "trades": {"price": 100.0 + number % 13 / 4, "size": 1.0 + number % 3, "side": 1},
        "marks": {"mark_iv": 0.5 + number % 7 / 100, "open_interest": 1.0 + number % 11, "index": 1e5},
        "quotes": {"bid": 99.0 + number % 5, "ask": 100.0 + number % 5},
        "fills": {
            "side": -1 if number % 3 == 0 else 1,
            "price": 100.0,
            "size": 1.0,
            "fee": 0.1,
            "fee_currency": "USD",
        },
        "positions": {"quantity": 1.0 + number % 3, "entry": 100.0, "venue": "okx"},
        "liquidations": {"price": 100.0, "size": 1.0 + number % 3},
        "instruments": {"kind": "spot"},
        "prints": {
            "price": 100.0 + number % 13 / 4, "size": 3000.0, "print_number": number + 1, "placement": "A" if number % 2 else "MID",
            "bid": 100.0, "ask": 100.1, "exchange": "D", "premium_usd": 5e4, "trade_id": f"t{number}", "spot": 1e5,
        },
        "packets": {
            "underlying": "BTC", "packet_id": f"{instrument}:{number}", "burst": number, "burst_packets": 1, "prints": 3, "size": 500.0,
            "premium_usd": 9e4, "right": "C", "expiry_ns": START_NS + 10**17, "strike": 1e5, "exchanges": 2, "buy_ratio": 1.0,
            "coverage": 1.0, "directional": 1.0, "spot": 1e5, "end_ns": START_NS + number * SECOND, "start_ns": START_NS,
        },
        "hits": {
            "classifier": "block", "parent_id": f"p{number}", "parent_hits": 1, "confidence": 0.7, "premium_usd": 9e4, "evidence": "{}",
        },
    }  # fmt: skip
    if table == "health":
        gap = number % 50 == 0
        return {"feed": "deribit", "event": "gap" if gap else "fresh", "instruments": instrument}
    return {"instrument": instrument, **row[table]} if table in row else {"feed": ""}
