"""Holes in the count of a symbol's prints."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from workstation.feeds.venue_kit.gap_detector import CountGaps
from workstation.market.instruments import REGISTRY


def prints(rows: list[tuple[str, int]], first: int = 0) -> pd.DataFrame:
    return pd.DataFrame({
        "event_ns": np.arange(first, first + len(rows), dtype=np.int64),
        "venue_seq": np.array([count for _, count in rows], dtype=np.int64),
        "instrument": REGISTRY.conform(pd.Series([symbol for symbol, _ in rows], dtype="str")),
    })  # fmt: skip


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)), st.integers(0, 40))
def test_holes_are_exactly_what_is_missing_between_first_and_last(
    one: set[int], two: set[int], cut: int
) -> None:
    rows = sorted(
        [("AAPL", count) for count in one] + [("MSFT", count) for count in two], key=lambda row: row[1]
    )
    gaps = CountGaps()
    holes = gaps.holes(prints(rows[:cut])) + gaps.holes(prints(rows[cut:], cut))
    for symbol, counts in (("AAPL", one), ("MSFT", two)):
        missing = set(range(min(counts), max(counts))) - counts if counts else set()
        told = [set(range(hole.first, hole.last + 1)) for hole in holes if hole.instrument == symbol]
        assert set().union(*told) == missing
        assert sum(map(len, told)) == len(missing)


def test_a_late_print_opens_no_hole_and_a_new_day_begins_anew() -> None:
    rows = [("AAPL", count) for count in (10, 12, 11, 13, 1, 2, 4)]
    assert [(hole.first, hole.last) for hole in CountGaps().holes(prints(rows))] == [(11, 11), (3, 3)]


def test_prints_without_a_count_tell_nothing() -> None:
    gaps = CountGaps()
    assert gaps.holes(prints([("AAPL", 0), ("AAPL", 0), ("AAPL", 9), ("AAPL", 0), ("AAPL", 10)])) == []


def test_what_is_forgotten_begins_anew() -> None:
    gaps = CountGaps()
    gaps.holes(prints([("AAPL", 1), ("MSFT", 1)]))
    gaps.forget(REGISTRY.codes(["AAPL"]))
    assert [hole.instrument for hole in gaps.holes(prints([("AAPL", 5), ("MSFT", 5)]))] == ["MSFT"]
