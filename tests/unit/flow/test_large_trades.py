"""Blocks, packages and large prints: worked by hand, with their evidence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.engines import EngineParameters, standard_engines
from workstation.flow.chain import FlowParameters
from workstation.flow.large_trades import LargeTrades, LargeTradesParameters
from workstation.market.tables import ALERTS, HEARTBEAT, MARKS, TRADES, TradeFlag

Make = Callable[..., pd.DataFrame]
START = pd.Timestamp("2026-11-01 00:00", tz="UTC").value
SECOND = 10**9
CALL, PUT = "BTC/USD:BTC-261225-110000-C", "BTC/USD:BTC-261225-90000-P"
PERPETUAL = "BTC/USD:BTC"
BLOCK, COMBO = int(TradeFlag.BLOCK), int(TradeFlag.COMBO)


def prints(*rows: dict[str, Any]) -> pd.DataFrame:
    """Trades; each row a second after the one before unless it says ``at`` seconds."""
    made = []
    for number, row in enumerate(rows):
        at = row.pop("at", number)
        given = {
            "instrument": CALL,
            "price": 0.02,
            "size": 1.0,
            "side": 1,
            "flags": 0,
            "block_id": "",
            "trade_id": f"t{at}-{number}",
            "index": 1e5,
        }
        made.append(given | {"event_ns": START + round(at * SECOND)} | row)
    return TRADES.conform(pd.DataFrame(made))


def beat(second: float) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + round(second * SECOND)]}))


def one(rows: pd.DataFrame) -> tuple[pd.Series, dict[str, Any]]:
    assert len(rows) == 1, rows[["kind", "explanation"]].to_dict("records")
    return rows.iloc[0], json.loads(rows["evidence"].iloc[0])


def test_a_block_by_its_flag_however_small() -> None:
    row, evidence = one(LargeTrades().update(prints({"flags": BLOCK, "size": 2.0})))
    assert list(ALERTS.names) == list(LargeTrades().update(beat(1), "heartbeat").columns)
    assert (row["kind"], row["severity"], row["direction"]) == ("block", "low", 1)
    assert row["premium_usd"] == pytest.approx(0.02 * 2 * 1e5)
    assert row["alert_id"] == f"block:{CALL}:t0-0" and row["instrument"] == CALL and row["verdict"] == "open"
    assert evidence["legs"][0]["trade_id"] == "t0-0" and evidence["score_components"] == {
        "size": 0.0,
        "negotiated": 20.0,
    }
    assert "2 bought at 0.02, premium 4,000 USD" in row["explanation"]


@pytest.mark.parametrize(("size", "found"), [(99.0, 0), (100.0, 1)])
def test_a_block_by_its_premium(size: float, found: int) -> None:
    rows = LargeTrades().update(prints({"size": size, "instrument": PUT, "side": -1}))
    assert len(rows) == found
    if found:
        row, _ = one(rows)
        assert row["premium_usd"] == pytest.approx(200_000.0) and row["direction"] == 1
        assert row["explanation"].startswith("print of block size")


def test_cash_premium_is_not_multiplied_by_the_index() -> None:
    linear = "SPXW  261218C06000000"
    assert not len(
        LargeTrades().update(prints({"instrument": linear, "price": 19.0, "size": 100.0, "index": 6000.0}))
    )
    row, _ = one(
        LargeTrades().update(prints({"instrument": linear, "price": 20.0, "size": 100.0, "index": 6000.0}))
    )
    assert row["premium_usd"] == pytest.approx(20.0 * 100 * 100)


def test_the_score_is_its_components() -> None:
    row, evidence = one(LargeTrades().update(prints({"flags": BLOCK, "size": 1000.0})))
    assert evidence["score_components"] == {"size": pytest.approx(30.0), "negotiated": 20.0}
    assert (row["score"], row["severity"]) == (pytest.approx(50.0), "medium")
    high, _ = one(LargeTrades().update(prints({"flags": BLOCK, "size": 20_000.0})))
    assert (high["score"], high["severity"]) == (pytest.approx(80.0), "high")


def test_without_an_index_the_newest_of_the_underlying_counts(make_marks: Make) -> None:
    engine = LargeTrades()
    assert not len(engine.update(prints({"size": 500.0, "index": np.nan})))
    engine.update(MARKS.conform(make_marks(event_ns=START + 2 * SECOND)), "marks")
    row, _ = one(engine.update(prints({"at": 3, "size": 500.0, "index": np.nan})))
    assert row["premium_usd"] == pytest.approx(0.02 * 500 * 100_300.0)


def package(**last: Any) -> pd.DataFrame:
    leg = {"flags": BLOCK | COMBO, "block_id": "B7", "at": 1, "size": 50.0}
    return prints(leg | {"price": 0.05}, leg | {"instrument": PUT, "price": 0.01, "side": -1} | last)


def test_legs_of_one_block_are_one_alert(make_marks: Make) -> None:
    engine = LargeTrades()
    book = MARKS.conform(make_marks(event_ns=START, delta=np.tile([0.3, -0.2], 10)))
    engine.update(book, "marks")
    legs = package()
    assert not len(engine.update(legs.iloc[:1])) and not len(engine.update(legs.iloc[1:]))
    assert not len(engine.update(beat(1.9), "heartbeat"))
    row, evidence = one(engine.update(beat(2), "heartbeat"))
    assert row["alert_id"] == "block::B7" and row["parent_id"] == "B7" and row["instrument"] == CALL
    assert row["premium_usd"] == pytest.approx(50 * 0.06 * 1e5)
    assert evidence["net_usd"] == pytest.approx(50 * 0.04 * 1e5)
    assert [leg["instrument"] for leg in evidence["legs"]] == [CALL, PUT]
    assert row["direction"] == 1, "a call bought and a put sold are long both"
    assert "block of 2 legs" in row["explanation"] and "paid by the takers" in row["explanation"]
    assert not len(engine.update(beat(100), "heartbeat"))


def test_a_package_whose_legs_cancel_out_or_cannot_tell_leans_nowhere(make_marks: Make) -> None:
    for delta in (np.tile([0.2, -0.2], 10), np.full(20, np.nan)):
        engine = LargeTrades()
        engine.update(MARKS.conform(make_marks(event_ns=START, delta=delta)), "marks")
        engine.update(package(side=1))
        assert one(engine.update(beat(9), "heartbeat"))[0]["direction"] == 0


def test_a_late_leg_tells_the_same_alert_again_whole() -> None:
    engine = LargeTrades()
    engine.update(package().iloc[:1])
    first, evidence = one(engine.update(beat(5), "heartbeat"))
    assert len(evidence["legs"]) == 1
    engine.update(package(at=6).iloc[1:])
    again, evidence = one(engine.update(beat(8), "heartbeat"))
    assert again["alert_id"] == first["alert_id"] and len(evidence["legs"]) == 2


def test_a_small_combo_is_no_block() -> None:
    engine = LargeTrades()
    engine.update(package(flags=COMBO).assign(flags=COMBO, size=1.0))
    assert not len(engine.update(beat(9), "heartbeat"))
    engine.update(package().assign(flags=COMBO, block_id="B8", size=40.0))
    row, _ = one(engine.update(beat(19), "heartbeat"))
    assert row["premium_usd"] == pytest.approx(240_000.0) and row["explanation"].startswith(
        "package of 2 legs"
    )


def usual(count: int, instrument: str = PERPETUAL, price: float = 1e5) -> list[dict[str, Any]]:
    return [
        {"instrument": instrument, "price": price, "size": 1.0 + 0.5 * (number % 3), "at": number}
        for number in range(count)
    ]


@pytest.mark.parametrize(("before", "found"), [(11, 0), (12, 1), (40, 1)])
def test_a_large_print_against_its_own_history_from_twelve(before: int, found: int) -> None:
    size = np.array([row["size"] for row in usual(before)])
    rows = LargeTrades().update(
        prints(*usual(before), {"instrument": PERPETUAL, "price": 1e5, "size": 6.0, "at": 100, "side": -1})
    )
    assert len(rows) == found
    if found:
        row, evidence = one(rows)
        told = evidence["history"]
        assert (row["kind"], row["direction"], row["premium_usd"]) == ("large_print", -1, pytest.approx(6e5))
        assert told["samples"] == before and told["of_contract"] == 1.0
        assert told["coin_z"] == pytest.approx((6 - size.mean()) / size.std())
        mad = np.median(np.abs(size - np.median(size)))
        assert told["coin_robust_z"] == pytest.approx((6 - np.median(size)) / (1.4826 * mad))
        assert told["usd_z"] == pytest.approx(told["coin_z"])
        assert "sd above the mean" in row["explanation"] and evidence["print"]["trade_id"]


def test_only_the_last_prints_count() -> None:
    old = [{"instrument": PERPETUAL, "price": 1e5, "size": 5.0, "at": n} for n in range(30)]
    new = [row | {"at": 50 + row["at"]} for row in usual(20)]
    large = {"instrument": PERPETUAL, "price": 1e5, "size": 6.0, "at": 100}
    assert len(LargeTrades(history=20).update(prints(*old, *new, large))) == 1
    assert not len(LargeTrades(history=50).update(prints(*old, *new, large)))


def test_a_contract_with_few_prints_is_judged_by_its_underlyings_options() -> None:
    many = usual(15, instrument=PUT, price=0.005)
    large = {"instrument": CALL, "price": 0.005, "size": 60.0, "at": 100}
    row, evidence = one(LargeTrades().update(prints(*many, large)))
    assert row["kind"] == "large_print" and evidence["history"]["of_contract"] == 0.0
    other = [row | {"instrument": PERPETUAL, "price": 1e5} for row in usual(15)]
    assert not len(LargeTrades().update(prints(*other, large)))


def test_under_the_floor_no_print_is_large() -> None:
    small = [row | {"size": row["size"] / 10} for row in usual(20)]
    large = {"instrument": PERPETUAL, "price": 1e5, "size": 2.4, "at": 100}
    assert not len(LargeTrades().update(prints(*small, large)))
    assert len(LargeTrades(large_usd=240_000.0).update(prints(*small, large))) == 1


def test_a_contract_is_quiet_after_a_large_print() -> None:
    burst = [
        {"instrument": PERPETUAL, "price": 1e5, "size": 60.0 * 3**n, "at": 100 + at}
        for n, at in enumerate((0, 5, 10))
    ]
    rows = LargeTrades(quiet="10s").update(prints(*usual(20), *burst))
    assert ((rows["event_ns"] - START) // SECOND).tolist() == [100, 110]


def test_blocks_are_not_part_of_what_is_usual() -> None:
    blocks = [
        {"instrument": PERPETUAL, "price": 1e5, "size": 500.0, "flags": BLOCK, "at": 30 + n} for n in range(5)
    ]
    rows = LargeTrades().update(
        prints(*usual(20), *blocks, {"instrument": PERPETUAL, "price": 1e5, "size": 6.0, "at": 100})
    )
    assert rows["kind"].tolist() == ["block"] * 5 + ["large_print"]


def test_a_cancel_retracts_what_its_print_raised() -> None:
    engine = LargeTrades()
    raised, _ = one(engine.update(prints({"flags": BLOCK, "size": 300.0, "trade_id": "x"})))
    cancel = {"flags": int(TradeFlag.CANCEL), "size": 300.0, "trade_id": "x", "at": 60}
    row, _ = one(engine.update(prints(cancel)))
    assert (row["alert_id"], row["verdict"]) == (raised["alert_id"], "retracted")
    assert (
        row["explanation"].startswith("retracted, print x was cancelled")
        and row["event_ns"] == START + 60 * SECOND
    )
    assert not len(engine.update(prints(cancel | {"at": 61}))), "once"


def test_a_cancelled_leg_is_not_waited_for() -> None:
    engine = LargeTrades()
    engine.update(package())
    engine.update(prints({"flags": int(TradeFlag.CANCEL), "instrument": PUT, "trade_id": "t1-1", "at": 1.5}))
    _, evidence = one(engine.update(beat(3), "heartbeat"))
    assert [leg["instrument"] for leg in evidence["legs"]] == [CALL]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"z": 0.0}, "z must be positive"),
        ({"gather": "0s"}, "gather must be positive"),
        ({"history": 5}, "at least samples"),
    ],
)
def test_parameters_are_checked(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LargeTradesParameters(**wrong)


LISTED = {"instrument": "SPY   261218C00600000", "price": 9.5, "size": 300.0, "side": 0, "index": 600.0}


@pytest.mark.parametrize(
    ("flags", "found"),
    [(0, 1), (int(TradeFlag.LATE), 0), (int(TradeFlag.OUT_OF_SEQUENCE), 0), (int(TradeFlag.AVERAGE_PRICE), 0), (int(TradeFlag.LATE) | BLOCK, 1)],
)  # fmt: skip
def test_a_late_print_of_a_listed_option_is_volume_only(flags: int, found: int) -> None:
    rows = LargeTrades().update(prints(LISTED | {"flags": flags}))
    assert len(rows) == found
    if found:
        assert rows["premium_usd"].tolist() == [285_000.0] and rows["direction"].tolist() == [0], (
            "no taker is named"
        )


def test_where_flow_runs_listed_options_are_its_own_and_those_of_crypto_venues_are_not() -> None:
    batch = prints(LISTED, {"size": 200.0}, LISTED | {"flags": int(TradeFlag.CANCEL), "trade_id": "t0-0"})
    both = {
        enabled: _large_trades(enabled).update(batch)["instrument"].astype("str").tolist()
        for enabled in (True, False)
    }
    assert both == {True: [CALL], False: [LISTED["instrument"], CALL, LISTED["instrument"]]}


def _large_trades(flow: bool) -> LargeTrades:
    engines = standard_engines(parameters=EngineParameters(flow=FlowParameters(enabled=flow)))
    return next(engine for engine in engines if isinstance(engine, LargeTrades))


def test_a_table_it_does_not_read_is_named() -> None:
    with pytest.raises(
        ValueError, match="LargeTrades reads trades, marks, heartbeat, instruments, not 'quotes'"
    ):
        LargeTrades().update(beat(1), "quotes")
