"""Cells of a table: words, text, numbers, instruments, conditions; what is none of them is counted, its neighbours kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.unit.feeds.files.tables import mapped, utc
from workstation.feeds.files.table import load_mapping
from workstation.market.conditions import counts as counts_of
from workstation.market.conditions import flags, price_setting
from workstation.market.errors import FrameError
from workstation.market.tables import TradeFlag

T = 1_774_000_000_000
SIDES = """
table: trades
time: {{column: t, format: ms}}
instrument: {{constant: BTC/USD}}
columns: {{price: p, size: s, side: {side}}}
"""


def sides(folder: Path, rule: str, column: list[Any] | pa.Array) -> tuple[list[int], dict[str, int]]:
    if isinstance(column, list):
        content: Any = "t,p,s,side\n" + "".join(f"{T + i},1,1,{word}\n" for i, word in enumerate(column))
    else:
        rows = len(column)
        content = pa.table(
            {"t": list(range(T, T + rows)), "p": [1.0] * rows, "s": [1.0] * rows, "side": column}
        )
    frame, rejections = mapped(folder, SIDES.format(side=rule), content)
    return frame["side"].tolist() if len(frame) else [], rejections.counts


BUY_SELL = "{column: side, values: {buy: 1, sell: -1}}"
MAKER = "{column: side, values: {true: -1, false: 1}}"
BITS = "{column: side, values: {0: 1, 1: -1}}"


@pytest.mark.parametrize(
    ("rule", "column", "right"),
    [
        (BUY_SELL, ["buy", "sell"], [1, -1]),
        (BUY_SELL, ["BUY", "Sell", " buy "], [1, -1, 1]),
        (BUY_SELL, pa.array(["BUY", "sell"]).dictionary_encode(), [1, -1]),
        (MAKER, ["true", "false"], [-1, 1]),
        (MAKER, ["True", "FALSE"], [-1, 1]),
        (MAKER, ["1", "0"], [-1, 1]),
        (MAKER, pa.array([True, False]), [-1, 1]),
        (MAKER, pa.array([1, 0]), [-1, 1]),
        (BITS, ["0", "1"], [1, -1]),
        (BITS, ["0.0", "1.0"], [1, -1]),
        (BITS, pa.array([0, 1], pa.int8()), [1, -1]),
        (BITS, pa.array([0.0, 1.0]), [1, -1]),
        (BITS, pa.array([Decimal("0"), Decimal("1")]), [1, -1]),
        (BITS, pa.array([False, True]), [1, -1]),
        ("{column: side, values: {yes: 1, no: -1}}", ["yes", "NO"], [1, -1]),
        ("{column: side, values: {b: 1, s: -1}}", ["b", "S"], [1, -1]),
        ("{column: side, values: {B: 1, b: -1}}", ["B", "b"], [1, -1]),
        ("{column: side, values: {2: 1, 3: -1}}", ["2", "3"], [1, -1]),
        ("side", ["buy", "SELL", "b", "s", "1", "-1", "0", "1.0"], [1, -1, 1, -1, 1, -1, 0, 1]),
        ("side", pa.array([1.0, -1.0, 0.0]), [1, -1, 0]),
        (BUY_SELL, ["buy", ""], [1, 0]),
        (BUY_SELL, pa.array(["buy", None]), [1, 0]),
        ("{column: side, values: {buy: 1}, missing: [unknown]}", ["buy", "Unknown"], [1, 0]),
        ('{column: side, values: {buy: 1, "": -1}}', ["buy", ""], [1, -1]),
    ],
)  # fmt: skip
def test_words_are_known_by_their_meaning(tmp_path: Path, rule: str, column: Any, right: list[int]) -> None:
    assert sides(tmp_path, rule, column) == (right, {})


@pytest.mark.parametrize(
    ("rule", "column", "word"),
    [
        (BUY_SELL, ["buy", "hold"], "hold"),
        (BUY_SELL, ["buy", "NA"], "NA"),
        (BUY_SELL, ["buy", "1"], "1"),
        (BUY_SELL, pa.array([True]), "true"),
        (MAKER, ["true", "maybe"], "maybe"),
        (BITS, ["0", "2"], "2"),
        ("{column: side, values: {B: 1, b: -1}}", ["B", "bid"], "bid"),
        ("side", ["buy", "5"], "5"),
        ("side", ["1", "bid"], "bid"),
        ("side", ["1", "true"], "true"),
        ("side", pa.array([True]), "true"),
        ("side", ["1", "0.5"], "0.5"),
    ],
)
def test_a_word_nobody_knows_is_counted_and_never_0(
    tmp_path: Path, rule: str, column: Any, word: str
) -> None:
    got, aside = sides(tmp_path, rule, column)
    assert 0 not in got
    assert aside == {f"unknown word {word!r} in side": 1}


def test_words_beyond_the_first_twenty_are_told_together(tmp_path: Path) -> None:
    got, aside = sides(tmp_path, BUY_SELL, ["buy", *(f"word{i}" for i in range(50))])
    assert got == [1]
    assert len(aside) == 21
    assert aside["other unknown words in side"] == 30


PRINTS = """
table: trades
time: {column: t, format: ms}
instrument: {column: name}
columns: {price: p, size: s, trade_id: id}
"""
NAMES = [
    "NA",
    "NAN",
    "nan",
    "null",
    "None",
    "TRUE",
    "INF",
    "1E5",
    "000001",
    "N/A",
    "-",
    "true",
    "007700",
    "AAPL",
]


@pytest.mark.parametrize("form", ["csv", "parquet", "dictionary"])
def test_text_is_text_as_the_file_has_it(tmp_path: Path, form: str) -> None:
    if form == "csv":
        content: Any = "t,name,p,s,id\n" + "".join(f"{T + i},{n},1,1,{n}\n" for i, n in enumerate(NAMES))
    else:
        column = pa.array(NAMES) if form == "parquet" else pa.array(NAMES).dictionary_encode()
        rows = len(NAMES)
        content = pa.table(
            {
                "t": list(range(T, T + rows)),
                "name": column,
                "p": [1.0] * rows,
                "s": [1.0] * rows,
                "id": column,
            }
        )
    frame, rejections = mapped(tmp_path, PRINTS, content)
    assert frame["instrument"].astype("str").tolist() == NAMES
    assert frame["trade_id"].tolist() == NAMES
    assert not rejections.counts


def test_an_empty_name_is_counted(tmp_path: Path) -> None:
    frame, rejections = mapped(tmp_path, PRINTS, f"t,name,p,s,id\n{T},,1,1,a\n{T}, ,1,1,b\n{T},AAPL,1,1,c\n")
    assert frame["trade_id"].tolist() == ["c"]
    assert rejections.counts == {"no instrument named": 2}
    assert "t.csv, line 2" in rejections.examples["no instrument named"]
    table = pa.table(
        {"t": [T, T], "name": pa.array([None, "X"]), "p": [1.0] * 2, "s": [1.0] * 2, "id": ["a", "b"]}
    )
    frame, rejections = mapped(tmp_path, PRINTS, table)
    assert frame["trade_id"].tolist() == ["b"]
    assert rejections.counts == {"no instrument named": 1}


def test_whole_numbers_become_text_exactly_and_fractions_are_refused(tmp_path: Path) -> None:
    table = {"t": [T], "name": pa.array([2**62 + 1]), "p": [1.0], "s": [1.0], "id": pa.array([2**62 + 1])}
    frame, _ = mapped(tmp_path, PRINTS, pa.table(table))
    assert frame["instrument"].astype("str").tolist() == frame["trade_id"].tolist() == [str(2**62 + 1)]
    with pytest.raises(FrameError, match="name holds double, not names"):
        mapped(tmp_path, PRINTS, pa.table(table | {"name": pa.array([1.0])}))
    with pytest.raises(FrameError, match="column id holds double, not text"):
        mapped(tmp_path, PRINTS, pa.table(table | {"id": pa.array([1.5])}))


@pytest.mark.parametrize("cell", ["1,234.5", "abc", "0x10", "1_000", "1.2.3", "--", "$5", "1e", "５x"])
@pytest.mark.parametrize("column", ["price", "iv"])
def test_what_is_no_number_sets_its_row_aside(tmp_path: Path, cell: str, column: str) -> None:
    mapping = PRINTS.replace("trade_id: id", "iv: iv")
    cells = {"price": "1", "iv": "0.5"}
    good, bad = (",".join((cells | change).values()) for change in ({}, {column: f'"{cell}"'}))
    text = f"t,name,s,p,iv\n{T},AAPL,1,{good}\n{T},AAPL,1,{bad}\n{T},AAPL,1,{good}\n"
    frame, rejections = mapped(tmp_path, mapping, text)
    assert len(frame) == 2
    assert rejections.counts == {f"no value for {column}": 1}
    assert "t.csv, line 3" in rejections.examples[f"no value for {column}"]
    assert cell in rejections.examples[f"no value for {column}"]


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "null", "N/A", "-", "None"])
def test_a_missing_number_is_none(tmp_path: Path, cell: str) -> None:
    mapping = PRINTS.replace("trade_id: id", "iv: iv")
    frame, rejections = mapped(
        tmp_path, mapping, f"t,name,s,p,iv\n{T},AAPL,1,1,{cell}\n{T},AAPL,1,{cell},1\n"
    )
    assert np.isnan(frame["iv"].tolist()).tolist() == [True]
    assert rejections.counts == {"no value for price": 1}


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("p", "inf", "price that is not finite"), ("p", "-Infinity", "price that is not finite"),
        ("p", "1e999", "price that is not finite"), ("p", "-1", "price below 0"), ("s", "-1", "size below 0"),
        ("s", "inf", "size that is not finite"), ("s", "0", "a trade of size 0"),
    ],
)  # fmt: skip
def test_what_no_market_prints_is_set_aside(tmp_path: Path, column: str, cell: str, reason: str) -> None:
    cells = {"p": "1", "s": "1"} | {column: cell}
    frame, rejections = mapped(
        tmp_path, PRINTS, f"t,name,p,s,id\n{T},BTC/USD,{cells['p']},{cells['s']},a\n{T},BTC/USD,1,1,b\n"
    )
    assert frame["trade_id"].tolist() == ["b"]
    assert rejections.counts == {reason: 1}


def test_a_futures_price_may_be_below_zero(tmp_path: Path) -> None:
    frame, rejections = mapped(tmp_path, PRINTS, f"t,name,p,s,id\n{T},CLK20,-37.63,1,a\n")
    assert frame["price"].tolist() == [-37.63]
    assert not rejections.counts


@pytest.mark.parametrize(
    "column",
    [pa.array([Decimal("1.25")]), pa.array(["1.25"]), pa.array([1.25], pa.float32()), pa.array(["1.25"]).dictionary_encode()],
    ids=str,
)  # fmt: skip
def test_numbers_of_every_type(tmp_path: Path, column: pa.Array) -> None:
    frame, rejections = mapped(
        tmp_path,
        PRINTS,
        pa.table({"t": [T], "name": ["X"], "p": column, "s": pa.array([3], pa.uint8()), "id": ["a"]}),
    )
    assert frame[["price", "size"]].values.tolist() == [[1.25, 3.0]]
    assert not rejections.counts


def test_truth_values_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="column p holds bool"):
        mapped(tmp_path, PRINTS, pa.table({"t": [T], "name": ["X"], "p": [True], "s": [1], "id": ["a"]}))


def test_units_and_lots(tmp_path: Path) -> None:
    mapping = """
table: quotes
time: {column: t, format: ms}
instrument: {column: name}
columns:
  bid: {column: b, unit: cents}
  bid_size: {column: bs, unit: lots, lot: 100}
"""
    frame, _ = mapped(tmp_path, mapping, f"t,name,b,bs\n{T},AAPL,12345,3\n")
    assert frame[["bid", "bid_size"]].values.tolist() == [[123.45, 300.0]]
    for change, problem in (("unit: cents", "no unit"), ("lot: 100", "lots"), ("bid:", "no column")):
        wrong = {"unit: cents": "unit: pence", "lot: 100": "scale: 1", "bid:": "bit:"}[change]
        with pytest.raises(FrameError, match=problem):
            mapped(
                tmp_path, mapping.replace(change, wrong), f"t,name,b,bs\n{T},AAPL,12345,3\n", f"{problem}.csv"
            )


CHAIN = """
table: marks
time: {column: t, format: ms}
instrument: {terms: {root: {column: root}, expiry: {column: expiry}, strike: {column: k}, right: {column: type}}}
columns: {bid: bid}
"""


def test_an_option_is_built_of_its_terms(tmp_path: Path) -> None:
    text = (
        f"t,root,expiry,k,type,bid\n{T},SPXW,2026-12-18,6000,call,1\n{T},AAPL,2026-12-18,225.5,P,2\n"
        f"{T},SPXW,soon,6000,call,1\n{T},SPXW,2026-12-18,-5,call,1\n{T},SPXW,2026-12-18,6000,x,1\n{T},,2026-12-18,1,C,1\n"
    )
    frame, rejections = mapped(tmp_path, CHAIN, text)
    assert frame["instrument"].tolist() == ["SPXW  261218C06000000", "AAPL  261218P00225500"]
    assert rejections.total == 4
    assert rejections.counts["symbol"] == 3


def test_a_crypto_option_and_a_future_are_built_of_their_terms(tmp_path: Path) -> None:
    option = CHAIN.replace("root: {column: root}", "quote: USD, settle: BTC, root: {constant: BTC}").replace(
        "expiry: {column: expiry}", "expiry: {column: expiry, format: us}"
    )
    frame, _ = mapped(tmp_path, option, f"t,expiry,k,type,bid\n{T},1774598400000000,70000,put,1\n")
    assert frame["instrument"].tolist() == ["BTC/USD:BTC-260327-70000-P"]
    future = CHAIN.replace(
        ", strike: {column: k}, right: {column: type}", ", quote: USDT, settle: USDT"
    ).replace("type", "k")
    frame, _ = mapped(tmp_path, future, f"t,root,expiry,bid\n{T},ETH,2026-03-27,1\n", "f.csv")
    assert frame["instrument"].tolist() == ["ETH/USDT:USDT-260327"]


def test_a_row_of_a_call_and_a_put_becomes_two(tmp_path: Path) -> None:
    mapping = CHAIN.replace(", right: {column: type}", "").replace("columns: {bid: bid}", """columns: {index: spot}
split:
  C: {columns: {bid: call_bid, mark_iv: {column: call_iv, unit: percent}}}
  P: {columns: {bid: put_bid}}""")  # fmt: skip
    text = f"t,root,expiry,k,spot,call_bid,call_iv,put_bid\n{T},SPXW,2026-12-18,6000,6100,150,20,40\n{T},SPXW,2026-12-18,6100,6100,x,20,80\n"
    frame, rejections = mapped(tmp_path, mapping, text)
    assert frame["instrument"].tolist() == [
        "SPXW  261218C06000000", "SPXW  261218P06000000", "SPXW  261218P06100000"
    ]  # fmt: skip
    assert frame["bid"].tolist() == [150.0, 40.0, 80.0]
    assert frame["mark_iv"].tolist()[0] == pytest.approx(0.2)
    assert (frame["index"] == 6100.0).all()
    assert rejections.counts == {"no value for bid": 1}


def test_a_split_row_may_carry_both_symbols(tmp_path: Path) -> None:
    mapping = """
table: marks
time: {column: t, format: ms}
split:
  C: {instrument: {column: call, grammar: alpaca}, columns: {bid: call_bid}}
  P: {instrument: {column: put, grammar: alpaca}, columns: {bid: put_bid}}
"""
    frame, rejections = mapped(
        tmp_path, mapping, f"t,call,call_bid,put,put_bid\n{T},SPXW261218C06000000,1,SPXW261218P06000000,2\n{T},?,1,SPXW261218P06000000,3\n"
    )  # fmt: skip
    assert frame["bid"].tolist() == [1.0, 2.0, 3.0]
    assert rejections.counts == {"symbol": 1}


TAQ = "DT,EX,SYMBOL,COND,SIZE,PRICE,CORR\n"


@pytest.mark.parametrize(
    ("condition", "correction", "prices", "counts"),
    [
        ("@", "0", True, True), ("", "00", True, True), ("@F I", "0", False, True), ("@  Z", "0", False, True),
        ("@4", "0", False, True), ("7 V", "0", False, True), ("@ TI", "0", False, True), ("B", "0", False, True),
        ("M", "0", False, False), ("Q", "0", False, False), ("9", "0", False, False), ("N", "0", False, True),
        ("@  ?", "0", False, True), ("@", "8", False, False), ("@", "07", False, False), ("@", "10", False, False),
        ("@", "11", False, False), ("@", "12", False, False), ("@", "1", True, True), ("O", "0", True, True),
        ("6", "0", True, True),
    ],
)  # fmt: skip
def test_conditions_and_corrections_become_flags(
    tmp_path: Path, condition: str, correction: str, prices: bool, counts: bool
) -> None:
    path = tmp_path / "taq.csv"
    path.write_text(f"{TAQ}2018-01-02T14:30:01Z,D,XYZ,{condition},100,50,{correction}\n")
    from tests.unit.feeds.files.tables import rows

    tables, rejections = rows("table", path, mapping="taq_trades")
    trade = tables["trades"].iloc[0]
    got = tables["trades"]["flags"].to_numpy()
    assert (bool(price_setting(got)[0]), bool(counts_of(got)[0])) == (prices, counts)
    assert trade["flags"] & TradeFlag.OFF_EXCHANGE
    assert (trade["condition"], trade["exchange"]) == (condition, "D")
    if "?" in condition:
        assert list(rejections.notes.values()) == [1]
    elif correction in ("0", "00", "1"):
        assert trade["flags"] == flags([condition], "cta", ["D"])[0]
    assert not rejections.counts


def test_an_unknown_correction_is_set_aside(tmp_path: Path) -> None:
    from tests.unit.feeds.files.tables import rows

    path = tmp_path / "taq.csv"
    path.write_text(f"{TAQ}2018-01-02T14:30:01Z,P,XYZ,@,100,50,77\n2018-01-02T14:30:01Z,P,XYZ,@,100,50,0\n")
    tables, rejections = rows("table", path, mapping="taq_trades")
    assert len(tables["trades"]) == 1
    assert rejections.counts == {"unknown correction indicator in CORR": 1}


def test_one_bad_row_of_each_kind_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workstation.feeds.files.table.ROWS", 37)
    lines = [f"{T + i},AAPL,1,1,{i}" for i in range(500)]
    spoilt = {
        10: "x", 50: f"{T},AAPL,x,1,a", 99: f"{T},,1,1,a", 100: f"{T},AAPL,1,1", 150: f"{T},AAPL,1,1,a,b",
        200: "9,AAPL,1,1,a", 250: f'{T},"AAPL,1,1,a', 300: f"{T},AAPL,1\0,1,a", 350: f"{T},AAPL,-1,1,a",
        400: f"{T},AAPL,1,0,a", 450: "",
    }  # fmt: skip
    for place, line in spoilt.items():
        lines.insert(place, line)
    frame, rejections = mapped(tmp_path, PRINTS, "t,name,p,s,id\n" + "\n".join(lines) + "\n")
    assert frame["trade_id"].tolist() == [str(i) for i in range(500)]
    assert utc(frame["event_ns"][:1]) == [pd.Timestamp(T * 10**6).isoformat()]
    assert rejections.total == len(spoilt) - 1, "the blank line is no row"
    assert any("line 52" in example for example in rejections.examples.values())


@pytest.mark.parametrize(("mark", "shown"), [(";", ";"), ("\t", r"\\t")])
def test_another_delimiter_is_said_or_hinted_at(tmp_path: Path, mark: str, shown: str) -> None:
    text = f"t,name,p,s,id\n{T},AAPL,1,1,a\n".replace(",", mark)
    with pytest.raises(FrameError, match=f"seem to be separated by '{shown}'"):
        mapped(tmp_path, PRINTS, text)
    frame, _ = mapped(tmp_path, PRINTS + f'delimiter: "{mark}"\n'.replace("\t", "\\t"), text)
    assert frame["trade_id"].tolist() == ["a"]


def test_the_mappings_of_the_guide_are_valid(tmp_path: Path) -> None:
    guide = Path(__file__).parents[4] / "docs/guides/import_formats.md"
    blocks = guide.read_text().split("```yaml\n")[1:]
    assert len(blocks) >= 5
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block.split("```")[0])
        assert load_mapping(str(path)).wanted()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("constants: {side: 5}", "side cannot be 5"), ("constants: {price: abc}", "price cannot be 'abc'"),
        ("constants: {venue: 5}", "venue cannot be 5"), ("constants: {flags: 0.5}", "flags cannot be 0.5"),
        ("columns: {price: p, size: s, side: {column: d, values: {buy: 2}}}", "side cannot be 2"),
        ("columns: {price: p, size: s, side: {column: d, values: {buy: long}}}", "side cannot be 'long'"),
        ("columns: {price: p, size: s, side: {column: d, unit: feet}}", "no unit 'feet'"),
        ("instrument: {column: name, grammar: klingon}", "no grammar 'klingon'"), ("instrument: {}", "exactly one"),
        ("instrument: {constant: X, column: name}", "exactly one"), ("delimiter: ab", "one character"),
        ("conditions: {column: c, tape: tsx}", "tape"), ("split: {X: {}}", "split"),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_is_refused_by_name(tmp_path: Path, change: str, problem: str) -> None:
    key = change.split(":")[0]
    lines = [line for line in PRINTS.strip().splitlines() if not line.startswith(f"{key}:")]
    with pytest.raises(FrameError, match=problem):
        mapped(tmp_path, "\n".join([*lines, change]), f"t,name,p,s,id\n{T},AAPL,1,1,a\n")


def test_a_side_that_must_be_there_is_not_unknown(tmp_path: Path) -> None:
    mapping = """
table: fills
time: {column: t, format: ms}
instrument: {column: name}
constants: {kind: trade}
columns: {price: p, size: s, side: side}
"""
    frame, rejections = mapped(tmp_path, mapping, f"t,name,p,s,side\n{T},AAPL,1,1,\n{T},AAPL,1,1,buy\n")
    assert frame["side"].tolist() == [1]
    assert rejections.counts == {"no value for side": 1}


@pytest.mark.parametrize(("name", "kept"), [("BTC/USD", 0), ("AAPL", 0), ("CLK20", 1)])
def test_nobody_prints_a_coin_or_a_share_at_0(tmp_path: Path, name: str, kept: int) -> None:
    frame, rejections = mapped(tmp_path, PRINTS, f"t,name,p,s,id\n{T},{name},0,1,a\n")
    assert len(frame) == kept
    assert rejections.counts == ({} if kept else {"a trade at price 0": 1})
