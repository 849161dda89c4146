"""The hub: order, watermark, guards, and what becomes of batches that do not fit."""

from __future__ import annotations

import pandas as pd
import pytest

from workstation.indicators.candles.engine import Candles
from workstation.market.errors import TableError
from workstation.market.tables import NO_TIME
from workstation.streams.frames import streamz_frame
from workstation.streams.hub import Hub


def trades(*times: int, price: float = 1.0, instrument: str = "BTC/USD") -> pd.DataFrame:
    return pd.DataFrame({"event_ns": list(times), "instrument": instrument, "price": price, "size": 1.0})


def listen(hub: Hub, *tables: str) -> list[tuple[str, pd.DataFrame]]:
    seen: list[tuple[str, pd.DataFrame]] = []
    hub.attach("listener", tables, lambda table, frame: seen.append((table, frame)))
    return seen


def test_numbers_go_on_over_tables_and_from_the_given_first() -> None:
    hub = Hub(first_seq=100)
    seen = listen(hub, "trades", "heartbeat")
    assert hub.publish("trades", trades(5, 6)) == 101
    assert hub.heartbeat(9) == 102
    assert [(t, f["seq"].tolist()) for t, f in seen] == [("trades", [100, 101]), ("heartbeat", [102])]
    with pytest.raises(ValueError, match="first_seq"):
        Hub(first_seq=0)


def test_numbering_leaves_the_published_frame_alone() -> None:
    hub = Hub()
    frame = trades(5)
    hub.publish("trades", frame)
    assert list(frame.columns) == ["event_ns", "instrument", "price", "size"]
    seen = listen(hub, "trades")
    hub.publish("trades", frame)
    first = seen[0][1]
    hub.publish("trades", first)
    assert first["seq"].tolist() == [2] and seen[1][1]["seq"].tolist() == [3]


def test_watermark_never_goes_back_and_what_is_behind_it_is_counted() -> None:
    hub = Hub()
    assert hub.watermark_ns == NO_TIME
    hub.publish("trades", trades(10, 20))
    hub.publish("trades", trades(15, 20, 30))
    assert hub.watermark_ns == 30 and hub.late["trades"] == 1
    hub.heartbeat(25)
    assert hub.watermark_ns == 30
    hub.heartbeat(40)
    assert hub.watermark_ns == 40


def test_what_a_branch_publishes_comes_after_and_in_order() -> None:
    hub = Hub()
    order: list[str] = []

    def derive(table: str, frame: pd.DataFrame) -> None:
        order.append("derive")
        hub.publish("heartbeat", pd.DataFrame({"event_ns": [7]}))
        hub.publish("health", pd.DataFrame({"event_ns": [7], "event": "late"}))

    hub.attach("derive", ["trades"], derive)
    hub.attach("after", ["trades"], lambda t, f: order.append("trades"))
    hub.attach("beat", ["heartbeat"], lambda t, f: order.append(f"heartbeat {f['seq'].iloc[0]}"))
    hub.attach("told", ["health"], lambda t, f: order.append(f"health {f['seq'].iloc[0]}"))
    hub.publish("trades", trades(5))
    assert order == ["derive", "trades", "heartbeat 2", "health 3"]


def test_a_branch_that_throws_stops_alone_and_can_be_revived() -> None:
    hub = Hub()
    seen: list[int] = []
    broken = [True]

    def fragile(table: str, frame: pd.DataFrame) -> None:
        if broken[0]:
            raise RuntimeError("no ink")
        seen.append(len(frame))

    hub.attach("fragile", ["trades"], fragile)
    rows = listen(hub, "trades", "health")
    hub.publish("trades", trades(5, 6))
    hub.publish("trades", trades(7))
    assert hub.branches == {"fragile": "failed", "listener": "running"}
    status = hub.status("fragile")
    assert (status.failures, status.skipped_rows, status.reason) == (1, 1, "RuntimeError: no ink")
    health = [f for t, f in rows if t == "health"]
    assert [t for t, _ in rows] == ["trades", "health", "trades"]
    assert health[0]["event"].tolist() == ["failed"] and "no ink" in health[0]["detail"].iloc[0]
    assert health[0]["event_ns"].tolist() == [6]
    aside = hub.set_aside[0]
    assert (aside.branch, aside.table, len(aside.frame)) == ("fragile", "trades", 2)
    broken[0] = False
    hub.revive("fragile")
    hub.publish("trades", trades(8))
    assert seen == [1] and hub.branches["fragile"] == "running"
    with pytest.raises(KeyError, match="no branch 'nobody'; there are fragile, listener"):
        hub.revive("nobody")


def test_a_batch_that_does_not_fit_is_set_aside_and_told_of() -> None:
    hub = Hub()
    rows = listen(hub, "trades", "health")
    hub.publish("trades", trades(5, price=float("nan")))
    hub.publish("trades", trades(6))
    assert [t for t, _ in rows] == ["health", "trades"]
    assert (
        rows[0][1]["event"].tolist() == ["rejected"] and "trades.price, row 0" in rows[0][1]["detail"].iloc[0]
    )
    assert hub.rejected["trades"] == 1 and hub.set_aside[0].branch == "edge"
    with pytest.raises(TableError, match="no such table"):
        hub.publish("tirades", trades(7))


def test_a_users_streamz_node_that_throws_is_cut_off() -> None:
    hub = Hub()
    rows = listen(hub, "trades", "health")
    node = hub.stream("trades").map(lambda frame: frame["no such column"])
    hub.publish("trades", trades(5))
    hub.publish("trades", trades(6))
    assert [t for t, _ in rows] == ["trades", "health", "trades"]
    assert node not in hub.stream("trades").downstreams
    with pytest.raises(TypeError, match=r"Hub\.publish"):
        hub.stream("trades").emit(trades(7))


def test_engines_are_fed_published_and_named_apart() -> None:
    hub = Hub()
    assert [hub.add_engine(Candles(every=e)) for e in ("1s", "10s")] == ["Candles", "Candles#2"]
    rows = listen(hub, "candles", "health")
    hub.publish("trades", trades(10**9, 2 * 10**9))
    hub.heartbeat(10 * 10**9)
    assert [(f["every_ns"].tolist(), f["seq"].tolist()) for _, f in rows] == [
        ([10**9], [3]),
        ([10**9], [5]),
        ([10**10], [6]),
    ]
    hub.publish("trades", trades(10**9))
    assert [f["event"].tolist() for t, f in rows if t == "health"] == [["late"], ["late"]]
    assert hub.engines["Candles"].late == 1


def test_detached_branches_hear_nothing() -> None:
    hub = Hub()
    rows = listen(hub, "trades")
    hub.detach("listener")
    hub.publish("trades", trades(5))
    assert rows == [] and hub.branches == {}


def test_streaming_dataframe_windows_groups_and_rolls() -> None:
    hub = Hub()
    frame = streamz_frame(hub, "trades")
    rolled = frame.price.rolling(2).mean().stream.sink_to_list()
    windowed = frame.window(n=3).price.sum().stream.sink_to_list()
    timed = frame.window(value="2s").groupby("instrument")["size"].sum().stream.sink_to_list()
    grouped = frame.groupby("instrument").price.mean().stream.sink_to_list()
    second = 10**9
    hub.publish("trades", trades(1 * second, 2 * second, price=2.0))
    hub.publish("trades", trades(4 * second, price=6.0))
    hub.publish("trades", trades(5 * second, price=8.0, instrument="ETH/USD"))
    assert pd.concat(rolled).dropna().tolist() == [2.0, 4.0, 7.0]
    assert windowed == [4.0, 10.0, 16.0]
    assert grouped[-1].to_dict() == {"BTC/USD": 10 / 3, "ETH/USD": 8.0}
    assert timed[-1].to_dict() == {"BTC/USD": 1.0, "ETH/USD": 1.0}
    assert set(hub.branches.values()) <= {"running"} and not hub.set_aside
