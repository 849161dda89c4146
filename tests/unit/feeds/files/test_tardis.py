"""Tardis chains: coins, greeks, forwards and indices venue by venue; one bad row costs no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.files.tables import rows
from workstation.feeds.files import Rejections
from workstation.market.contract_sizes import coins_per_contract
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import INSTRUMENTS

HEAD = (
    "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,bid_amount,"
    "bid_iv,ask_price,ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,vega,theta,rho"
)
T = 1_773_982_800_000_000
FIELDS = {
    "exchange": "deribit", "symbol": "BTC-27MAR26-70000-C", "timestamp": T, "local_timestamp": T + 3000, "type": "call",
    "strike_price": 70000, "expiration": 1774598400000000, "open_interest": 100, "last_price": 0.03, "bid_price": 0.029,
    "bid_amount": 5, "bid_iv": 49.5, "ask_price": 0.031, "ask_amount": 6, "ask_iv": 50.5, "mark_price": 0.03, "mark_iv": 50,
    "underlying_index": "BTC-27MAR26", "underlying_price": 70500, "delta": 0.51, "gamma": 0.00005, "vega": 40, "theta": -90,
    "rho": 10,
}  # fmt: skip
OKX = {"exchange": "okex-options", "symbol": "BTC-USD-260327-70000-C", "mark_iv": 0.5, "bid_iv": 0.495, "ask_iv": 0.505,
       "underlying_index": "BTC-USD", "underlying_price": 70000, "delta": 0.48, "gamma": 1.2, "vega": 0.0006}  # fmt: skip
BYBIT = {
    "exchange": "bybit-options",
    "symbol": "BTC-27MAR26-70000-C-USDT",
    "mark_iv": 0.5,
    "underlying_index": "",
}
BINANCE = {"exchange": "binance-european-options", "symbol": "BTC-260327-70000-C", "mark_iv": 0.5, "underlying_index": "BTCUSDT"}  # fmt: skip


def marks(folder: Path, *changes: dict[str, object]) -> tuple[pd.DataFrame, Rejections]:
    path = folder / "options_chain.csv"
    lines = [",".join(str(value) for value in (FIELDS | change).values()) for change in changes]
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    tables, rejections = rows("tardis", path)
    return tables.get("marks", pd.DataFrame()), rejections


@pytest.mark.parametrize(
    ("venue", "at", "coins"),
    [
        ({}, T, 1.0), (OKX, T, 0.01), (OKX | {"symbol": "ETH-USD-260327-3000-P"}, T, 0.1),
        (OKX | {"symbol": "BTC-USD-210625-70000-C"}, 1_615_000_000_000_000, 0.1),
        (OKX | {"symbol": "ETH-USD-210625-3000-C"}, 1_615_000_000_000_000, 1.0), (BYBIT, T, 1.0), (BINANCE, T, 1.0),
        ({"symbol": "SOL_USDC-27MAR26-150-C", "underlying_index": "SOL_USDC-27MAR26"}, T, 1.0),
    ],
)  # fmt: skip
def test_sizes_become_coins(tmp_path: Path, venue: dict[str, object], at: int, coins: float) -> None:
    frame, rejections = marks(tmp_path, venue | {"timestamp": at, "local_timestamp": at})
    got = frame[["open_interest", "bid_size", "ask_size"]].iloc[0].tolist()
    assert got == pytest.approx([100 * coins, 5 * coins, 6 * coins])
    assert not rejections.counts


@pytest.mark.parametrize(
    ("venue", "at"),
    [
        (BINANCE | {"symbol": "DOGE-260327-0.1-C"}, T), (OKX | {"symbol": "SOL-USD-260327-150-C"}, T),
        (OKX | {"symbol": "BTC-USD-220624-40000-C"}, 1_651_000_000_000_000),
    ],
)  # fmt: skip
def test_an_unknown_contract_size_is_told_and_never_assumed(
    tmp_path: Path, venue: dict[str, object], at: int
) -> None:
    frame, rejections = marks(tmp_path, venue | {"timestamp": at}, {})
    assert frame["venue"].tolist() == ["deribit"]
    (reason,) = rejections.counts
    assert "contract size of" in reason


def test_the_registry_may_know_a_contract_size(tmp_path: Path) -> None:
    name = "DOGE/USDT:USDT-260327-0.2-C"
    row = {"event_ns": [1], "instrument": name, "kind": "option", "venue": "binance", "multiplier": 1000.0}
    INSTRUMENT_TERMS.register(INSTRUMENTS.conform(pd.DataFrame(row)))
    frame, rejections = marks(tmp_path, BINANCE | {"symbol": "DOGE-260327-0.2-C"})
    assert frame["open_interest"].tolist() == [100.0], "contracts of a name registered with its multiplier"
    assert not rejections.counts


@pytest.mark.parametrize(
    ("venue", "forward", "index"),
    [
        ({}, 70500, np.nan), ({"underlying_index": "SYN.BTC-27MAR26"}, 70500, np.nan), (OKX, np.nan, 70000),
        ({"underlying_index": "index_price"}, np.nan, 70500), (BYBIT, 70500, np.nan), (BINANCE, np.nan, 70500),
        ({"underlying_price": 0}, np.nan, np.nan),
    ],
)  # fmt: skip
def test_the_index_is_no_forward(
    tmp_path: Path, venue: dict[str, object], forward: float, index: float
) -> None:
    frame, _ = marks(tmp_path, venue)
    np.testing.assert_equal(frame[["forward", "index"]].iloc[0].tolist(), [forward, index])


def test_greeks_of_okx_are_of_the_coin_premium(tmp_path: Path) -> None:
    frame, rejections = marks(tmp_path, OKX, {})
    okx, deribit = frame.iloc[0], frame.iloc[1]
    assert okx["delta"] == pytest.approx(0.48 + 0.03), "premium-adjusted delta = delta - premium in coin"
    assert okx[["gamma", "vega", "theta", "rho"]].isna().all()
    assert list(rejections.notes.values()) == [1]
    assert deribit["vega"] == 4000
    assert deribit["theta"] == -90 * 365
    assert (okx["mark_iv"], deribit["mark_iv"]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"symbol": ""}, "no instrument named"), ({"symbol": "BTC-32MAR26-70000-C"}, "symbol"),
        ({"symbol": "?"}, "symbol"), ({"exchange": "mystery"}, "exchange mystery has no symbol grammar"),
        ({"exchange": ""}, "no exchange named"), ({"timestamp": ""}, "no time in timestamp"),
        ({"timestamp": "soon"}, "no time in timestamp"), ({"bid_price": "x"}, "no value for bid"),
        ({"bid_price": "inf"}, "bid that is not finite"), ({"bid_price": -1}, "bid below 0"),
        ({"open_interest": -1}, "open_interest below 0"), ({"mark_iv": -1}, "mark_iv below 0"),
    ],
)  # fmt: skip
def test_one_bad_row_costs_no_other(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    frame, rejections = marks(tmp_path, {}, change, {"open_interest": 7})
    assert frame["open_interest"].tolist() == [100.0, 7.0]
    assert rejections.counts == {reason: 1}
    assert "line 3" in rejections.examples[reason]


@pytest.mark.parametrize(
    "value", [9_300_000_000_000_000, 9_223_372_036_854_775, 1_591_574_399_413_000_000, 1_591_574_399]
)
@pytest.mark.parametrize("column", ["timestamp", "local_timestamp"])
def test_no_time_wraps_around(tmp_path: Path, value: int, column: str) -> None:
    frame, rejections = marks(tmp_path, {column: value}, {})
    assert len(frame) == 1
    (reason,) = rejections.counts
    assert "1990-2100" in reason
    assert str(value) in reason


def test_an_unknown_receipt_time_is_kept_as_unknown(tmp_path: Path) -> None:
    frame, rejections = marks(tmp_path, {"local_timestamp": ""})
    assert frame["seen_ns"].tolist() == [0]
    assert not rejections.counts


def test_sizes_change_with_time() -> None:
    at = [pd.Timestamp(day).value for day in ("2022-04-06", "2022-04-08", "2022-05-27")]
    np.testing.assert_equal(coins_per_contract("okx", "ETH", at), [1.0, np.nan, 0.1])
    assert np.isnan(coins_per_contract("nowhere", "BTC", at)).all()
