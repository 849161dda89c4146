"""Silences of an instrument, from what the feeds said of themselves."""

from __future__ import annotations

import itertools
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workstation.market.tables import NO_TIME
from workstation.views.spacetime.data_gaps import DataGap, data_gaps

SECOND = 10**9


def told(
    event: str, at_s: int, feed: str = "deribit", start_s: int | None = None, end_s: int | None = None, **more: Any
) -> dict[str, Any]:  # fmt: skip
    return {
        "event_ns": at_s * SECOND, "feed": feed, "channel": "", "instruments": "", "event": event, "detail": "",
        "start_ns": NO_TIME if start_s is None else start_s * SECOND, "end_ns": NO_TIME if end_s is None else end_s * SECOND,
    } | more  # fmt: skip


def seen(*rows: dict[str, Any], newest_s: int = 100) -> list[DataGap]:
    return data_gaps(pd.DataFrame(rows), "BTC-PERPETUAL", frozenset({"deribit"}), newest_s * SECOND)


def spans(found: list[DataGap]) -> list[tuple[int, int]]:
    return [(made.start_ns // SECOND, made.end_ns // SECOND) for made in found]


def test_one_that_has_not_ended_goes_on_to_the_newest() -> None:
    found = seen(told("disconnected", 40))
    assert spans(found) == [(40, 100)]
    assert found[0].open


def test_one_ends_where_the_hole_ends_that_is_told_of_once_the_feed_is_back() -> None:
    found = seen(
        told("disconnected", 40),
        told("disconnected", 45),
        told("gap", 60, start_s=39, end_s=59),
        told("backfilled", 62, start_s=37, end_s=59),
        told("resubscribed", 63),
    )
    assert spans(found) == [(39, 59)]


def test_overlapping_ones_are_told_once_in_the_words_of_the_longest() -> None:
    found = seen(
        told("stale", 12, start_s=10),
        told("disconnected", 14, detail="reset by peer"),
        told("gap", 31, start_s=9, end_s=30, detail="trade_seq 5 to 9"),
        told("connected", 20),
        told("stale", 60, start_s=50),
        told("fresh", 62),
    )
    assert spans(found) == [(9, 30), (50, 62)]
    assert found[0].words.startswith("gap")
    assert "trade_seq 5 to 9" in found[0].detail
    assert not found[0].open


@pytest.mark.parametrize(
    "row",
    [
        told("disconnected", 40, feed="okx"),
        told("gap", 40, channel="ticker.BTC-PERPETUAL.raw"),
        told("gap", 40, channel="trades", instruments="ETH-PERPETUAL"),
        told("connected", 40),
    ],
    ids=["another venue", "another channel", "another instrument", "no break"],
)
def test_what_does_not_concern_the_trades_is_not_told(row: dict[str, Any]) -> None:
    assert seen(row) == []


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 20)), min_size=1, max_size=12),
)
def test_bands_never_overlap_and_cover_all_that_was_silent(stretches: list[tuple[int, int]]) -> None:
    found = spans(
        seen(*(told("gap", at + span, start_s=at, end_s=at + span) for at, span in sorted(stretches)))
    )
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(found))
    silent = {at + step for at, span in stretches for step in range(span)}
    assert {second for start, end in found for second in range(start, end)} >= silent
    assert sum(end - start for start, end in found) == len(silent), "no more than what was silent"


@pytest.mark.parametrize("detail", ["deribit: reset by peer", "reset by peer"])
def test_the_feed_is_named_once(detail: str) -> None:
    rows = pd.DataFrame([told("disconnected", 1, detail=detail)])
    (found,) = data_gaps(rows, "X", frozenset(), 5 * SECOND)
    assert found.detail == "deribit: reset by peer"
