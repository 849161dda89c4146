"""Paper books: what they say, and what is said about a bad one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workstation.market.errors import FrameError
from workstation.portfolio.paper import paper_fills
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
