"""Gaps and repeats by trade_seq, against a set that remembers everything."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from workstation.feeds.venue_kit.gap_detector import SequenceGaps
from workstation.market.instruments import REGISTRY

NAMES = ("BTC/USD:BTC", "ETH/USD:ETH")


def prints(rows: list[tuple[int, int]]) -> pd.DataFrame:
    names = pd.Series([NAMES[which] for which, _ in rows], dtype="str")
    return pd.DataFrame(
        {
            "event_ns": range(10, 10 + len(rows)),
            "instrument": REGISTRY.conform(names),
            "venue_seq": pd.Series([seq for _, seq in rows], dtype="int64"),
        }
    )


def remembered(rows: list[tuple[int, int]]) -> tuple[list[bool], set[tuple[int, int]]]:
    """Which rows are new and what is missing at the end, by remembering every number."""
    first: dict[int, int] = {}
    seen: dict[int, set[int]] = {}
    fresh = []
    for which, seq in rows:
        first.setdefault(which, seq)
        fresh.append(seq >= first[which] and seq not in seen.setdefault(which, set()))
        if fresh[-1]:
            seen[which].add(seq)
    missing = {
        (which, seq)
        for which, numbers in seen.items()
        for seq in range(first[which], max(numbers) + 1)
        if seq not in numbers
    }
    return fresh, missing


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(1, 25)), max_size=40),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_repeats_and_holes_are_those_of_a_set_however_the_prints_are_split(
    rows: list[tuple[int, int]], cuts: list[int]
) -> None:
    sequence, kept = SequenceGaps(), []
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    duplicates = 0
    for start, end in pairwise(edges):
        admitted = sequence.admit(prints(rows[start:end]))
        names = admitted.trades["instrument"].astype("str")
        kept += list(zip(names, admitted.trades["venue_seq"], strict=True))
        duplicates += len(admitted.duplicates)
    fresh, missing = remembered(rows)
    assert kept == [(NAMES[which], seq) for (which, seq), new in zip(rows, fresh, strict=True) if new]
    assert duplicates == fresh.count(False)
    holes = {(hole.instrument, seq) for hole in sequence.holes() for seq in range(hole.first, hole.last + 1)}
    assert holes == {(NAMES[which], seq) for which, seq in missing}


def test_a_hole_tells_the_times_around_it() -> None:
    (hole,) = SequenceGaps().admit(prints([(0, 5), (0, 9)])).holes
    assert hole == ("BTC/USD:BTC", 6, 8, 10, 11)


def test_nothing_is_asked_for_before_the_first_print() -> None:
    admitted = SequenceGaps().admit(prints([(0, 1_000_000)]))
    assert admitted.holes == []
    assert len(admitted.trades) == 1
