"""Paper books: what they say, and what is said about a bad one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workstation.market.errors import FrameError
from workstation.portfolio.paper import MOST_ROWS, paper_fills, replaced, without
from workstation.portfolio.positions import positions

HEAD = "time,venue,instrument,side,size,price,fee,fee_currency,kind"
LINES = (
    "2026-03-21T00:00:00Z,okx,BTC-USDT-SWAP,,,,-12.5,USDT,funding",
    "2026-03-20T05:00:00+01:00,deribit,BTC-27MAR26-70000-C,Buy,2,0.031,0.0006,,",
    "2026-03-20T05:00:00Z,deribit,BTC-PERPETUAL,sell,7000,70000,,,trade",
    "2026-03-20T06:00:00Z,bybit,BTC-27MAR26-70000-P-USDT,sell,0.5,1500,1.2,USDT,trade",
    "2026-03-27T08:00:00Z,bybit,BTC-27MAR26-70000-P-USDT,,,250,,,settlement",
    "2026-03-20T05:00:00Z,otc,ETH/USD:ETH-260327-3000-C,buy,1,0.02,,,",
)


def written(folder: Path, *lines: str, head: str = HEAD) -> Path:
    path = folder / "book.csv"
    path.write_text("\n".join([head, *lines]))
    return path


def test_a_paper_book_becomes_fills_by_time(tmp_path: Path) -> None:
    fills = paper_fills(written(tmp_path, *LINES))
    assert fills["event_ns"].is_monotonic_increasing
    first = fills.iloc[0]
    assert first["event_ns"] == pd.Timestamp("2026-03-20T04:00:00").value
    assert (first["instrument"], first["side"], first["fee_currency"]) == (
        "BTC/USD:BTC-260327-70000-C",
        1,
        "BTC",
    )
    assert first["fill_id"] == "book.csv:3"
    held = positions(fills).set_index("instrument")
    assert held.loc["BTC/USD:BTC", "quantity"] == pytest.approx(-0.1)
    assert held.loc["BTC/USDT:USDT", "funding_usd"] == 12.5
    put = held.loc["BTC/USDT:USDT-260327-70000-P"]
    assert (put["quantity"], put["settled_usd"], put["fees_usd"]) == (0.0, 625.0, -1.2)


def test_a_file_loaded_twice_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path, *LINES)
    twice = pd.concat([paper_fills(path), paper_fills(path)], ignore_index=True)
    pd.testing.assert_series_equal(positions(twice)["quantity"], positions(paper_fills(path))["quantity"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("noon,okx,BTC-USDT,buy,1,2,,,", "line 2, column time: 'noon' is not a time"),
        ("2026-03-20,okx,BTC-USDT,hold,1,2,,,", "line 2, column side: 'hold' is not buy or sell"),
        ("2026-03-20,okx,BTC-USDT,buy,-1,2,,,", "line 2, column size: '-1' is not a positive number"),
        ("2026-03-20,okx,BTC-USDT,buy,1,,,,", "line 2, column price: '' is not a positive number"),
        ("2026-03-20,okx,BTC-USDT,buy,1,nan,,,", "line 2, column price: 'nan' is not"),
        ("2026-03-20,okx,BTC-USDT,buy,1,2,x,,", "line 2, column fee: 'x' is not a number"),
        ("2026-03-20,okx,BTC-USDT,buy,1,2,,,gift", "line 2, column kind: 'gift' is not one of trade"),
        ("2026-03-20,,BTC-USDT,buy,1,2,,,", "line 2, column venue: '' is not a venue"),
        ("2026-03-20,deribit,BTC-27XYZ26-1-C,buy,1,2,,,", "line 2, column instrument: "),
        ("2026-03-20,okx,BTC-USDT,buy,1,2,,,,,7", "line 2: 2 values more than columns"),
    ],
)
def test_a_bad_line_is_named_with_its_column(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(FrameError) as raised:
        paper_fills(written(tmp_path, line))
    assert str(raised.value).startswith("book.csv, ") and words in str(raised.value)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("time,venue,instrument,side,size", "column price is missing"),
        (HEAD + ",mood", "no such column 'mood'"),
    ],
)
def test_a_bad_head_is_named(tmp_path: Path, head: str, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        paper_fills(written(tmp_path, head=head))


def test_an_empty_book_has_no_fills(tmp_path: Path) -> None:
    assert paper_fills(written(tmp_path)).empty


GOOD = "2026-03-20T05:00:00Z,deribit,BTC-27MAR26-70000-C,buy,2,0.0310,0.0006,BTC,trade"


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.replace("BTC-27MAR26-70000-C", "A&B"),
        GOOD.replace("2026-03-20T05:00:00Z", "1889-03-20"),
        GOOD.replace("2026-03-20T05:00:00Z", "9999-03-20"),
        GOOD.replace(",buy,", ",hold,"),
        GOOD.replace("0.0310", "inf"),
        GOOD.replace(",trade", ",gift"),
        GOOD + ",1,2",
        GOOD.replace("deribit", '"deri"bit'),
        "x",
    ],
)
def test_one_bad_line_is_set_aside_with_its_number(tmp_path: Path, bad: str) -> None:
    fills = paper_fills(written(tmp_path, GOOD, bad, GOOD))
    assert fills["fill_id"].tolist() == ["book.csv:2", "book.csv:4"]
    (told,) = fills.attrs["set_aside"]
    assert told.startswith("book.csv, line 3")


def test_a_quote_that_is_never_closed_costs_only_what_it_holds(tmp_path: Path) -> None:
    fills = paper_fills(written(tmp_path, GOOD, '"open', GOOD))
    assert len(fills) == 1 and "lines 3 to 4" in fills.attrs["set_aside"][0]


def test_a_large_book_is_read_and_a_larger_one_refused_in_words(tmp_path: Path) -> None:
    assert len(paper_fills(written(tmp_path, *[GOOD] * 50_000))) == 50_000
    with pytest.raises(FrameError, match=r"more than 200,000 lines.*split it"):
        paper_fills(written(tmp_path, *["x"] * (MOST_ROWS + 1)))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(HEAD.encode() + b"\n\xff\xfe")
    with pytest.raises(FrameError, match=r"book\.csv is not UTF-8"):
        paper_fills(path)


def test_a_side_and_a_margin_mode_may_be_given(tmp_path: Path) -> None:
    head = "time,venue,instrument,side,size,price,position_side,margin_mode"
    lines = [
        "2026-03-20,okx,BTC-USDT-SWAP,buy,1,69000,long,cross",
        "2026-03-20,okx,BTC-USDT-SWAP,sell,0.4,71000,short,cross",
        "2026-03-20,okx,BTC-USDT-SWAP,sell,0.4,71000,both,cross",
    ]
    fills = paper_fills(written(tmp_path, *lines, head=head))
    held = positions(fills)
    assert held[["position_side", "quantity"]].astype(str).values.tolist() == [
        ["long", "1.0"],
        ["short", "-0.4"],
    ]
    assert "line 4, column position_side: 'both' is not long, short or empty" in fills.attrs["set_aside"][0]


def test_fills_can_be_taken_out_and_a_book_exchanged(tmp_path: Path) -> None:
    fills = paper_fills(written(tmp_path, *LINES))
    fewer = without(fills, ["book.csv:3"])
    assert len(fewer) == len(fills) - 1 and "book.csv:3" not in set(fewer["fill_id"])
    with pytest.raises(KeyError, match=r"book\.csv:99"):
        without(fills, ["book.csv:99"])
    new = paper_fills(written(tmp_path, GOOD.replace(",2,", ",7,")))
    both = replaced(fills, new)
    assert both.loc[both["venue"].astype(str) == "deribit", "size"].tolist() == [7.0]
    assert set(both["venue"].astype(str)) == set(fills["venue"].astype(str))
