"""One underlying on several venues: the frames of each, and one exposure for one coin of open interest."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.wire import binance_server, bybit_server, deribit_server, okx_server
from workstation.exposure import exposure
from workstation.feeds.decoding import decoder_of
from workstation.market.tables import MARKS
from workstation.pricing import chain

AT_MS = 1_789_939_517_455
FORWARD, INDEX, VOL = 82_010.5, 80_808.14, 0.455
COINS = {"100000-C": 321.5, "100000-P": 100.25}
"""Open interest of each contract, coins."""


def frames_of(feed: str, *frames: tuple[str, Any]) -> pd.DataFrame:
    """Rows of ``marks`` that a feed's decoder makes of messages."""
    made = [(channel, json.dumps(body).encode()) for channel, body in frames]
    decode = decoder_of(feed)
    assert decode is not None
    batches = {
        batch.table: batch.frame for batch in decode(pd.DataFrame(made, columns=["channel", "payload"]))
    }
    assert "health" not in batches
    return batches["marks"]


def deribit() -> pd.DataFrame:
    tickers = [
        deribit_server.option_ticker(f"BTC-25DEC26-{name}", open_interest=coins)
        for name, coins in COINS.items()
    ]
    return frames_of(
        "deribit",
        *(
            ("", json.loads(deribit_server.notification(f"ticker.{each['instrument_name']}.100ms", each)))
            for each in tickers
        ),
    )


def okx() -> pd.DataFrame:
    """Open interest in contracts of 0.01 BTC, greeks and marks by channels of their own."""
    at = str(AT_MS)
    frames: list[tuple[str, Any]] = [
        (
            "GET api/v5/public/instruments?x",
            {"code": "0", "data": [okx_server.listing(name) for name in (okx_server.CALL, okx_server.PUT)]},
        )
    ]
    for name, coins in COINS.items():
        symbol = f"BTC-USD-261225-{name}"
        summary = okx_server.summary(symbol, markVol=str(VOL), fwdPx=str(FORWARD), ts=at)
        interest = {"instId": symbol, "oi": str(coins * 100), "oiCcy": str(coins), "ts": at}
        frames += [
            (
                "opt-summary/BTC-USD",
                {"arg": {"channel": "opt-summary", "instFamily": "BTC-USD"}, "data": [summary]},
            ),
            (
                f"open-interest/{symbol}",
                {"arg": {"channel": "open-interest", "instId": symbol}, "data": [interest]},
            ),
            (
                f"mark-price/{symbol}",
                {
                    "arg": {"channel": "mark-price", "instId": symbol},
                    "data": [{"instId": symbol, "markPx": "0.0455", "ts": at}],
                },
            ),
        ]
    marks = frames_of("okx", *frames)
    return MARKS.conform(
        pd.concat([marks, marks.iloc[:1].assign(index=INDEX, mark_iv=np.nan, forward=np.nan)])
    )


def bybit() -> pd.DataFrame:
    tickers = [
        bybit_server.option_ticker(f"BTC-25DEC26-{name}-USDT", openInterest=str(coins))
        for name, coins in COINS.items()
    ]
    return frames_of(
        "bybit",
        *(
            (f"option/tickers.{each['symbol']}", {"topic": "t", "ts": AT_MS, "data": each})
            for each in tickers
        ),
    )


def binance() -> pd.DataFrame:
    names = [f"BTC-261225-{name}" for name in COINS]
    interests = [
        {"E": AT_MS, "s": name, "o": str(coins)} for name, coins in zip(names, COINS.values(), strict=True)
    ]
    marks = frames_of(
        "binance",
        (
            "GET eapi/v1/exchangeInfo",
            {"optionSymbols": [binance_server.option_listing(name) for name in names]},
        ),
        (
            "market/btcusdt@optionMarkPrice",
            {"stream": "m", "data": [binance_server.option_mark(name, i=str(INDEX)) for name in names]},
        ),
        ("market/btcusdt@optionOpenInterest@261225", {"stream": "o", "data": interests}),
    )
    return marks.assign(forward=FORWARD)


def gex(marks: pd.DataFrame, **chosen: Any) -> float:
    return float(exposure(chain(marks, **chosen))["gex"].sum())


def test_okx_exposes_as_much_as_deribit_for_the_same_coins() -> None:
    expected = gex(deribit())
    assert abs(expected) > 1e3
    for venue in (okx, bybit, binance):
        assert gex(venue()) == pytest.approx(expected, rel=1e-6), venue.__name__


def test_a_combined_chain_sums_coins_over_venues_and_says_so() -> None:
    parts = {"deribit": deribit(), "okx": okx(), "bybit": bybit()}
    marks = MARKS.conform(pd.concat(list(parts.values()), ignore_index=True))
    whole = chain(marks)
    assert float(whole["open_interest"].sum()) == pytest.approx(3 * sum(COINS.values()))
    assert whole.attrs["venues"] == dict.fromkeys(parts, 2)
    assert "open interest of all venues" in whole.attrs["combined"]
    assert gex(marks) == pytest.approx(3 * gex(parts["deribit"]), rel=1e-6)
    for venue, rows in parts.items():
        assert gex(marks, venue=venue) == pytest.approx(gex(rows), rel=1e-9)
        assert "combined" not in chain(marks, venue=venue).attrs
