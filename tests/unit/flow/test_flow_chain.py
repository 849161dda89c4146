"""From trades to alerts: cancels, late and repeated prints, and the same rows live, replayed and in one batch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.engines import EngineParameters, standard_engines
from workstation.feeds.synthetic.options_day import OptionsDay, options_day
from workstation.flow.alerts import alerts
from workstation.flow.chain import FlowParameters, flow_engines
from workstation.flow.classifiers import classify
from workstation.flow.nbbo import NbboPlacement, place, prints
from workstation.flow.packets import packets, packets_of
from workstation.market.digest import digest
from workstation.market.tables import HEARTBEAT, QUOTES, TABLES, TRADES, TradeFlag
from workstation.research.flow_accuracy import flow_accuracy, side_accuracy
from workstation.research.replay import replay
from workstation.streams.hub import Hub

START = pd.Timestamp("2026-11-30 15:00").value
MS, SECOND = 10**6, 10**9
CALL = "SPY   261218C00600000"


def sweep(*more: dict[str, Any]) -> pd.DataFrame:
    rows = [
        {"at": 10 + 10 * place, "trade_id": name, "exchange": venue, "condition": "S", "flags": 16}
        for place, (name, venue) in enumerate(zip("abc", "CPQ", strict=True))
    ]
    made = [{"instrument": CALL, "price": 1.3, "size": 200.0, "index": 600.0} | row for row in [*rows, *more]]
    frame = pd.DataFrame(made)
    return TRADES.conform(frame.drop(columns="at").assign(event_ns=START + frame["at"].to_numpy() * MS))


def quotes() -> pd.DataFrame:
    return QUOTES.batch({"event_ns": [START], "instrument": [CALL], "bid": 1.2, "ask": 1.3})


def cancel(name: str, at: int, **more: Any) -> dict[str, Any]:
    return {"at": at, "trade_id": name, "exchange": "C", "condition": "A", "flags": 1 << 13} | more


def test_a_cancel_takes_back_the_alert_and_leaves_a_trace() -> None:
    trades = sweep(cancel("a", 5_000), cancel("b", 6_000), cancel("c", 7_000))
    found = packets(trades, quotes(), max_age_ms=9_000)
    assert found["revision"].tolist() == [0, 1, 2, 3] and found["prints"].tolist() == [3, 2, 1, 0]
    hits = classify(found)
    told = alerts(hits)
    assert set(told["alert_id"]) == {f"flow:{found['packet_id'][0]}"}
    assert told["verdict"].iloc[0] == "open" and told["verdict"].iloc[-1] == "retracted"
    assert told["explanation"].iloc[-1].startswith("retracted, a print was cancelled; it was: ")
    assert hits["retracted"].any() and hits.loc[hits["retracted"], "revision"].min() > 0


def test_a_cancel_before_the_packet_is_told_leaves_the_rest() -> None:
    found = packets(sweep(cancel("b", 100)), quotes())
    assert found["revision"].tolist() == [0] and found["size"].tolist() == [400.0]
    assert json.loads(found["evidence"][0]) == {"prints": ["a", "c"]}


def test_an_opra_cancel_names_its_print_by_price_and_size_and_an_unknown_one_is_set_aside() -> None:
    by_terms = cancel("x1", 100, condition="C", price=1.3, size=200.0)
    unknown = cancel("x2", 200, price=9.9)
    rows = prints(sweep(by_terms, unknown), quotes())
    assert rows["cancels"].tolist() == [0, 0, 0, 3, -1]
    assert rows["exclusion"].tolist() == ["", "", "", "cancel", "unknown cancel"]
    assert packets_of(rows)["size"].tolist() == [400.0]
    assert rows["volume_before"].iloc[:3].tolist() == [0.0, 200.0, 400.0]


def test_repeated_and_late_prints_are_part_of_no_packet() -> None:
    again = {"at": 40, "trade_id": "a", "exchange": "C", "condition": "S", "flags": 16}
    late = {"at": 50, "trade_id": "d", "exchange": "C", "condition": "D", "flags": 1 << 11}
    rows = prints(sweep(again, late), quotes())
    assert rows["exclusion"].tolist() == ["", "", "", "duplicate", "late"]
    assert packets_of(rows)["prints"].tolist() == [3]


def test_a_late_report_meets_the_quote_of_its_execution() -> None:
    engine = NbboPlacement(kinds=())
    engine.update(quotes(), "quotes")
    later = quotes().assign(event_ns=START + 900 * MS, bid=5.0, ask=5.1)
    engine.update(QUOTES.conform(later), "quotes")
    rows = engine.update(sweep(), "trades")
    assert rows["ask"].tolist() == [1.3] * 3 and rows["quote_age_ms"].tolist() == [10.0, 20.0, 30.0]


def test_quotes_of_exchanges_make_the_nbbo_until_a_consolidated_one_comes() -> None:
    at = {"event_ns": START + np.arange(4) * MS, "instrument": [CALL] * 4}
    some = QUOTES.batch(
        at | {"bid": [1.0, 1.1, 1.05, 1.2], "ask": [1.5, 1.6, 1.4, 1.3], "exchange": ["C", "P", "C", ""]}
    )
    trades = TRADES.batch(
        {
            "event_ns": START + np.arange(4) * MS,
            "instrument": [CALL] * 4,
            "price": [1.3] * 4,
            "size": [1.0] * 4,
        }
    )
    rows = place(trades, some)
    assert rows[["bid", "ask"]].values.tolist() == [[1.0, 1.5], [1.1, 1.5], [1.1, 1.4], [1.2, 1.3]]


def test_premiums_are_not_ranked_against_legs_of_packages() -> None:
    """40 000, a leg of a package of 1 200 000, then 60 000: larger than all that was sold outright before."""
    made = {
        "instrument": CALL,
        "index": 600.0,
        "price": 2.0,
        "size": [200.0, 6_000.0, 300.0],
        "condition": ["I", "f", "I"],
    }
    times = START + np.arange(3) * SECOND
    trades = TRADES.conform(
        pd.DataFrame(made | {"event_ns": times, "flags": [0, int(TradeFlag.MULTI_LEG), 0]})
    )
    found = packets(trades, quotes(), rank_samples=1)
    assert found["premium_rank"].tolist()[1:] == [1.0, 1.0]


@pytest.fixture(scope="module")
def day() -> OptionsDay:
    return options_day(minutes=3.0, names=("SPY",), parents_per_minute=8.0)


def test_the_fast_join_and_the_engine_place_alike(day: OptionsDay) -> None:
    trades = day.tables["trades"]
    chosen = trades.sort_values("event_ns", kind="stable").reset_index(drop=True)
    consolidated = day.tables["quotes"]
    consolidated = consolidated[(consolidated["exchange"] == "").to_numpy()].reset_index(drop=True)
    fast, slow = place(chosen, consolidated), prints(chosen, consolidated)
    kept = (~slow["exclusion"].isin(("duplicate", "cancel", "unknown cancel"))).to_numpy()
    pd.testing.assert_frame_equal(
        fast.loc[kept, ["placement", "bid", "ask", "quote_age_ms"]],
        slow.loc[kept, ["placement", "bid", "ask", "quote_age_ms"]],
    )


def test_a_synthetic_day_is_read_as_it_was_drawn(day: OptionsDay) -> None:
    rows = prints(day.tables["trades"], day.tables["quotes"], day.tables["marks"])
    found = flow_accuracy(rows, day.truth["prints"], day.truth["parents"])
    assert found["found"].sum() >= 0.7 * found["parents"].sum() > 10
    known = day.truth["prints"].set_index("trade_id")["side"]
    truth = day.tables["trades"]["trade_id"].map(known).fillna(0).to_numpy()
    right = side_accuracy(day.tables["trades"], day.tables["quotes"], truth, rules=("quote", "tick")).query(
        "placement == ''"
    )
    assert right["right"].iloc[0] > 0.9 > right["right"].iloc[1] > 0.5


def recorded(day: OptionsDay) -> dict[str, pd.DataFrame]:
    """The day's rows as a hub accepted them: in order of arrival, numbered, with a heartbeat each second."""
    parts = []
    for name in ("instruments", "quotes", "marks", "trades"):
        frame = day.tables[name]
        at = frame["seen_ns"].where(frame["seen_ns"] > 0, frame["event_ns"])
        parts.append(pd.DataFrame({"table": name, "place": np.arange(len(frame)), "at": at.to_numpy()}))
    beats = HEARTBEAT.batch({"event_ns": START - 1800 * SECOND + np.arange(400) * SECOND, "feed": ""})
    parts.append(
        pd.DataFrame(
            {"table": "heartbeat", "place": np.arange(len(beats)), "at": beats["event_ns"].to_numpy()}
        )
    )
    order = pd.concat(parts).sort_values("at", kind="stable")
    order = order[order["at"] < START + 600 * SECOND].assign(seq=lambda rows: np.arange(1, len(rows) + 1))
    told = {}
    for name, rows in order.groupby("table"):
        frame = beats if name == "heartbeat" else day.tables[str(name)]
        told[str(name)] = (
            TABLES[str(name)].take(frame, rows["place"].to_numpy()).assign(seq=rows["seq"].to_numpy())
        )
    return told


def test_live_replay_and_batch_give_the_same_rows() -> None:
    recording = recorded(options_day(minutes=1.0, names=("SPY",), parents_per_minute=12.0))
    parameters = EngineParameters(flow=FlowParameters(enabled=True))
    outputs = ("prints", "packets", "structures", "hits", "alerts", "offexchange")
    live: dict[str, list[pd.DataFrame]] = {name: [] for name in outputs}
    hub = Hub(agreeing=1)
    for engine in flow_engines():
        hub.add_engine(engine)
    hub.attach("kept", outputs, lambda table, frame: live[table].append(frame))
    every = pd.concat(
        [
            pd.DataFrame({"table": name, "seq": frame["seq"], "place": np.arange(len(frame))})
            for name, frame in recording.items()
        ]
    ).sort_values("seq")
    runs = (every["table"] != every["table"].shift()).cumsum()
    for _, rows in every.groupby(runs):
        name = str(rows["table"].iloc[0])
        for part in np.array_split(rows["place"].to_numpy(), min(2, len(rows))):
            hub.publish(name, TABLES[name].take(recording[name], part))
    assert not hub.set_aside
    engines = [
        engine for engine in standard_engines(parameters=parameters) if engine.output in (*outputs, "candles")
    ]
    engines = [
        engine for engine in engines if type(engine).__name__ not in ("LargeTrades", "WallAlerts", "Candles")
    ]
    replayed = replay(recording, engines=engines)
    for name in outputs:
        assert digest(TABLES[name].concat(live[name])) == digest(replayed[name]), name
    assert len(replayed["alerts"]) > 3 and len(replayed["structures"]) > 1
    newest = replayed["alerts"].drop_duplicates("alert_id", keep="last")
    for row in newest.itertuples():
        parts = json.loads(str(row.evidence))["score_components"]
        assert sum(parts.values()) == pytest.approx(row.score) and 0 <= row.score <= 100
