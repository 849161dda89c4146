"""Which instrument a member of a LEAN zip is: share classes, futures, future options, crypto, foreign listings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.feeds.files.lean_zips import lean_zip, one_member, rows_of
from workstation.feeds.files import Rejections
from workstation.history import open_history
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.research.importing import import_files

QUOTE = "34200000,50000,51000,49000,50000,10,52000,53000,51000,52000,12"
BAR = "34200000,100,120,90,110,5"


@pytest.mark.parametrize(
    ("ticker", "root", "underlying"),
    [
        ("brk.b", "BRKB", "BRK.B"), ("brk.a", "BRKA", "BRK.A"), ("bf.b", "BFB", "BF.B"),
        ("hei.a", "HEIA", "HEI.A"), ("lgf.b", "LGFB", "LGF.B"), ("goog", "GOOG", "GOOG"),
    ],
)  # fmt: skip
def test_options_of_a_share_class(tmp_path: Path, ticker: str, root: str, underlying: str) -> None:
    where = f"option/usa/minute/{ticker}/20231020_quote_american.zip"
    file = one_member(tmp_path, where, [QUOTE], "put_3625000_20231117")
    (quotes,) = rows_of(file).values()
    name = f"{root:6}231117P00362500"
    assert quotes["instrument"].tolist() == [name]
    terms = INSTRUMENT_TERMS.describe([name]).iloc[0]
    assert (terms["underlying"], terms["root"], terms["strike"], terms["multiplier"]) == (
        underlying,
        root,
        362.5,
        100,
    )


def test_a_share_class_itself_is_its_ticker(tmp_path: Path) -> None:
    file = one_member(tmp_path, "equity/usa/minute/brk.b/20231020_trade.zip", [BAR])
    assert rows_of(file)["candles"]["instrument"].tolist() == ["BRK.B"]


def test_a_future_option_is_no_stock_option(tmp_path: Path) -> None:
    file = one_member(
        tmp_path,
        "futureoption/cme/minute/es/202003/20200106_quote_american.zip",
        [QUOTE],
        "call_30000000_20200320",
    )
    with open_history(tmp_path / "h") as history:
        done = import_files(history, "lean", [file])
        terms = history.read("instruments").set_index("instrument").loc["ES-200320-3000-C"]
        told = history.read("health")
    assert done.rows["quotes"] == 1
    assert (terms["kind"], terms["underlying"], terms["root"]) == ("option", "ESH20", "ES")
    assert (terms["strike"], terms["right"], terms["style"]) == (3000, "C", "american")
    assert np.isnan(terms["multiplier"])
    assert terms["expiry_ns"] == np.iinfo(np.int64).min, "LEAN names the day, not the time"
    assert any("multiplier" in reason for reason in done.rejections.notes)
    assert (told["event"] == "unknown").any()


@pytest.mark.parametrize(
    ("where", "name", "underlying"),
    [
        ("futureoption/comex/minute/og/202002/20200106_quote_american.zip", "OG-200128-1500-C", "GCG20"),
        ("futureoption/cbot/minute/ozc/202003/20200106_quote_american.zip", "OZC-200128-1500-C", "ZCH20"),
        ("futureoption/nymex/minute/lo/20200220/20200106_quote_american.zip", "LO-200128-1500-C", ""),
    ],
)
def test_the_future_under_an_option(tmp_path: Path, where: str, name: str, underlying: str) -> None:
    rejections = Rejections()
    (quotes,) = rows_of(one_member(tmp_path, where, [QUOTE], "call_15000000_20200128"), rejections).values()
    assert quotes["instrument"].tolist() == [name]
    assert INSTRUMENT_TERMS.describe([name])["underlying"].tolist() == [underlying]
    assert any("underlying future" in reason for reason in rejections.notes) == (not underlying)


@pytest.mark.parametrize(
    ("where", "contract", "name"),
    [
        ("future/comex/minute/gc/20131103_trade.zip", "201312", "GCZ13"),
        ("future/cme/minute/es/20240605_trade.zip", "202406_20240621", "ESM24"),
        ("future/eurex/minute/fesx/20240605_trade.zip", "202409_20240920", "FESXU24"),
        ("future/cme/daily/es_trade.zip", "202401_20240119", "ESF24"),
        ("crypto/coinbase/minute/btcusd/20240605_trade.zip", "", "BTC/USD"),
        ("crypto/binance/minute/ethusdt/20240605_trade.zip", "", "ETH/USDT"),
        ("crypto/bitfinex/minute/ethbtc/20240605_trade.zip", "", "ETH/BTC"),
        ("cryptofuture/binance/minute/btcusdt/20240605_trade.zip", "perp", "BTC/USDT:USDT"),
        ("cryptofuture/binance/minute/btcusd/20240605_trade.zip", "perp", "BTC/USD:BTC"),
        ("cryptofuture/binance/minute/btcusdt/20240605_trade.zip", "202406_20240628", "BTC/USDT:USDT-240628"),
        ("equity/india/minute/sbin/20240605_trade.zip", "", "INDIA:SBIN"),
        ("index/eurex/minute/sx5e/20240605_trade.zip", "", "EUREX:SX5E"),
        ("option/india/minute/nifty/20240605_trade_european.zip", "put_220005000_20240627",
         "INDIA:NIFTY-240627-22000.5-P"),
        ("cfd/oanda/minute/spx500usd/20240605_quote.zip", "", "SPX500/USD"),
        ("cfd/interactivebrokers/minute/ibus500/20240605_quote.zip", "", "INTERACTIVEBROKERS:IBUS500"),
        ("forex/oanda/minute/usdjpy/20240605_quote.zip", "", "USD/JPY"),
    ],
)  # fmt: skip
def test_names(tmp_path: Path, where: str, contract: str, name: str) -> None:
    daily = "20240605 00:00" if "/daily/" in where else "34200000"
    line = (QUOTE if "_quote" in where else BAR).replace("34200000", daily)
    rejections = Rejections()
    (rows,) = rows_of(one_member(tmp_path, where, [line], contract), rejections).values()
    assert rows["instrument"].tolist() == [name]
    assert not rejections.total


def test_what_is_listed_abroad_is_not_in_dollars(tmp_path: Path) -> None:
    rows_of(one_member(tmp_path, "equity/india/minute/tcs/20240605_trade.zip", [BAR]))
    terms = INSTRUMENT_TERMS.describe(["INDIA:TCS"]).iloc[0]
    assert (terms["kind"], terms["premium_currency"], terms["venue"]) == ("equity", "", "india")
    assert np.isnan(terms["multiplier"])


@pytest.mark.parametrize(
    ("where", "member"),
    [
        ("future/comex/minute/gc/20131103_trade.zip", "20131103_gc_minute_trade_201300.csv"),
        ("future/comex/minute/gc/20131103_trade.zip", "20131103_gc_minute_trade_201313.csv"),
        ("future/comex/minute/gc/20131103_trade.zip", "20131103_gc_minute_trade.csv"),
        ("future/comex/minute/gc/20131103_trade.zip", "20131103_gc_minute_quote_201312.csv"),
        ("option/usa/minute/goog/20131103_trade_american.zip", "20131103_goog_minute_trade_american_call_0_20131220.csv"),
        ("option/usa/minute/goog/20131103_trade_american.zip",
         "20131103_goog_minute_trade_american_call_500000_20131399.csv"),
        ("option/usa/minute/goog/20131103_trade_american.zip",
         "20131103_goog_minute_trade_american_call_500001_20131220.csv"),
        ("option/usa/minute/goog/20131103_trade_american.zip",
         "20131103_toolongname_minute_trade_american_call_500000_20131220.csv"),
        ("option/usa/minute/goog/20131103_trade_american.zip", "20131103_goog_minute_trade_american_straddle.csv"),
        ("cryptofuture/dydx/minute/btcusd/20240605_trade.zip", "20240605_btcusd_minute_trade_perp.csv"),
    ],
)  # fmt: skip
def test_a_member_whose_name_says_no_contract_is_set_aside_by_name(
    tmp_path: Path, where: str, member: str
) -> None:
    bad = f"{BAR}\n{BAR}\n"
    rejections = Rejections()
    assert rows_of(lean_zip(tmp_path / "alone", where, {member: bad}), rejections) == {}
    assert rejections.total == 2, "both lines are counted"
    assert list(rejections.examples.values()) == [member]


def test_odd_members_cost_the_others_nothing(tmp_path: Path) -> None:
    where = "option/usa/minute/goog/20151224_quote_american.zip"
    good = {
        f"20151224_goog_minute_quote_american_call_{strike}0000_20160108.csv": f"{QUOTE}\n"
        for strike in range(700, 760)
    }
    odd = {
        "readme.txt": "x",
        "__MACOSX/._goog.csv": b"\x00\x05",
        "20151224_goog_minute_quote_american_call.csv": f"{QUOTE}\n",
    }
    names = sorted(good | odd)
    rejections = Rejections()
    quotes = rows_of(lean_zip(tmp_path, where, {name: (good | odd)[name] for name in names}), rejections)[
        "quotes"
    ]
    assert len(quotes) == 60
    assert pd.Series(quotes["instrument"].astype(str)).nunique() == 60
    assert rejections.total == 3
