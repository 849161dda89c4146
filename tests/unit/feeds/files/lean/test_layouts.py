"""The columns of LEAN's files per security type, resolution and kind, as LEAN's own reader has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.feeds.files.lean_zips import lean_zip, one_member, rows_of
from workstation.feeds.files import Rejections
from workstation.feeds.files.lean.layouts import SECURITIES, layout_of
from workstation.flow.nbbo import prints
from workstation.market.errors import FrameError

CALL, MONTH = "american_call_500000_20240621", "202406_20240621"
QUOTES = [
    ("equity/usa/tick/xyz/20240605_quote.zip", "", "{t},500000,5,501000,7,C,0,{s}", (50.0, 5, 50.1, 7)),
    ("option/usa/tick/xyz/20240605_quote_american.zip", CALL, "{t},12000,5,12500,7,C,{s}", (1.2, 5, 1.25, 7)),
    ("indexoption/usa/tick/spx/20240605_quote_european.zip", CALL, "{t},12000,5,12500,7,C,{s}", (1.2, 5, 1.25, 7)),
    ("future/cme/tick/es/20240605_quote.zip", MONTH, "{t},5300.25,5,5300.5,7,C,{s}", (5300.25, 5, 5300.5, 7)),
    ("futureoption/cme/tick/es/20240621/20240605_quote_american.zip", CALL, "{t},12.25,5,12.5,7,C,{s}",
     (12.25, 5, 12.5, 7)),
    ("crypto/coinbase/tick/btcusd/20240605_quote.zip", "", "{t},70000.1,0.5,70000.2,0.7,{s}",
     (70000.1, 0.5, 70000.2, 0.7)),
    ("cryptofuture/binance/tick/btcusdt/20240605_quote.zip", "perp", "{t},70000.1,0.5,70000.2,0.7,{s}",
     (70000.1, 0.5, 70000.2, 0.7)),
]  # fmt: skip
TRADES = [
    ("equity/usa/tick/xyz/20240605_trade.zip", "", "{t},500000,5,C,0,{s}", (50.0, 5)),
    ("option/usa/tick/xyz/20240605_trade_american.zip", CALL, "{t},12000,5,C,0,{s}", (1.2, 5)),
    ("indexoption/usa/tick/spx/20240605_trade_european.zip", CALL, "{t},12000,5,C,,{s}", (1.2, 5)),
    ("index/usa/tick/spx/20240605_trade.zip", "", "{t},5300.25,3,,,{s}", (5300.25, 3)),
    ("future/cme/tick/es/20240605_trade.zip", MONTH, "{t},5300.25,5,C,,{s}", (5300.25, 5)),
    ("futureoption/cme/tick/es/20240621/20240605_trade_american.zip", CALL, "{t},12.25,5,C,,{s}", (12.25, 5)),
    ("crypto/coinbase/tick/btcusd/20240605_trade.zip", "", "{t},70000.1,0.5,{s}", (70000.1, 0.5)),
    ("cryptofuture/bybit/tick/btcusd/20240605_trade.zip", "perp", "{t},70000.1,0.5,{s}", (70000.1, 0.5)),
]
LINES = [("34200100", 0), ("34200200.25", 0), ("34200300", 1)]


@pytest.mark.parametrize(("where", "contract", "line", "right"), QUOTES, ids=lambda value: str(value)[:40])
def test_tick_quotes(tmp_path: Path, where: str, contract: str, line: str, right: tuple[float, ...]) -> None:
    lines = [line.format(t=time, s=marked) for time, marked in LINES]
    rejections = Rejections()
    (quotes,) = rows_of(one_member(tmp_path, where, lines, contract), rejections).values()
    assert rejections.counts == {"marked suspicious by the source": 1}
    assert quotes[["bid", "bid_size", "ask", "ask_size"]].values.tolist() == [list(right)] * 2
    assert (quotes["event_ns"].diff().iloc[1]) == 100_250_000
    assert (quotes["exchange"] == ("" if "crypto" in where else "C")).all()


@pytest.mark.parametrize(("where", "contract", "line", "right"), TRADES, ids=lambda value: str(value)[:40])
def test_tick_trades(
    tmp_path: Path, where: str, contract: str, line: str, right: tuple[float, float]
) -> None:
    lines = [line.format(t=time, s=marked) for time, marked in LINES]
    rejections = Rejections()
    (trades,) = rows_of(one_member(tmp_path, where, lines, contract), rejections).values()
    assert rejections.counts == {"marked suspicious by the source": 1}
    assert trades[["price", "size"]].values.tolist() == [list(right)] * 2


def test_an_index_value_is_no_trade_of_size_0(tmp_path: Path) -> None:
    rejections = Rejections()
    lines = ["34200100,5300.25,0,,,0", "34200200,5300.5,0,,,0", "34200300,5300.75,2,,,0"]
    tables = rows_of(one_member(tmp_path, "index/usa/tick/spx/20240605_trade.zip", lines), rejections)
    assert tables["marks"]["index"].tolist() == tables["marks"]["last"].tolist() == [5300.25, 5300.5]
    assert tables["marks"]["instrument"].tolist() == ["SPX", "SPX"]
    assert tables["trades"][["price", "size"]].values.tolist() == [[5300.75, 2]]
    assert not rejections.total


@pytest.mark.parametrize(
    ("where", "contract"),
    [
        ("option/usa/tick/xyz/20240605_openinterest_american.zip", CALL),
        ("option/usa/minute/xyz/20240605_openinterest_american.zip", CALL),
        ("indexoption/usa/tick/spx/20240605_openinterest_european.zip", CALL),
        ("future/cme/tick/es/20240605_openinterest.zip", MONTH),
        ("futureoption/cme/tick/es/20240621/20240605_openinterest_american.zip", CALL),
    ],
)
def test_open_interest_of_every_resolution(tmp_path: Path, where: str, contract: str) -> None:
    (marks,) = rows_of(one_member(tmp_path, where, ["23400000,117", "23460000,-1"], contract)).values()
    assert marks["open_interest"].tolist() == [117]
    assert (marks["open_interest_ns"] == marks["event_ns"]).all()
    assert marks["venue"].tolist() == ["opra" if "/usa/" in where else "cme"]


@pytest.mark.parametrize(
    ("where", "contract", "scale"),
    [
        ("equity/usa/second/xyz/20240605_quote.zip", "", 10_000),
        ("option/usa/hour/xyz_2024_quote_american.zip", CALL, 10_000),
        ("indexoption/usa/daily/spx_2024_quote_european.zip", CALL, 10_000),
        ("future/cme/daily/es_quote.zip", MONTH, 1),
        ("futureoption/cme/hour/es/20240621/es_2024_quote_american.zip", CALL, 1),
        ("crypto/coinbase/minute/btcusd/20240605_quote.zip", "", 1),
        ("forex/oanda/daily/eurusd.zip", "", 1),
        ("cfd/oanda/second/xauusd/20240605_quote.zip", "", 1),
    ],
)
def test_quote_bars_with_a_side_that_is_empty(tmp_path: Path, where: str, contract: str, scale: int) -> None:
    fine = "/second/" in where or "/minute/" in where
    time = "34200000" if fine else "20240605 09:00"
    sides = [
        f"{time},100,120,90,110,5,130,140,120,130,7",
        f"{time},,,,,0,130,140,120,130,7",
        f"{time},,,,,0,,,,,0",
    ]
    (quotes,) = rows_of(one_member(tmp_path, where, sides, contract)).values()
    assert quotes["bid"].tolist()[:1] == [110 / scale]
    assert quotes["bid"].isna().tolist() == quotes["bid_size"].isna().tolist() == [False, True, True]
    assert quotes["ask"].isna().tolist() == quotes["ask_size"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("where", "contract", "scale", "every"),
    [
        ("equity/usa/second/xyz/20240605_trade.zip", "", 10_000, 1),
        ("equity/usa/minute/xyz/20240605_trade.zip", "", 10_000, 60),
        ("equity/usa/hour/xyz.zip", "", 10_000, 3_600),
        ("index/usa/daily/spx.zip", "", 1, 86_400),
        ("option/usa/daily/xyz_2024_trade_american.zip", CALL, 10_000, 86_400),
        ("future/cme/hour/es_trade.zip", MONTH, 1, 3_600),
        ("crypto/coinbase/daily/btcusd_trade.zip", "", 1, 86_400),
    ],
)
def test_trade_bars(tmp_path: Path, where: str, contract: str, scale: int, every: int) -> None:
    time = "34200000" if every < 3_600 else "20240605 00:00"
    (candles,) = rows_of(one_member(tmp_path, where, [f"{time},100,120,90,110,5"], contract)).values()
    bar = candles.iloc[0]
    assert (bar[["open", "high", "low", "close"]] * scale).round(9).tolist() == [100, 120, 90, 110]
    assert (bar["volume"], bar["every_ns"], bar["closed"]) == (5, every * 10**9, True)


def test_lines_of_one_side_are_halves_of_the_national_best_quote_of_an_equity(tmp_path: Path) -> None:
    text = (
        "1,481800,100,0,0,P,1,0\n1,0,0,481900,300,N,1,0\n2,481900,200,0,0,Z,1,0\n2,0,0,482000,400,N,1,0\n"
        "3,481700,5,481800,6,Q,1,0\n4,0,0,490000,200,P,1,0\n"
    )
    file = lean_zip(tmp_path, "equity/usa/tick/aig/20131008_quote.zip", {"20131008_aig_Quote_Tick.csv": text})
    quotes = rows_of(file)["quotes"]
    assert quotes["bid"].tolist() == [48.18, 48.18, 48.19, 48.19, 48.17, 48.17]
    assert quotes["bid_size"].tolist() == [100, 100, 200, 200, 5, 5]
    assert quotes["ask"].fillna(-1).tolist() == [-1, 48.19, 48.19, 48.2, 48.18, 49.0]
    assert quotes["ask_size"].fillna(-1).tolist() == [-1, 300, 300, 400, 6, 200]
    assert quotes["exchange"].tolist() == ["", "", "", "", "Q", ""]


def test_a_print_meets_the_best_bid_of_one_exchange_and_the_best_ask_of_another(tmp_path: Path) -> None:
    lines = [
        "34200000,481800,100,0,0,P,1,0", "34200000,0,0,481900,300,N,1,0",
        "34200500,481900,200,0,0,Z,1,0", "34200500,0,0,482000,400,Q,1,0",
        "34200900,481800,100,0,0,K,1,0", "34200900,0,0,482000,400,Q,1,0",
    ]  # fmt: skip
    quotes = rows_of(one_member(tmp_path, "equity/usa/tick/aig/20131008_quote.zip", lines))["quotes"]
    ticks = ["34200400,481900,5,N,0,0", "34200600,481900,5,Z,0,0", "34200950,481800,5,K,0,0"]
    trades = rows_of(one_member(tmp_path, "equity/usa/tick/aig/20131008_trade.zip", ticks))["trades"]
    rows = prints(trades, quotes)
    assert rows[["bid", "ask"]].values.tolist() == [[48.18, 48.19], [48.19, 48.2], [48.18, 48.2]]
    assert rows["exclusion"].tolist() == ["", "", ""] and rows["side"].tolist() == [1, -1, -1]


def test_a_side_told_last_goes_on_from_block_to_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(3)
    lines, last, right = [], [np.nan] * 2, []
    for row in range(4_000):
        venue, side = ("P", "Q")[chance.integers(2)], chance.integers(2)
        price = int(chance.integers(480_000, 490_000))
        last[side] = price / 10_000
        right.append(list(last))
        lines.append(f"{row},{price if side == 0 else 0},1,{price if side else 0},1,{venue},1,0")
    file = one_member(tmp_path, "equity/usa/tick/aig/20131008_quote.zip", lines)
    for size in (4 << 20, 1_000):
        monkeypatch.setattr("workstation.feeds.files.lean.members.BLOCK_BYTES", size)
        quotes = rows_of(file)["quotes"]
        np.testing.assert_array_equal(quotes[["bid", "ask"]].to_numpy(), np.array(right))


def test_an_option_without_a_bid_is_one_sided_not_carried(tmp_path: Path) -> None:
    lines = ["1,12000,5,12500,7,C,0", "2,,,12500,7,C,0", "3,0,0,12600,7,C,0"]
    file = one_member(tmp_path, "option/usa/tick/xyz/20240605_quote_american.zip", lines, CALL)
    quotes = rows_of(file)["quotes"]
    assert quotes["bid"].isna().tolist() == quotes["bid_size"].isna().tolist() == [False, True, True]


def test_short_lines_that_lean_reads_are_read(tmp_path: Path) -> None:
    trades = rows_of(
        one_member(tmp_path, "equity/usa/tick/xyz/20240605_trade.zip", ["1,500000,5", "2,500000,6"])
    )
    assert trades["trades"]["size"].tolist() == [5, 6]
    mixed = ["1,500000,5,Q,0,0", "2,500000,6"]
    assert rows_of(one_member(tmp_path, "equity/usa/tick/xyz/20240606_trade.zip", mixed))["trades"][
        "exchange"
    ].tolist() == ["Q", ""]
    quotes = rows_of(one_member(tmp_path, "equity/usa/tick/xyz/20240605_quote.zip", ["1,500000,5,501000,6"]))
    assert quotes["quotes"]["ask"].tolist() == [50.1]


def test_fractions_in_a_scaled_file_are_read(tmp_path: Path) -> None:
    trades = rows_of(
        one_member(tmp_path, "equity/usa/tick/xyz/20240605_trade.zip", ["1,500000.5,0.5,Q,0,0"])
    )["trades"]
    assert trades[["price", "size"]].values.tolist() == [[50.00005, 0.5]]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("forex/oanda/tick/eurusd/20240605_trade.zip", "no tick trade files of forex"),
        ("equity/usa/tick/spy/20240605_openinterest.zip", "no tick openinterest files of equity"),
        ("index/usa/minute/spx/20240605_quote.zip", "no minute quote files of index"),
        ("crypto/coinbase/daily/btcusd.zip", "says trade, quote or openinterest"),
        ("equity/usa/tick/spy/20241399_trade.zip", "20241399 is not a date"),
        ("equity/usa/spy/20131008_trade.zip", "not a LEAN path"),
        ("20131008_trade.zip", "not a LEAN path"),
    ],
)
def test_what_lean_does_not_write_is_refused(tmp_path: Path, where: str, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        rows_of(lean_zip(tmp_path, where, {"x.csv": "1,2,3\n"}))


def test_every_layout_begins_with_a_time_and_ends_a_tick_with_its_mark() -> None:
    tried = 0
    for security in SECURITIES:
        for resolution in ("tick", "second", "minute", "hour", "daily"):
            for kind in ("trade", "quote", "openinterest"):
                try:
                    layout = layout_of(security, resolution, kind)
                except FrameError:
                    continue
                tried += 1
                assert layout.columns[0] == "time"
                assert len(set(layout.columns)) == len(layout.columns) >= layout.least
    assert tried > 60
