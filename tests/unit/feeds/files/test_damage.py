"""Every reader of tables and pages on every kind of damage: an error in our words, or rows set aside; never another's."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.unit.feeds.files.tables import rows
from tests.unit.feeds.files.test_readers import CBOE_CSV, TARDIS
from workstation.market.errors import FrameError

T = 1_774_000_000_000
MAPPING = """
table: trades
time: {column: t, format: ms}
instrument: {column: name}
columns: {price: p, size: s, side: {column: side, values: {buy: 1, sell: -1}}}
"""
TABLE = "t,name,p,s,side\n" + "".join(f"{T + i},AAPL,{100 + i},1,buy\n" for i in range(400))
OPTION = {
    "option": "AAPL260724C00330000", "bid": 11.25, "bid_size": 1.0, "ask": 11.95, "ask_size": 2.0, "iv": 0.305,
    "open_interest": 2144.0, "volume": 497.0, "delta": 0.57, "gamma": 0.016, "vega": 0.3134, "theta": -0.2313,
    "rho": 0.0965, "theo": 11.66, "last_trade_price": 11.78,
}  # fmt: skip
PAGE = {
    "timestamp": "2026-07-24 19:44:38",
    "data": {"options": [OPTION] * 50, "symbol": "AAPL", "current_price": 333.8, "bid": 333.7, "ask": 333.9},
}
CAPTURE = "".join(f'{1_652_459_225 + i}.5: {{"event":"x"}}\n' for i in range(300))
CHAIN = TARDIS.splitlines(keepends=True)
FILES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "table": ("table", "t.csv", TABLE, {"mapping": "m.yaml"}),
    "tardis": ("tardis", "options_chain.csv", CHAIN[0] + CHAIN[1] * 300, {}),
    "cboe csv": ("cboe", "quotedata.csv", CBOE_CSV + CBOE_CSV.splitlines(keepends=True)[-1] * 200, {}),
    "cboe json": ("cboe", "AAPL.json", json.dumps(PAGE), {}),
    "frames": ("frames", "capture.ws.0", CAPTURE, {"feed": "unread"}),
}


def _line(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Damage one line in the middle."""

    def damaged(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        lines[len(lines) // 2] = change(lines[len(lines) // 2])
        return b"".join(lines)

    return damaged


def _noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "one newline": lambda content: b"\n",
    "first line only": lambda content: content.splitlines(keepends=True)[0],
    "header only": lambda content: b"".join(content.splitlines(keepends=True)[:4]),
    "cut in a line": lambda content: content[: len(content) * 2 // 3],
    "binary junk": lambda content: _noise(5000),
    "junk without a line end": lambda content: _noise(3 << 20).replace(b"\n", b"x").replace(b"\r", b"x"),
    "junk at the end": lambda content: content + _noise(300),
    "junk line": _line(lambda line: _noise(80).replace(b"\n", b"") + b"\n"),
    "BOM": lambda content: b"\xef\xbb\xbf" + content,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "wrong delimiter": lambda content: content.replace(b",", b";"),
    "a field less": _line(lambda line: line.rsplit(b",", 1)[0] + b"\n"),
    "a field more": _line(lambda line: line.rstrip(b"\n") + b",x\n"),
    "open quote": _line(lambda line: b'"' + line),
    "open quote in a field": _line(lambda line: line.replace(b",", b',"', 1)),
    "NUL bytes": _line(lambda line: line[:5] + b"\0\0" + line[5:]),
    "all NUL": lambda content: b"\0" * len(content),
    "Latin-1": _line(lambda line: line.replace(b",", b",\xe9", 1)),
    "words for numbers": _line(lambda line: line.replace(b"1", b"one")),
    "huge numbers": _line(lambda line: line.replace(b"1", b"1" * 400, 1)),
    "infinite": _line(lambda line: line.replace(b"100", b"inf").replace(b"0.0", b"-inf")),
    "blank lines": _line(lambda line: b"\n \n\r\n" + line),
    "no last line end": lambda content: content.rstrip(b"\n"),
}
WHOLE = {"BOM", "CRLF", "blank lines", "no last line end"}
"""Not damage for what is read line by line: every row is kept."""
ONE_ROW = {"junk line", "a field less", "a field more", "open quote", "open quote in a field", "NUL bytes", "words for numbers"}  # fmt: skip
"""Costs that row and no other."""


def attempt(path: Path, format_name: str, options: dict[str, Any]) -> tuple[int, int, str]:
    """Rows, rows set aside, and the error in our words, if there is one; any other error fails the test."""
    try:
        tables, rejections = rows(format_name, path, **options)
    except FrameError as error:
        assert path.name in str(error)
        assert len(str(error)) < 2000
        return 0, 0, str(error)
    kept = sum(len(frame) for name, frame in tables.items() if name != "quotes")
    return kept, rejections.total, ""


def written(folder: Path, which: str, content: bytes, suffix: str = "") -> tuple[Path, str, dict[str, Any]]:
    format_name, name, _, options = FILES[which]
    (folder / "m.yaml").write_text(MAPPING)
    path = folder / f"{name}{suffix}"
    path.write_bytes(content)
    return path, format_name, {k: str(folder / v) if k == "mapping" else v for k, v in options.items()}


@pytest.mark.parametrize("which", FILES)
def test_a_whole_file_is_read_whole(tmp_path: Path, which: str) -> None:
    kept, aside, error = attempt(*written(tmp_path, which, FILES[which][2].encode()))
    assert kept > 40
    assert (aside, error) == (0 if which != "frames" else aside, "")


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("which", FILES)
def test_no_damage_ends_in_another_error_than_ours(tmp_path: Path, which: str, damage: str) -> None:
    content = FILES[which][2].encode()
    whole, _, _ = attempt(*written(tmp_path, which, content))
    kept, aside, error = attempt(*written(tmp_path, which, DAMAGE[damage](content)))
    assert kept <= whole
    lines = which != "cboe json"
    if lines and damage in WHOLE:
        assert (kept, error) == (whole, "")
    if lines and damage in ONE_ROW and which != "frames":
        assert not error
        assert whole - kept in (1, 2), "a line of Cboe's holds two contracts"
        assert aside >= 1


@pytest.mark.parametrize("which", FILES)
@pytest.mark.parametrize("damage", ["cut", "flipped", "no gzip", "trailing junk", "only the header"])
def test_damaged_gzip_is_told_in_words(tmp_path: Path, which: str, damage: str) -> None:
    packed = gzip.compress(FILES[which][2].encode())
    middle = len(packed) // 2
    broken = {
        "cut": packed[:middle],
        "flipped": packed[:middle]
        + bytes(255 - b for b in packed[middle : middle + 20])
        + packed[middle + 20 :],
        "no gzip": FILES[which][2].encode(),
        "trailing junk": packed + b"junk",
        "only the header": packed[:10],
    }[damage]
    _, _, error = attempt(*written(tmp_path, which, broken, ".gz"))
    assert error
    assert "gzip" in error or "compressed" in error


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("damage", ["empty", "cut", "junk", "flipped", "a csv"])
def test_damaged_columnar_files_are_told_in_words(tmp_path: Path, kind: str, damage: str) -> None:
    frame = pd.DataFrame(
        {"t": range(T, T + 400), "name": "AAPL", "p": 1.0, "s": 1.0, "side": ["buy", "sell"] * 200}
    )
    (tmp_path / "m.yaml").write_text(MAPPING)
    path = tmp_path / f"t.{kind}"
    getattr(frame, f"to_{kind}")(path)
    options = {"mapping": str(tmp_path / "m.yaml")}
    assert attempt(path, "table", options) == (400, 0, "")
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "junk": _noise(2000),
            "flipped": whole[:-40] + _noise(40),
            "a csv": TABLE.encode(),
        }[damage]
    )
    assert attempt(path, "table", options)[2]


@pytest.mark.parametrize(
    "change",
    [
        {"data": None}, {"data": []}, {"timestamp": None}, {"timestamp": "soon"}, {"timestamp": "1750-01-01"},
        {"data": PAGE["data"] | {"options": {}}}, {"data": PAGE["data"] | {"options": []}},  # type: ignore[operator]
        {"data": PAGE["data"] | {"options": [1, None, "x"]}}, {"data": PAGE["data"] | {"current_price": None}},  # type: ignore[operator]
    ],
)  # fmt: skip
def test_a_page_of_another_shape_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    assert attempt(*written(tmp_path, "cboe json", json.dumps(PAGE | change).encode()))[2]


@pytest.mark.parametrize(
    "odd",
    [None, 5, {}, OPTION | {"bid": "x"}, OPTION | {"iv": []}, OPTION | {"option": ""}, OPTION | {"option": "AAPL"},
     OPTION | {"option": None}, OPTION | {"bid": -1.0}, OPTION | {"open_interest": -5.0}],
)  # fmt: skip
def test_one_odd_option_of_a_page_costs_no_other(tmp_path: Path, odd: Any) -> None:
    page = PAGE | {"data": PAGE["data"] | {"options": [OPTION] * 20 + [odd] + [OPTION] * 20}}  # type: ignore[operator]
    kept, aside, error = attempt(*written(tmp_path, "cboe json", json.dumps(page).encode()))
    assert not error
    assert (kept, aside) == (40, 1)


def test_a_page_larger_than_any_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workstation.feeds.files.reading.LARGEST_PAGE", 1000)
    for which in ("cboe csv", "cboe json"):
        packed = gzip.compress(FILES[which][2].encode() * 20)
        assert "no page is that large" in attempt(*written(tmp_path, which, packed, ".gz"))[2]


@pytest.mark.parametrize("stamp", ["9999999999999999999", "1000000000000000000000.5", "1.5", "4133980800.5"])
def test_a_frame_of_another_century_costs_no_other(tmp_path: Path, stamp: str) -> None:
    mark = "" if len(stamp) == 19 else ":"
    content = f"1652459225.5: {{}}\n{stamp}{mark} {{}}\nhttps://x/\xe9 -> 1652459226.5: {{}}\n"
    kept, aside, error = attempt(*written(tmp_path, "frames", content.encode("latin-1")))
    assert (kept, aside, error) == (2, 1, "")


def test_two_columns_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    doubled = TABLE.replace("t,name,p,s,side", "t,name,p,p,side").encode()
    error = attempt(*written(tmp_path, "table", doubled))[2]
    assert "wants column s" in error
    header, rest = TABLE.split("\n", 1)
    lines = [f"{header},p", *(f"{line},1" for line in rest.splitlines())]
    assert "two columns named p" in attempt(*written(tmp_path, "table", "\n".join(lines).encode()))[2]
    unused = [f"{header},x,x", *(f"{line},1,2" for line in rest.splitlines())]
    assert attempt(*written(tmp_path, "table", "\n".join(unused).encode())) == (400, 0, "")
