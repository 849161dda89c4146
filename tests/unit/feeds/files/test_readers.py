"""Each reader on small files written after the format's public description."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workstation.feeds.files import FORMATS, Rejections, read
from workstation.feeds.files.table import load_mapping, shipped_mappings
from workstation.market.errors import FrameError

CBOE_CSV = """
Standard & Poors 500 Index,Last: 4505.1001,Change:  37.6601
"Date: September 14, 2023 at 4:31 PM EDT",Bid: 4483.25,Ask: 4526.27,Size: 1*1,Volume: 0
Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest
Fri Sep 15 2023,SPXW230915C04500000,21.5,0,21.1,21.6,17,0.1012,0.52,0.0091,1200,4500.00,SPXW230915P04500000,0,0,0,0.05,0,0,0,0,18
"""


def rows(
    format_name: str, path: Path, rejections: Rejections | None = None, **options: str
) -> dict[str, pd.DataFrame]:
    tables: dict[str, list[pd.DataFrame]] = {}
    for name, frame in read(
        format_name, path, rejections if rejections is not None else Rejections(), **options
    ):
        tables.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items()}


def test_cboe_csv_gives_marks_of_both_sides_and_the_underlying(tmp_path: Path) -> None:
    file = tmp_path / "quotedata.csv"
    file.write_text(CBOE_CSV)
    tables = rows("cboe", file)
    marks = tables["marks"]
    assert marks["instrument"].tolist() == ["SPXW  230915C04500000", "SPXW  230915P04500000"]
    assert (marks["event_ns"] == pd.Timestamp("2023-09-14T16:31", tz="America/New_York").value).all()
    assert marks["mark_iv"].tolist()[0] == 0.1012
    assert marks["mark"].tolist()[0] == pytest.approx(21.35)
    put = marks.iloc[1]
    assert np.isnan([put["bid"], put["mark_iv"], put["delta"], put["gamma"], put["last"]]).all(), (
        "zeros mean none"
    )
    assert put["open_interest"] == 18
    assert (marks["index"] == 4505.1001).all()
    assert tables["quotes"][["instrument", "bid", "ask"]].values.tolist() == [["SPX", 4483.25, 4526.27]]


def test_cboe_csv_with_a_foreign_header_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "quotedata.csv"
    file.write_text(CBOE_CSV.replace("Expiration Date,Calls", "Expiry,Call"))
    with pytest.raises(FrameError, match=r"quotedata.csv, line 4"):
        rows("cboe", file)


def test_cboe_json_scales_greeks_to_natural_units(tmp_path: Path) -> None:
    option = {
        "option": "AAPL260724C00330000", "bid": 11.25, "bid_size": 1.0, "ask": 11.95, "ask_size": 2.0, "iv": 0.305,
        "open_interest": 2144.0, "volume": 497.0, "delta": 0.57, "gamma": 0.016, "vega": 0.3134, "theta": -0.2313,
        "rho": 0.0965, "theo": 11.66, "last_trade_price": 11.78,
    }  # fmt: skip
    data = {"options": [option], "symbol": "AAPL", "current_price": 333.8, "bid": 333.7, "ask": 333.9}
    file = tmp_path / "AAPL.json.gz"
    with gzip.open(file, "wt") as out:
        json.dump({"timestamp": "2026-07-24 19:44:38", "data": data}, out)
    mark = rows("cboe", file)["marks"].iloc[0]
    assert mark["vega"] == pytest.approx(31.34)
    assert mark["theta"] == pytest.approx(-0.2313 * 365)
    assert mark["event_ns"] == pd.Timestamp("2026-07-24T19:44:38Z").value


TARDIS = (
    "exchange,symbol,timestamp,local_timestamp,type,strike_price,expiration,open_interest,last_price,bid_price,"
    "bid_amount,bid_iv,ask_price,ask_amount,ask_iv,mark_price,mark_iv,underlying_index,underlying_price,delta,gamma,"
    "vega,theta,rho\n"
    "deribit,BTC-9JUN20-9875-P,1591574399413000,1591574400196008,put,9875,1591689600000000,0.1,0.0295,0.0205,15.1,"
    "55.91,0.0235,15.2,68.94,0.02210436,62.89,SYN.BTC-9JUN20,9756.36,-0.61752,0.00103,2.24964,-53.05655,-0.22796\n"
    "okex-options,BTC-USD-200609-9875-P,1591574399413000,1591574400196008,put,9875,1591689600000000,1,,,,,,,,"
    ",0.6289,,9756.36,-0.6,0.001,2.2,-53.0,-0.2\n"
    "mystery,BTC-1,1591574399413000,1591574400196008,put,1,1591689600000000,1,,,,,,,,,,,,,,,,\n"
)


def test_tardis_scales_by_venue_and_counts_unknown_exchanges(tmp_path: Path) -> None:
    file = tmp_path / "options_chain.csv"
    file.write_text(TARDIS)
    rejections = Rejections()
    marks = rows("tardis", file, rejections)["marks"]
    assert marks["mark_iv"].tolist() == [0.6289, 0.6289]
    assert marks["vega"].iloc[0] == pytest.approx(224.964)
    assert marks["event_ns"].iloc[0] == 1591574399413000000
    assert marks["instrument"].iloc[0] == "BTC/USD:BTC-200609-9875-P"
    assert rejections.counts == {"exchange mystery has no symbol grammar": 1}


def test_frames_of_both_line_forms(tmp_path: Path) -> None:
    file = tmp_path / "OKX.ws.0"
    file.write_text(
        "wss://ws.okx.com:8443/ws/v5/public <-> 1652459224.5300605\n"
        'wss://ws.okx.com:8443/ws/v5/public <- 1652459225.29: {"op":"subscribe"}\n'
        '1652459225.5012: {"event":"subscribe"}\n'
        '1723161600001658384 {"arg":{}}\n'
        "no frame at all\n"
    )
    rejections = Rejections()
    frames = rows("frames", file, rejections)["frames"]
    assert frames["payload"].tolist() == [b'{"event":"subscribe"}', b'{"arg":{}}']
    assert frames["event_ns"].tolist() == [1652459225501200000, 1723161600001658384]
    assert (frames["feed"] == "okx").all()
    assert sum(rejections.counts.values()) == 3
    assert "OKX.ws.0, line 5" in rejections.examples["line of neither capture form"]


MAPPING = """
table: trades
time: {column: when, format: ms}
instrument: {column: what, grammar: deribit}
columns:
  price: {column: px, scale: 0.01}
  size: qty
  side: {column: dir, values: {buy: 1, sell: -1}}
constants: {venue: deribit}
"""


def test_table_maps_columns_units_and_words(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING)
    file = tmp_path / "t.csv"
    file.write_text(
        "when,what,px,qty,dir\n1700000001000,BTC-PERPETUAL,250,1,sell\n,BTC-PERPETUAL,1,1,buy\n"
        "1700000002000,NO SUCH,1,1,buy\n1700000003000,BTC-PERPETUAL,x,1,buy\n"
    )
    rejections = Rejections()
    trades = rows("table", file, rejections, mapping=str(tmp_path / "m.yaml"))["trades"]
    assert trades[["event_ns", "instrument", "price", "side"]].values.tolist() == [
        [1_700_000_001 * 10**9, "BTC/USD:BTC", 2.5, -1]
    ]
    assert rejections.counts == {"no time in when": 1, "symbol": 1, "no value for price": 1}


def test_table_reads_parquet_as_csv(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING)
    frame = pd.DataFrame(
        {"when": [1_700_000_001_000], "what": ["BTC-PERPETUAL"], "px": [250.0], "qty": [1.0], "dir": ["buy"]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    one, two = (
        rows("table", tmp_path / f"t.{kind}", mapping=str(tmp_path / "m.yaml"))["trades"]
        for kind in ("parquet", "csv")
    )
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("px", "nowhere"), "wants column nowhere"),
        (("table: trades", "table: trade"), "no such table"),
        (("price:", "prize:"), "no column prize"),
        (("format: ms", "format: minutes"), "format"),
    ],
)
def test_a_wrong_mapping_names_the_offending_part(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    (tmp_path / "m.yaml").write_text(MAPPING.replace(*change))
    file = tmp_path / "t.csv"
    file.write_text("when,what,px,qty,dir\n1000,BTC-PERPETUAL,250,1,sell\n")
    with pytest.raises(ValueError, match=problem):
        rows("table", file, mapping=str(tmp_path / "m.yaml"))


@pytest.mark.parametrize("name", shipped_mappings())
def test_shipped_mappings_are_valid(name: str) -> None:
    assert load_mapping(name).columns


def test_unknown_format_names_the_known() -> None:
    with pytest.raises(FrameError, match=", ".join(FORMATS)):
        list(read("xls", Path("x"), Rejections()))
