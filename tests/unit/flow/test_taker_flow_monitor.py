"""Taker flow as a screen asks for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.flow.taker_flow_monitor import FlowWatch
from workstation.market.tables import MARKS, NO_TIME, TRADES

CALL, PUT = "BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P"
DAY = 86_400 * 10**9
NOON = pd.Timestamp("2026-11-20 12:00").value


def prints(event_ns: int, name: str, size: float, side: int) -> pd.DataFrame:
    row = {"event_ns": [event_ns], "instrument": name, "price": 0.05, "size": size, "side": side}
    return TRADES.conform(pd.DataFrame(row))


def interest(published_ns: int, *names: str) -> pd.DataFrame:
    rows = {
        "event_ns": published_ns,
        "instrument": list(names),
        "open_interest": 10.0,
        "open_interest_ns": published_ns,
    }
    return MARKS.conform(pd.DataFrame(rows))


def test_nothing_is_known_without_a_sided_print() -> None:
    watch = FlowWatch()
    assert not watch.of([CALL]).known
    assert watch.of([CALL]).since_ns == NO_TIME
    watch.take_trades(prints(NOON, CALL, 3.0, 0))
    seen = watch.of([CALL, PUT])
    assert (seen.known, seen.prints, seen.unsided) == (False, 1, 1)
    watch.take_trades(prints(NOON, PUT, 3.0, -1))
    assert watch.of([CALL, PUT]).known
    assert not watch.of([CALL]).known


def test_flow_and_counts_start_anew_with_open_interest_of_a_later_day() -> None:
    watch = FlowWatch()
    watch.take_marks(interest(NOON, CALL, PUT))
    watch.take_trades(prints(NOON + 1, CALL, 3.0, 1))
    watch.take_marks(interest(NOON + 2, CALL, PUT))
    assert watch.of([CALL]).signed.tolist() == [3.0]
    watch.take_marks(interest(NOON + DAY, CALL))
    seen = watch.of([CALL])
    assert (seen.signed.tolist(), seen.prints) == ([0.0], 0)
    watch.take_trades(prints(NOON + DAY + 1, CALL, 2.0, -1))
    seen = watch.of([CALL])
    assert seen.signed.tolist() == [-2.0]
    assert seen.since_ns == (NOON + DAY) // DAY * DAY


def test_a_seeded_day_goes_on_and_ends_with_the_next() -> None:
    watch = FlowWatch()
    past = pd.DataFrame({"instrument": [CALL], "signed": [5.0], "prints": [4], "unsided": [1]})
    watch.seed(past, NOON)
    watch.take_marks(interest(NOON + 1, CALL))
    watch.take_trades(prints(NOON + 2, CALL, 1.0, 1))
    seen = watch.of([CALL])
    np.testing.assert_allclose(seen.signed, [6.0])
    assert (seen.since_ns, seen.prints, seen.unsided) == (NOON, 5, 1)
    watch.take_marks(interest(NOON + DAY, CALL))
    assert watch.of([CALL]).signed.tolist() == [0.0]
    with pytest.raises(ValueError, match="before its first prints"):
        watch.seed(past, NOON)
