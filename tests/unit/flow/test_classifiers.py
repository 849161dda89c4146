"""Thresholds that change while the classifiers run."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from workstation.desk import open_desk
from workstation.flow.chain import FlowParameters
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.classifiers import Classifiers
from workstation.flow.packets import packets
from workstation.market.tables import QUOTES, TRADES
from workstation.process import applied_thresholds, apply_thresholds
from workstation.settings import Settings

START = pd.Timestamp("2026-11-30 15:00").value
CALL = "SPY   261218C00600000"


def block(minute: int) -> pd.DataFrame:
    """A packet of one print of 390 000 USD at the ask, and its quote."""
    at = [START + minute * 60 * 10**9]
    trades = {
        "event_ns": at,
        "instrument": [CALL],
        "price": [1.3],
        "size": [3000.0],
        "trade_id": [f"t{minute}"],
    }
    return packets(
        TRADES.batch(trades), QUOTES.batch({"event_ns": at, "instrument": [CALL], "bid": 1.2, "ask": 1.3})
    )


def told(engine: Classifiers, minute: int) -> set[str]:
    return set(engine.update(block(minute), "packets")["classifier"].astype("str"))


def test_adopted_thresholds_hold_from_the_next_batch_on() -> None:
    engine = Classifiers()
    assert "block" in told(engine, 0)
    engine.adopt(replace(engine.parameters, block_usd=500_000.0))
    assert engine.parameters.block_usd == 500_000.0
    assert "block" not in told(engine, 10)
    engine.adopt(ClassifierParameters())
    assert "block" in told(engine, 20)


@pytest.mark.parametrize("change", [{"follow": "1min"}, {"follow_move": 0.5}, {"least_size": 3.0}])
def test_what_waits_was_taken_in_by_is_not_changed(change: dict[str, float | str]) -> None:
    engine = Classifiers()
    with pytest.raises(
        ValueError, match=rf"{next(iter(change))} cannot change .* settings \(flow\.classifiers\)"
    ):
        engine.adopt(replace(engine.parameters, **change, block_usd=1.0))  # type: ignore[arg-type]
    assert engine.parameters == ClassifierParameters()


def test_a_desk_follows_what_is_applied_and_one_without_flow_engines_says_so() -> None:
    desk = open_desk([], settings=Settings(flow=FlowParameters(enabled=True)))
    wanted = replace(applied_thresholds(desk), block_usd=1e6, stale_ms=100.0, structure_usd=5e4)
    apply_thresholds(desk, wanted)
    assert applied_thresholds(desk) == wanted
    with pytest.raises(ValueError, match="follow cannot change"):
        apply_thresholds(desk, replace(wanted, follow="1min"))
    assert applied_thresholds(desk) == wanted
    with pytest.raises(ValueError, match=r"set flow\.enabled"):
        applied_thresholds(open_desk([], settings=Settings(flow=FlowParameters(enabled=False))))
