"""The kernels against Python's own readers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation.feeds.iqfeed.fields import Fields, condition_text, parse
from workstation.feeds.iqfeed.layout import ROLES, Layout
from workstation.feeds.iqfeed.names import Names
from workstation.feeds.iqfeed.scan import scan


def read(role: str, *texts: str) -> Fields:
    raw = "".join(f"Q,{text},\r\n" for text in texts).encode("latin-1")
    data = np.frombuffer(raw, dtype=np.uint8)
    lines = scan(data, 1, 1, Names().table)
    return parse(data, lines.start, lines.end, Layout((role,)).roles)


@given(st.lists(st.decimals(-(10**9), 10**9, places=6, allow_nan=False), min_size=1))
def test_numbers_are_those_of_float(values: list[object]) -> None:
    texts = [f"{value:f}" for value in values]
    fields = read("price", *texts)
    assert (fields.bad < 0).all()
    assert fields.numbers["price"].tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "text", ["1e5", "12,5"[:2] + "x", "--1", "nan", ".", "1.2.3", "0x10", "9" * 30, "１"]
)
def test_what_is_no_plain_number_is_told(text: str) -> None:
    if text.isascii():
        assert ROLES[read("price", text).bad[0]] == "price"


def test_an_empty_number_is_nan() -> None:
    fields = read("price", "")
    assert fields.bad[0] < 0
    assert np.isnan(fields.numbers["price"][0])


@given(st.dates(dt.date(1970, 1, 1), dt.date(2199, 12, 31)))
def test_dates_are_the_calendars(date: dt.date) -> None:
    days = (date - dt.date(1970, 1, 1)).days
    assert read("date", f"{date:%m/%d/%Y}").whole["day"].tolist() == [days]
    stamped = read("stamp", f"{date} 09:30:00.5")
    assert stamped.whole["day"].tolist() == [days]
    assert stamped.whole["time_us"].tolist() == [34_200_500_000]


@pytest.mark.parametrize(
    "text", ["02/29/2026", "13/01/2026", "00/10/2026", "11/31/2026", "2026/11/20", "11/20/26", "1/2/2026"]
)
def test_dates_that_are_none_are_told(text: str) -> None:
    assert ROLES[read("date", text).bad[0]] == "date"


@given(st.times())
def test_times_are_read_to_the_microsecond(time: dt.time) -> None:
    micros = ((time.hour * 60 + time.minute) * 60 + time.second) * 10**6 + time.microsecond
    assert read("time", f"{time:%H:%M:%S.%f}").whole["time_us"].tolist() == [micros]


@pytest.mark.parametrize("text", ["24:00:00", "09:60:00", "9:30:00", "09:30", "09:30:00x1", "09:30:00.1a"])
def test_times_that_are_none_are_told(text: str) -> None:
    assert ROLES[read("time", text).bad[0]] == "time"


@given(st.lists(st.integers(0, 255), max_size=7))
def test_condition_codes_come_back_as_printed(codes: list[int]) -> None:
    text = "".join(f"{code:02X}" for code in codes)
    assert condition_text(int(read("conditions", text).whole["conditions"][0])) == text


@pytest.mark.parametrize("text", ["3", "3G", "0102030405060708"])
def test_condition_codes_that_are_none_are_told(text: str) -> None:
    assert ROLES[read("conditions", text).bad[0]] == "conditions"


def test_a_line_cut_short_names_the_field_it_lacks() -> None:
    data = np.frombuffer(b"Q,AAPL,C,1.5", dtype=np.uint8)
    layout = Layout(("symbol", "contents", "price", "", "size"))
    assert ROLES[parse(data, np.array([0]), np.array([data.size]), layout.roles).bad[0]] == "size"


@given(
    st.lists(
        st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ.0123456789", min_size=1, max_size=12), unique=True, max_size=700
    )
)
def test_every_symbol_is_found_again_and_no_other(symbols: list[str]) -> None:
    names = Names()
    known, unknown = symbols[::2], symbols[1::2]
    numbers = names.learn(known)
    data = np.frombuffer("".join(f"Q,{each},C\n" for each in [*known, *unknown]).encode(), dtype=np.uint8)
    found = scan(data, 1, 2, names.table).symbol.tolist()
    assert found == [*numbers.tolist(), *[-1] * len(unknown)]
