"""The venue's tables of codes read into flags."""

from __future__ import annotations

import pytest

from tests.wire.iqfeed_server import TABLES
from workstation.feeds.iqfeed.layout import NOTHING, Layout, layout_of
from workstation.feeds.iqfeed.meanings import condition_flags, off_exchange_markets, rows_of
from workstation.market.conditions import conditions
from workstation.market.errors import FrameError
from workstation.market.tables import TradeFlag


def answer(name: str, prefix: str = "LS,") -> bytes:
    return ("".join(f"B3,{prefix}{row}\r\n" for row in TABLES[name]) + "B3,!ENDMSG!,\r\n").encode()


@pytest.mark.parametrize("prefix", ["LS,", ""])
def test_rows_come_without_the_requests_id(prefix: str) -> None:
    assert rows_of(answer("STC", prefix), "B3")[2] == ["61", "INTERSWEEP", "Intermarket Sweep"]
    assert rows_of(b"B3,E,Unauthorized,\r\nB3,!ENDMSG!,\r\n", "B3") == []
    assert rows_of(answer("STC"), "B4") == []


def test_conditions_are_known_by_their_names() -> None:
    flags = condition_flags(rows_of(answer("STC"), "B3"))
    assert flags == {
        23: TradeFlag.EXTENDED_HOURS, 61: TradeFlag.ISO, 135: TradeFlag.ODD_LOT, 140: TradeFlag.MULTI_LEG,
    }  # fmt: skip


def test_every_opra_type_is_known_by_its_short_name() -> None:
    rows = [[str(at), each.name, "?"] for at, each in enumerate(conditions("opra").values(), 1)]
    expected = {at: int(each.flags) for at, each in enumerate(conditions("opra").values(), 1) if each.flags}
    assert condition_flags(rows) == expected


def test_several_words_mean_several_flags_and_unknown_ones_none() -> None:
    rows = [
        ["200", "X", "Form-T out of sequence"],
        ["201", "Y", "Something new"],
        ["x", "ODD", "Odd lot"],
        ["7"],
    ]
    bits = TradeFlag.EXTENDED_HOURS | TradeFlag.LATE | TradeFlag.OUT_OF_SEQUENCE
    assert condition_flags(rows) == {200: bits}


def test_facilities_for_prints_off_exchange() -> None:
    assert off_exchange_markets(rows_of(answer("SLM"), "B3")) == {57}
    rows = [["18", "ADF", "Alternative Display Facility"], ["9", "ADFX", "Trfalgar Exchange"]]
    assert off_exchange_markets(rows) == {18}


def test_a_channel_carries_the_layout_whole() -> None:
    layout = Layout(("symbol", "", "price"), {0x3D: 16, 0x87: 32768}, frozenset({57, 18}))
    assert layout_of(layout.channel) == layout
    assert layout_of(NOTHING.channel) == NOTHING


@pytest.mark.parametrize(
    ("names", "words"),
    [("Symbol,Message Contents,Most Recent Trade", "leaves out"), ("Symbol,Symbol," + "Message Contents,Most Recent Trade,Most Recent Trade Size,Most Recent Trade Date,Most Recent Trade Time", "twice")],
)  # fmt: skip
def test_a_layout_that_cannot_be_read_is_refused(names: str, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        NOTHING.with_fields(f"S,CURRENT UPDATE FIELDNAMES,{names},")
