"""The newest state over Redis: a page server begins where the collector is, shows its chains, and prices nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redis
import xarray as xr

from tests.unit.conftest import ASOF, option_marks
from tests.wire.redis_server import RedisServer, wait
from workstation.board.priced_chain import WHOLE, ChainPending, PricedChain
from workstation.bus.entries import ROWS, stream_key
from workstation.bus.newest import NewestState
from workstation.bus.priced import asked, published, question, received
from workstation.bus.sink import BusSink
from workstation.desk import Desk, open_desk
from workstation.feeds import open_feed
from workstation.market.digest import digest
from workstation.market.errors import WorkstationError
from workstation.pricing import black, by_style, contracts, implied

pytestmark = pytest.mark.wire
SECONDS = 60.0
MINUTE_NS = 60 * 10**9


def trades(rows: int, first: int = 0) -> pd.DataFrame:
    steps = range(first, first + rows)
    return pd.DataFrame(
        {"event_ns": [ASOF + one for one in steps], "instrument": "BTC/USD:BTC", "price": 1.0, "size": 1.0, "trade_id": [str(one) for one in steps]}
    )  # fmt: skip


def collecting(bus: RedisServer) -> tuple[Desk, BusSink, NewestState]:
    sink = BusSink(bus.url)
    desk = open_desk([], sinks=[sink])
    sink.start()
    desk.hub.publish("marks", option_marks())
    desk.hub.publish("trades", trades(400))
    desk.hub.publish("marks", option_marks(event_ns=ASOF + MINUTE_NS))
    return desk, sink, NewestState(desk.board, sink, bus.url)


class Counted:
    """Calls of everything that prices, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        for module in (by_style, black, implied, contracts):
            for name in (
                "greeks",
                "price",
                "gamma_profile",
                "american_cash_gamma_profile",
                "implied_vol",
                "contracts",
            ):
                if callable(getattr(module, name, None)):
                    monkeypatch.setattr(
                        module, name, self._counting(f"{module.__name__}.{name}", getattr(module, name))
                    )
        for place in ("workstation.exposure.zero_gamma.gamma_profile", "workstation.board.chain_publishing.contracts",
                      "workstation.board.priced_chain.key_levels", "workstation.board.priced_chain.surface"):  # fmt: skip
            module_name, _, name = place.rpartition(".")
            module = __import__(module_name, fromlist=[name])
            monkeypatch.setattr(module, name, self._counting(place, getattr(module, name)))

    def _counting(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **options: object) -> object:
            self.calls.append(name)
            return function(*arguments, **options)

        return counted


def test_a_page_server_shows_the_collectors_chain_and_prices_nothing(
    bus: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector, sink, state = collecting(bus)
    own = collector.board.priced_chain("BTC")
    assert own is not None
    state.write()
    page = open_desk([open_feed("bus", url=bus.url)])
    with page:
        wait(lambda: page.board.priced_chain("BTC"), "no chain came")
        counted = Counted(monkeypatch)
        chain = page.board.priced_chain("BTC")
        assert chain is not None
        model, basis = "calls_long", "open_interest"
        found = [
            chain.levels(model, basis),
            chain.band(basis),
            chain.by_strike("gex", model, basis),
            chain.ledger(model, basis),
        ]
        part = chain.of(chain.expiries[:1])
        with pytest.raises(ChainPending):
            part.levels(model, basis)
        with pytest.raises(ChainPending):
            _ = chain.dataset
        assert counted.calls == []  # and the counters do count: see below
    # the questions were told to Redis, or are with the next step of the follower
    client = redis.Redis(port=bus.port)
    now = client.time()[0]
    expiries = (tuple(part.expiries), "")
    for of, key in ((expiries, ("levels", model, basis)), (WHOLE, ("dataset",)), (WHOLE, ("surface",))):
        client.zadd(stream_key("workstation", "newest:asked:BTC"), {question(of, key): now})
    state.write()
    follower = page_follower(page)
    answered = follower.chain("BTC")
    assert answered is not None
    assert counted.calls  # the collector prices what was asked
    counted.calls.clear()
    found += [answered.of(answered.expiries[:1]).levels(model, basis)]
    xr.testing.assert_identical(answered.dataset, own.dataset)
    xr.testing.assert_identical(answered.surface, own.surface)
    assert counted.calls == []
    theirs = [
        own.levels(model, basis),
        own.band(basis),
        own.by_strike("gex", model, basis),
        own.ledger(model, basis),
    ]
    theirs += [own.of(own.expiries[:1]).levels(model, basis)]
    for one, other in zip(found, theirs, strict=True):
        np.testing.assert_equal(plain(one), plain(other))
    client.close()
    sink.close()


def page_follower(page: Desk) -> object:
    feed = page._supervisors[0].feed
    return feed._follower  # type: ignore[attr-defined]


def plain(value: object) -> object:
    if hasattr(value, "_asdict"):
        return value._asdict()
    return {name: plain(one) for name, one in vars(value).items()} if hasattr(value, "__dict__") else value


def test_a_page_server_begins_with_the_state_where_the_stream_has_forgotten_it(bus: RedisServer) -> None:
    collector, sink, state = collecting(bus)
    wait(lambda: sink.sent_rows == collector.hub.next_seq - 1, "not sent")
    state.write()
    forming = collector.hub.engines["Candles"].in_progress()  # type: ignore[attr-defined]
    collector.board.set_forming(forming)
    with redis.Redis(port=bus.port) as client:
        client.xtrim(stream_key("workstation", ROWS), maxlen=0, approximate=False)
    collector.hub.publish("trades", trades(5, 400))  # after the state: from the stream
    state.write()
    page = open_desk([open_feed("bus", url=bus.url)])
    with page:
        wait(lambda: page.hub.next_seq == collector.hub.next_seq, "the rows did not come")
        for table in ("trades", "marks", "levels", "exposures"):
            held = collector.board.latest(table)
            assert len(held) and digest([page.board.latest(table)]) == digest([held]), table
        wait(lambda: len(page.board.forming()), "no candle in progress")
        assert digest([page.board.forming()]) == digest([forming])
        ours, theirs = (
            one.board.exposure_history("BTC", "calls_long", "open_interest") for one in (page, collector)
        )
        assert len(theirs) == len(ours) and ours["gex"].tolist() == theirs["gex"].tolist()
        assert not (page.board.latest("health")["event"] == "gap").any()
    sink.close()


def test_what_is_asked_and_answered_survives_the_way(make_chain: PricedChain) -> None:
    asked_of: list[bytes] = []
    scenario = ("forced flow", "calls_long", "open_interest", (-0.1, 0.0, 0.1), (0.0,), (0.0,))
    keys = [
        question(WHOLE, scenario),
        question(WHOLE, ("open interest", 3)),
        question(WHOLE, ("no such thing",)),
        b"\xc1",
    ]
    chain = received(published(make_chain, keys), asked_of.append)
    options = {"spot_moves": (-0.1, 0.0, 0.1), "vol_moves": (0.0,)}
    xr.testing.assert_identical(
        chain.forced_flow("calls_long", "open_interest", **options),
        make_chain.forced_flow("calls_long", "open_interest", **options),
    )
    xr.testing.assert_identical(chain.open_interest(3), make_chain.open_interest(3))
    assert asked_of == keys[:2]
    with pytest.raises(ValueError, match="no question"):
        asked(b"\xc1")
    with pytest.raises(ValueError, match="nothing of a chain"):
        make_chain.answer(WHOLE, ("no such thing",))


@pytest.fixture
def make_chain() -> PricedChain:
    desk = open_desk([])
    desk.hub.publish("marks", option_marks())
    desk.hub.publish("marks", option_marks(event_ns=ASOF + MINUTE_NS))
    found = desk.board.priced_chain("BTC")
    assert found is not None
    return found


def test_a_page_server_keeps_its_history_while_redis_and_the_collector_restart(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    collector, sink, state = collecting(server)
    page = open_desk([open_feed("bus", url=server.url)])
    with state, page:
        wait(
            lambda: page.hub.next_seq == collector.hub.next_seq and page.board.priced_chain("BTC"), "no state"
        )
        server.stop()
        held, chain = page.board.latest("trades"), page.board.priced_chain("BTC")
        collector.hub.publish("trades", trades(5, 400))  # waits at the collector
        wait(lambda: page.board.feeds()["state"].tolist() == ["backing_off"], "the loss was not seen")
        assert (
            digest([page.board.latest("trades")]) == digest([held])
            and page.board.priced_chain("BTC") is chain
        )
        server.start()
        wait(lambda: len(page.board.latest("trades")) == 405, "what waited did not come")
        collector.hub.publish("marks", option_marks(event_ns=ASOF + 2 * MINUTE_NS))
        wait(lambda: page.board.priced_chain("BTC") is not chain, "no chain after the restart")
        sink.close()
        first = collector.hub.next_seq
        again = BusSink(server.url)
        second = open_desk([], sinks=[again], first_seq=first)
        again.start()
        second.hub.publish("trades", trades(5, 405))
        wait(lambda: len(page.board.latest("trades")) == 410, "the second collector was not followed")
        told = page.board.latest("health")
        assert "began anew" in told["detail"].iloc[-1]
        again.close()
    server.stop()


def test_without_redis_one_process_works_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    desk = open_desk([])
    desk.hub.publish("marks", option_marks())
    desk.hub.publish("marks", option_marks(event_ns=ASOF + MINUTE_NS))
    chain = desk.board.priced_chain("BTC")
    assert chain is not None and np.isfinite(chain.levels("calls_long", "open_interest").net_gex)
    with pytest.raises(WorkstationError, match="pip install"):
        BusSink("redis://127.0.0.1:1/0")
