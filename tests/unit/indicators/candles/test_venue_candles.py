"""Candles of several venues as one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.indicators.candles.venue_candles import across_venues
from workstation.market.tables import CANDLES

MINUTE = 60 * 10**9
WORDS = ["event_ns", "instrument", "open", "high", "low", "close", "volume", "venue"]


def candles(*rows: tuple[object, ...], **others: object) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=WORDS).assign(every_ns=MINUTE, closed=True, **others)
    return CANDLES.conform(frame)


FOUR = [
    (0, "SPY", 1.00, 1.10, 0.99, 1.05, 120.0, "xcbo"), (0, "SPY", 1.01, 1.20, 1.00, 1.06, 80.0, "xisx"),
    (0, "SPY", 1.02, 1.08, 0.95, 1.04, 200.0, "arco"), (0, "SPY", 1.00, 1.07, 1.00, 1.03, 10.0, "xndq"),
]  # fmt: skip


def test_venues_are_put_together() -> None:
    whole = across_venues(candles(*FOUR, trades=2, vwap=[1.0, 1.1, 1.2, 1.3]))
    assert len(whole) == 1
    row = whole.iloc[0]
    assert row[["high", "low", "volume", "trades", "venue"]].tolist() == [1.20, 0.95, 410.0, 8, ""]
    assert np.isnan(row[["open", "close"]].astype(float)).all(), "whose print came first is not in the bars"
    assert row["vwap"] == pytest.approx((120 + 88 + 240 + 13) / 410)


def test_one_venue_alone_is_the_market() -> None:
    alone = candles(FOUR[0], (MINUTE, *FOUR[1][1:]))
    pd.testing.assert_frame_equal(across_venues(alone), alone)


@pytest.mark.parametrize("venue", ["", "opra"])
def test_a_candle_of_all_venues_stands_for_them(venue: str) -> None:
    own = (0, "SPY", 1.00, 1.21, 0.94, 1.03, 411.0, venue)
    later = (MINUTE, "SPY", 1.0, 1.0, 1.0, 1.0, 1.0, "xcbo")
    other = (0, "QQQ", 2.0, 2.0, 2.0, 2.0, 3.0, "xcbo")
    whole = across_venues(candles(*FOUR, own, later, other))
    assert whole[["event_ns", "instrument", "volume", "close"]].values.tolist() == [
        [0, "SPY", 411.0, 1.03], [MINUTE, "SPY", 1.0, 1.0], [0, "QQQ", 3.0, 2.0],
    ]  # fmt: skip


def test_candles_without_venues_pass() -> None:
    plain = candles((0, "SPY", 1.0, 1.0, 1.0, 1.0, 1.0, ""), (0, "QQQ", 1.0, 1.0, 1.0, 1.0, 1.0, ""))
    pd.testing.assert_frame_equal(across_venues(plain), plain)
    assert len(across_venues(CANDLES.empty())) == 0


def test_a_length_and_an_instrument_are_a_series_of_their_own() -> None:
    rows = candles(*FOUR[:2]).assign(every_ns=[MINUTE, 5 * MINUTE])
    assert len(across_venues(rows)) == 2
