"""Bounded queues: nothing is lost in silence, the newest is always delivered."""

from __future__ import annotations

import threading

import pandas as pd
import pytest
import streamz
from hypothesis import given
from hypothesis import strategies as st

from workstation.market.tables import table as table_named
from workstation.streams.backpressure import Backlog

NAMES = ("BTC/USD", "ETH/USD", "AAPL")


def batch(table: str, seq: int, name: str) -> pd.DataFrame:
    row: dict[str, object] = {"seq": [seq], "event_ns": [seq], "instrument": name}
    if table == "trades":
        row |= {"price": 1.0, "size": 1.0}
    return table_named(table).conform(pd.DataFrame(row))


@given(
    limit=st.integers(1, 6),
    steps=st.lists(
        st.tuples(st.sampled_from(["trades", "quotes", "marks", "get"]), st.sampled_from(NAMES)), max_size=60
    ),
)
def test_every_row_is_delivered_merged_or_handed_over(limit: int, steps: list[tuple[str, str]]) -> None:
    over: list[tuple[str, pd.DataFrame]] = []
    backlog = Backlog(overflow=lambda table, frame: over.append((table, frame)), limit=limit)
    got: list[tuple[str, pd.DataFrame]] = []
    put: list[tuple[str, int, str]] = []
    for seq, (table, name) in enumerate(steps, start=1):
        if table == "get":
            taken = backlog.get(timeout=0)
            got += [taken] if taken else []
        else:
            put.append((table, seq, name))
            backlog.put(table, batch(table, seq, name))
        assert len(backlog) <= limit
    backlog.close()
    while (taken := backlog.get()) is not None:
        got.append(taken)
    for table in ("trades", "quotes", "marks"):
        delivered = [s for t, f in got if t == table for s in f["seq"]]
        handed = [s for t, f in over if t == table for s in f["seq"]]
        told = [seq for t, seq, _ in put if t == table]
        assert delivered == sorted(delivered) and not set(delivered) & set(handed)
        merged = len(told) - len(delivered) - len(handed)
        assert merged == backlog.conflated_rows[table] and len(handed) == backlog.overflowed_rows[table]
        if table == "trades":
            assert merged == 0
            continue
        for name in NAMES:
            newest = [seq for t, seq, n in put if t == table and n == name and seq not in handed]
            assert not newest or newest[-1] in delivered


def test_a_closed_backlog_wakes_its_consumer_and_takes_nothing() -> None:
    backlog = Backlog(overflow=lambda table, frame: None)
    got: list[object] = []
    consumer = threading.Thread(target=lambda: got.append(backlog.get(timeout=30)))
    consumer.start()
    backlog.close()
    consumer.join(30)
    assert got == [None]
    with pytest.raises(RuntimeError, match="closed"):
        backlog.put("trades", batch("trades", 1, "AAPL"))


@given(st.lists(st.booleans(), max_size=50))
def test_the_newest_element_is_always_delivered(flushes: list[bool]) -> None:
    source = streamz.Stream()
    node = source.newest()
    shown = node.sink_to_list()
    for number, flush in enumerate(flushes):
        source.emit(number)
        if flush:
            assert node.flush() and shown[-1] == number
    node.flush()
    assert shown[-1:] == ([len(flushes) - 1] if flushes else [])
    assert len(shown) + node.skipped == len(flushes)
