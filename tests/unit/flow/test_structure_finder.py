"""A floor of premium leaves out what a small structure tells, never the structure or those beside it."""

from __future__ import annotations

from workstation.flow.packets import packets
from workstation.flow.structure_finder import StructureFinder, StructuresParameters
from workstation.market.tables import QUOTES, TRADES

SECOND = 10**9


def test_a_floor_changes_no_other_structure() -> None:
    names = [f"SPY   261218{right}00{strike}000" for strike in (450, 460) for right in "CP"]
    trades = TRADES.batch({
        "event_ns": [10, 15, 10 * SECOND, 10 * SECOND + 5], "instrument": names, "price": [2.0, 1.5, 9.0, 8.0], "size": [20.0] * 4,
    })  # fmt: skip
    rows = packets(trades, QUOTES.empty())
    every = StructureFinder(StructuresParameters()).take(rows)[1]
    some = StructureFinder(StructuresParameters(), least_usd=10_000.0).take(rows)[1]
    assert [one["premium_usd"] for one in every] == [7_000.0, 34_000.0]
    assert [one["kind"] for one in every] == ["straddle", "straddle"]
    assert "legs_told" not in some[0] and some[0].items() <= every[0].items()
    assert str(some[1]) == str(every[1])
