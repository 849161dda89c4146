"""A small tick market for screens: seeded prints with bursts, run through the engines of the desk, and a Source over them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from tests.unit.views.market import Market
from workstation.market.tables import CANDLES, HEALTH, INTENSITY, NO_TIME, REVERSALS, SPIKES, TRADES

SECOND = 10**9
NOW_NS = pd.Timestamp("2026-11-20 14:30").value
NAME = "BTC/USD:BTC"


def candles(instrument: str, every_s: int, count: int, end_ns: int = NOW_NS, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    every = every_s * SECOND
    close = 104_000 * np.exp(np.cumsum(rng.normal(0, 2e-4, count)))
    opened = np.r_[close[0], close[:-1]]
    begin = end_ns // every * every - every * np.arange(count - 1, -1, -1)
    return CANDLES.conform(
        pd.DataFrame(
            {
                "event_ns": begin, "instrument": instrument, "every_ns": every, "open": opened, "close": close,
                "high": np.maximum(opened, close) + 5, "low": np.minimum(opened, close) - 5,
                "volume": rng.exponential(10, count), "trades": rng.integers(1, 90, count), "closed": np.arange(count) < count - 1,
            }
        )
    )  # fmt: skip


def intensity(
    instrument: str, seconds: int, first_seq: int = 1, end_ns: int = NOW_NS, level: float = 10.0,
    smoothing: str = "zlma",
) -> pd.DataFrame:  # fmt: skip
    count = 4 * seconds
    smoothed = level + np.sin(np.arange(count))
    return INTENSITY.conform(
        pd.DataFrame(
            {
                "seq": first_seq + np.arange(count), "event_ns": end_ns - SECOND // 4 * np.arange(count, 0, -1),
                "instrument": instrument, "smoothing": smoothing, "intensity": smoothed, "velocity": 0.5, "efficiency": 0.2, "smoothed": smoothed,
                "mean_base": 10.0, "sd_base": 4.0, "buffer": 6.0, "burst_above": 16.0, "spike_above": 22.0,
            }
        )
    )  # fmt: skip


def reversal(
    seq: int, version: int, side: int, price: float = 104_000.0, instrument: str = NAME, **evidence: float
) -> pd.DataFrame:
    return REVERSALS.conform(
        pd.DataFrame(
            {
                "seq": [seq], "event_ns": NOW_NS + seq, "instrument": instrument, "price": price, "side": side, "version": version,
                "strength": 1.5, "evidence": json.dumps(evidence or {"smoothed": 31.25, "buffer": 6.0}),
            }
        )
    )  # fmt: skip


def spike(seq: int, direction: int = 1, instrument: str = NAME) -> pd.DataFrame:
    return SPIKES.conform(
        pd.DataFrame(
            {
                "seq": [seq], "event_ns": NOW_NS, "instrument": instrument, "start_ns": NOW_NS - 2 * SECOND, "peak_ns": NOW_NS - SECOND,
                "end_ns": NOW_NS, "height_sd": 4.5, "peak": 28.0, "direction": direction,
            }
        )
    )  # fmt: skip


def health(
    event: str,
    at_s: int,
    feed: str = "synthetic",
    start_s: int | None = None,
    end_s: int | None = None,
    **more: object,
) -> dict[str, object]:
    return {
        "event_ns": NOW_NS + at_s * SECOND, "feed": feed, "channel": "", "event": event, "instruments": "", "detail": "",
        "start_ns": NO_TIME if start_s is None else NOW_NS + start_s * SECOND,
        "end_ns": NO_TIME if end_s is None else NOW_NS + end_s * SECOND, **more,
    }  # fmt: skip


class TickMarket(Market):
    """The screens' small market with ticks' derived tables."""

    def __init__(self) -> None:
        super().__init__()
        self.asof_ns = NOW_NS
        trades = [
            {"event_ns": NOW_NS, "instrument": name, "price": 104_000.0, "size": 1.0, "venue": "synthetic"}
            for name in (NAME, "ETH/USD:ETH")
        ]
        self.put("trades", TRADES.conform(pd.DataFrame(trades)))
        self.put(
            "candles",
            CANDLES.concat([candles(NAME, 10, 900), candles(NAME, 60, 900), candles("ETH/USD:ETH", 10, 300)]),
        )
        self.put("intensity", intensity(NAME, 300))
        self.put("spikes", spike(1))
        self.put("reversals", REVERSALS.concat([reversal(1, 1, -1), reversal(2, 3, 1)]))

    def append(self, table: str, frame: pd.DataFrame) -> None:
        schema = {
            "intensity": INTENSITY,
            "spikes": SPIKES,
            "reversals": REVERSALS,
            "health": HEALTH,
            "candles": CANDLES,
        }[table]
        self.put(table, schema.concat([self.latest(table), frame]))
