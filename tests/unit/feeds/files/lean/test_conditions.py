"""Sale conditions and exchanges of LEAN's trades: masks of newer files, letters of older ones, what no table reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.feeds.files.lean_zips import one_member, rows_of
from workstation.feeds.files import Rejections
from workstation.market.tables import TradeFlag

UNREAD = int(TradeFlag.NO_PRICE)
SPY = "equity/usa/tick/spy/20131008_trade.zip"


def flags_of(
    tmp_path: Path, prints: list[str], where: str = SPY, contract: str = ""
) -> tuple[list[int], Rejections]:
    lines = [f"{34_200_000 + row},1674200,210,{tail},0" for row, tail in enumerate(prints)]
    rejections = Rejections()
    (trades,) = rows_of(one_member(tmp_path, where, lines, contract), rejections).values()
    assert trades["exchange"].tolist() == [tail.split(",")[0] for tail in prints]
    assert trades["condition"].tolist() == [tail.split(",")[1] for tail in prints]
    return trades["flags"].tolist(), rejections


def test_masks_are_bits(tmp_path: Path) -> None:
    prints = ["Q,0", "Q,", "Q,2000", "Q,20", "D,20002020", "Q,80", "Q,100000", "FINRA,0"]
    bits, rejections = flags_of(tmp_path, prints)
    late = TradeFlag.EXTENDED_HOURS | TradeFlag.NO_PRICE
    assert bits == [
        0, 0, late, TradeFlag.ISO, late | TradeFlag.ISO | TradeFlag.OFF_EXCHANGE, TradeFlag.AUCTION,
        TradeFlag.AVERAGE_PRICE, TradeFlag.OFF_EXCHANGE,
    ]  # fmt: skip
    assert not rejections.notes
    assert not rejections.total


def test_letters_are_those_that_both_tapes_read_alike(tmp_path: Path) -> None:
    bits, rejections = flags_of(tmp_path, ["N,@", "N,F", "N,@FT", "N,6", "D,B"])
    assert bits == [
        0, TradeFlag.ISO, TradeFlag.ISO | TradeFlag.EXTENDED_HOURS | TradeFlag.NO_PRICE, TradeFlag.AUCTION,
        TradeFlag.OFF_EXCHANGE | TradeFlag.NO_PRICE,
    ]  # fmt: skip
    (reason,) = rejections.notes
    assert rejections.notes[reason] == 1, "B is an average price on one tape and a bunched trade on the other"
    assert "line 5" in rejections.examples[reason]
    assert "'B'" in rejections.examples[reason]


def test_unknown_conditions_are_kept_counted_and_told(tmp_path: Path) -> None:
    bits, rejections = flags_of(tmp_path, ["Q,100000000", "Q,0", "Q,100000000"])
    assert bits == [UNREAD, 0, UNREAD]
    assert list(rejections.notes.values()) == [2]
    assert not rejections.total


@pytest.mark.parametrize(
    ("where", "contract", "prints", "right", "told"),
    [
        (
            "option/usa/tick/xyz/20240605_trade_american.zip",
            "call_500000_20240621",
            ["C,0", "C,S", "D,I"],
            [0, 16, 0],
            0,
        ),
        ("option/usa/tick/xyz/20240605_trade_american.zip", "call_500000_20240621", ["C,A"], [UNREAD], 1),
        ("future/comex/tick/gc/20131008_trade.zip", "201312", ["usa,", "usa,7"], [0, UNREAD], 1),
        ("equity/india/tick/sbin/20240605_trade.zip", "", ["NSE,0", "D,20"], [0, UNREAD], 1),
    ],
)
def test_other_markets_have_other_tables_or_none(
    tmp_path: Path, where: str, contract: str, prints: list[str], right: list[int], told: int
) -> None:
    bits, rejections = flags_of(tmp_path, prints, where, contract)
    assert bits == right
    assert (
        sum(rejections.notes.get(reason, 0) for reason in rejections.notes if "condition" in reason) == told
    )


@pytest.mark.parametrize("block", [4 << 20, 60])
def test_how_conditions_are_printed_is_settled_once_per_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("workstation.feeds.files.lean.members.BLOCK_BYTES", block)
    bits, _ = flags_of(tmp_path, ["N,@", "N,F", "N,F", "N,6", "N,O"] * 5)
    assert bits == [0, TradeFlag.ISO, TradeFlag.ISO, TradeFlag.AUCTION, TradeFlag.AUCTION] * 5
