"""Tardis prints, quotes, tickers and liquidations: sizes in coins, sides by word, every row kept or told."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.feeds.files.tables import rows
from workstation.feeds.files import Rejections
from workstation.market.errors import FrameError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import INSTRUMENTS

US = 1_735_689_600_000_000
STAMP = "exchange,symbol,timestamp,local_timestamp"
PRINTS = f"{STAMP},id,side,price,amount"
QUOTES = f"{STAMP},ask_amount,ask_price,bid_price,bid_amount"


def read(folder: Path, name: str, head: str, *lines: str) -> tuple[dict[str, pd.DataFrame], Rejections]:
    path = folder / name
    text = "\n".join([head, *lines]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return rows("tardis", path)


@pytest.mark.parametrize(
    ("exchange", "symbol", "instrument", "size"),
    [
        ("binance-futures", "BTCUSDT", "BTC/USDT:USDT", 200.0),
        ("binance", "BTCUSDT", "BTC/USDT", 200.0),
        ("binance-european-options", "BTC-250131-100000-C", "BTC/USDT:USDT-250131-100000-C", 200.0),
        ("deribit", "BTC-31JAN25-100000-C", "BTC/USD:BTC-250131-100000-C", 200.0),
        ("deribit", "BTC-PERPETUAL", "BTC/USD:BTC", 4.0),
        ("deribit", "BTC-31JAN25", "BTC/USD:BTC-250131", 4.0),
        ("deribit", "BTC_USDC-PERPETUAL", "BTC/USDC:USDC", 200.0),
        ("bybit", "BTCUSDT", "BTC/USDT:USDT", 200.0),
        ("bybit", "BTCUSD", "BTC/USD:BTC", 4.0),
        ("bybit-spot", "BTCUSDT", "BTC/USDT", 200.0),
        ("bybit-options", "BTC-31JAN25-100000-C", "BTC/USDC:USDC-250131-100000-C", 200.0),
        ("okex", "BTC-USDT", "BTC/USDT", 200.0),
        ("okex-options", "ETH-USD-250131-3000-P", "ETH/USD:ETH-250131-3000-P", 20.0),
    ],
)
def test_prints_and_quotes_of_every_venue_are_in_coins(
    tmp_path: Path, exchange: str, symbol: str, instrument: str, size: float
) -> None:
    stamp = f"{exchange},{symbol},{US},{US + 5}"
    lines = [f"{stamp},{number},{side},50,200" for number, side in enumerate(("buy", "sell", "unknown"))]
    found, rejections = read(tmp_path, f"{exchange}_trades_2025-01-01_X.csv.gz", PRINTS, *lines)
    trades = found["trades"]
    assert set(trades["instrument"]) == {instrument} and trades["size"].tolist() == pytest.approx([size] * 3)
    assert trades["side"].tolist() == [1, -1, 0] and trades["trade_id"].tolist() == ["0", "1", "2"]
    assert (trades["event_ns"] == US * 1000).all() and (trades["seen_ns"] == (US + 5) * 1000).all()
    quotes, _ = read(tmp_path, "quotes.csv", QUOTES, f"{stamp},200,50,50,200", f"{stamp},,,50,200")
    assert quotes["quotes"]["bid_size"].tolist() == pytest.approx([size] * 2)
    assert quotes["quotes"]["ask"].isna().tolist() == [False, True]
    assert not rejections.counts


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [("okex-swap", "BTC-USDT-SWAP"), ("okex-futures", "BTC-USD-250131"), ("binance-delivery", "ETHUSD_PERP")],
)
def test_contracts_of_unknown_size_are_told_until_they_are_registered(
    tmp_path: Path, exchange: str, symbol: str
) -> None:
    line = f"{exchange},{symbol},{US},{US},1,buy,50,200"
    found, rejections = read(tmp_path, "a_trades.csv", PRINTS, line, line)
    assert not found and rejections.counts == {f"contract size of {exchange} is not known": 2}


def test_a_registered_contract_keeps_its_count(tmp_path: Path) -> None:
    terms = {
        "event_ns": 0,
        "instrument": "XRP/USDT:USDT",
        "venue": "okx",
        "kind": "perpetual",
        "multiplier": 100.0,
    }
    INSTRUMENT_TERMS.register(INSTRUMENTS.conform(pd.DataFrame([terms])))
    line = f"okex-swap,XRP-USDT-SWAP,{US},{US},1,buy,2,7"
    assert read(tmp_path, "a_trades.csv", PRINTS, line)[0]["trades"]["size"].tolist() == [7.0]


def test_tickers_liquidations_and_books(tmp_path: Path) -> None:
    stamp = f"binance-futures,BTCUSDT,{US},{US}"
    head = f"{STAMP},funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price"
    found, _ = read(tmp_path, "t.csv", head, f"{stamp},,0.0001,,100,70000,70001,70002")
    ticker = found["marks"].iloc[0]
    assert ticker[["open_interest", "last", "index", "mark"]].tolist() == [100.0, 70000.0, 70001.0, 70002.0]
    found, aside = read(
        tmp_path, "a_liquidations_b.csv", PRINTS, f"{stamp},,buy,7,1", f"{stamp},,unknown,7,1"
    )
    assert found["liquidations"]["side"].tolist() == [1] and aside.total == 1
    head = f"{STAMP},asks[0].price,asks[0].amount,bids[0].price,bids[0].amount,asks[1].price,asks[1].amount"
    found, _ = read(tmp_path, "b.csv", head, f"{stamp},7,1,6,2,8,3")
    assert found["quotes"][["bid", "bid_size", "ask", "ask_size"]].iloc[0].tolist() == [6.0, 2.0, 7.0, 1.0]


@pytest.mark.parametrize(
    "bad",
    [
        f"binance-futures,,{US},{US},1,buy,50,2", f"ftx,BTC,{US},{US},1,buy,50,2", f",BTCUSDT,{US},{US},1,buy,50,2",
        "binance-futures,BTCUSDT,,,1,buy,50,2", f"binance-futures,BTCUSDT,{US // 1000},{US},1,buy,50,2",
        f"binance-futures,BTCUSDT,{US},{US},1,bid,50,2", f"binance-futures,BTCUSDT,{US},{US},1,buy,,2",
        f"binance-futures,BTCUSDT,{US},{US},1,buy,x,2", f"binance-futures,BTCUSDT,{US},{US},1,buy,50,0",
        f"binance-futures,BTCUSDT,{US},{US},1,buy,50,-1", f"binance-futures,BTCUSDT,{US},{US},1,buy,inf,1",
        f"binance-futures,BTCUSDT,{US},{US},1,buy,50",
    ],
)  # fmt: skip
def test_a_bad_row_is_told_and_costs_no_other(tmp_path: Path, bad: str) -> None:
    good = f"binance-futures,BTCUSDT,{US},{US},1,buy,50,2"
    found, rejections = read(tmp_path, "a_trades.csv", PRINTS, good, bad, good)
    assert len(found["trades"]) == 2 and rejections.total == 1


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("a.csv", PRINTS, "trades and liquidations have the same columns"),
        ("a.csv", f"{STAMP},is_snapshot,side,price,amount", "order book"),
        ("a.csv", f"{STAMP},open", "no column"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, name: str, head: str, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        read(tmp_path, name, head, f"binance-futures,BTCUSDT,{US},{US},1,buy,50,2")
