"""One node that throws, anywhere in a tree of Streamz nodes, costs its siblings nothing."""

from __future__ import annotations

import gc

import numpy as np
import pandas as pd
import pytest
import streamz

from workstation.streams.frames import streamz_frame
from workstation.streams.hub import Hub
from workstation.streams.node_guards import guard

SECOND = 10**9


def trades(*seconds: float, price: float = 1.0) -> pd.DataFrame:
    event_ns = [10**18 + round(second * SECOND) for second in seconds]
    return pd.DataFrame({"event_ns": event_ns, "instrument": "X", "price": price, "size": 1.0})


def refuse(value: object) -> object:
    raise ValueError("no")


def test_a_node_deep_in_a_tree_is_cut_off_alone() -> None:
    source, cut = streamz.Stream(), []
    guard(source, lambda node, error: cut.append((node, str(error))))
    shared = source.map(lambda value: value + 1)
    bad = shared.map(refuse)
    good = shared.map(lambda value: 10 * value).sink_to_list()
    for value in (1, 2):
        source._emit(value)
    assert good == [20, 30] and cut == [(bad, "no")]


def test_a_failing_frame_ends_none_beside_it() -> None:
    hub = Hub()
    frame = streamz_frame(hub, "trades")
    price = frame.price
    bad = price.stream.map(refuse)
    mean = price.rolling(2).mean().stream.sink_to_list()
    for second in range(3):
        hub.publish("trades", trades(second, price=float(second)))
    assert [rows.tolist() for rows in mean[1:]] == [[0.5], [1.5]]
    assert [one.reason for one in hub.set_aside] == ["ValueError: no"]
    assert bad not in list(price.stream.downstreams)


@pytest.mark.parametrize("window", ["rolling", "window"])
def test_a_late_row_ends_no_time_window(window: str) -> None:
    hub = Hub()
    frame = streamz_frame(hub, "trades")
    timed = frame.price.rolling("10s").sum() if window == "rolling" else frame.price.window("10s").sum()
    sums, counted = timed.stream.sink_to_list(), frame.price.count().stream.sink_to_list()
    for batch in (trades(1, 2), trades(5, 3), trades(2), trades(6)):
        hub.publish("trades", batch)
    assert not hub.set_aside and len(sums) == 4 and int(np.asarray(counted[-1])) == 6
    last = sums[-1].iloc[-1] if window == "rolling" else float(np.asarray(sums[-1]))
    assert last == 6.0


def test_a_guarded_tree_is_let_go_of() -> None:
    hub = Hub()
    frame = streamz_frame(hub, "trades")
    hub.publish("trades", trades(1))
    stream = hub.stream("trades")
    del frame
    gc.collect()
    hub.publish("trades", trades(2))
    assert not list(stream.downstreams)
