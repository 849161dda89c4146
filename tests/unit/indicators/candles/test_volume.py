"""Volume overlay, and ticks of quotes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.candles.volume import volume_overlay
from workstation.indicators.ticks.quote_ticks import ticks_from_quotes
from workstation.market.tables import TRADES
from workstation.numerics.moving_averages import zlma


def test_each_instrument_and_length_has_its_own_overlay() -> None:
    rng = np.random.default_rng(2)
    parts = [
        pd.DataFrame(
            {
                "event_ns": np.arange(30) * every,
                "every_ns": every,
                "instrument": name,
                "volume": rng.gamma(2.0, 1.0, 30),
            }
        )
        for name in ("BTC/USD", "ETH/USD")
        for every in (10, 60)
    ]
    wanted = {(p["instrument"][0], p["every_ns"][0]): np.maximum(zlma(p["volume"], 20), 0.0) for p in parts}
    mixed = pd.concat(parts, ignore_index=True).sample(frac=1.0, random_state=1)
    got = mixed.assign(overlay=volume_overlay(mixed)).sort_values("event_ns")
    for key, rows in got.groupby(["instrument", "every_ns"]):
        np.testing.assert_allclose(rows["overlay"], wanted[key], rtol=1e-13)


def test_the_newest_revision_counts() -> None:
    candles = pd.DataFrame(
        {
            "event_ns": [0, 10, 0],
            "every_ns": 10,
            "instrument": "X",
            "volume": [5.0, 3.0, 1.0],
            "revision": [0, 0, 1],
        }
    )
    assert volume_overlay(candles, length=1).tolist() == [1.0, 3.0, 1.0]


def test_an_overshoot_is_no_negative_volume() -> None:
    volumes = [9.0, 9.0, 900.0, 900.0, 1.0, 1.0]
    candles = pd.DataFrame({"event_ns": range(6), "every_ns": 1, "instrument": "X", "volume": volumes})
    assert zlma(volumes, 5)[-1] < 0
    assert volume_overlay(candles, length=5).iloc[-1] == 0.0


def test_no_candles_no_overlay_and_unknown_smoothings() -> None:
    empty = pd.DataFrame({"event_ns": [], "every_ns": [], "instrument": [], "volume": []})
    assert volume_overlay(empty).empty
    with pytest.raises(ValueError, match="sma, ema, zlma"):
        volume_overlay(empty, smoothing="hull")


def quotes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_ns": range(7),
            "instrument": "XAU/USD",
            "bid": [9.0, 9.0, np.nan, 9.0, 0.0, 9.0, 9.5],
            "ask": [11.0, 9.0, 11.0, 8.0, 11.0, np.inf, 10.5],
            "exchange": ["A", "B", "A", "A", "A", "A", "B"],
        }
    )


def test_ticks_are_the_mids_of_whole_quotes() -> None:
    ticks = ticks_from_quotes(quotes())
    assert ticks[["event_ns", "price", "size"]].values.tolist() == [[0, 10, 1], [1, 9, 1], [6, 10, 1]]
    assert ticks_from_quotes(quotes(), exchange="B")["event_ns"].tolist() == [1, 6]


def test_any_split_of_quotes_gives_the_same_ticks() -> None:
    whole = ticks_from_quotes(quotes())
    for cut in range(1, 7):
        parts = [ticks_from_quotes(quotes().iloc[:cut]), ticks_from_quotes(quotes().iloc[cut:])]
        pd.testing.assert_frame_equal(
            TRADES.concat(parts).astype({"exchange": "str"}), whole.astype({"exchange": "str"})
        )
