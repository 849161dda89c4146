"""Cases of other projects and papers that go through more than one engine: calibration, spreads, candles, evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workstation.feeds.synthetic.options_day import options_day
from workstation.flow.alerts import alerts, score_components, severity
from workstation.flow.chain import flow_engines
from workstation.flow.classifiers import classify
from workstation.flow.large_trades import LargeTrades
from workstation.flow.nbbo import prints
from workstation.flow.packets import packets_of
from workstation.indicators.candles.engine import Candles, candles
from workstation.market.tables import MARKS, QUOTES, TRADES, TradeFlag
from workstation.numerics.moving_averages import ema_step
from workstation.research.evaluation.calibration import score_buckets
from workstation.research.flow_accuracy import flow_accuracy, side_accuracy

START = pd.Timestamp("2026-11-30 15:00").value
SECOND = 10**9
SPY = "SPY   261218C00600000"


def test_a_vendors_cumulative_volume_that_drops_is_no_negative_flow() -> None:
    """D1 29, zerogex: a vendor resets its day's volume; ours is the prints' own sum, whatever the ticker says."""
    at = START + SECOND * np.arange(4)
    trades = TRADES.batch(
        {"event_ns": at, "instrument": [SPY] * 4, "price": [1.3] * 4, "size": [5.0, 7.0, 2.0, 1.0]}
    )
    marks = MARKS.batch(
        {
            "event_ns": at - 1,
            "instrument": [SPY] * 4,
            "bid": 1.2,
            "ask": 1.3,
            "volume_24h": [900.0, 950.0, 12.0, 14.0],
        }
    )
    rows = prints(trades, QUOTES.empty(), marks)
    assert rows["volume_before"].tolist() == [0.0, 5.0, 12.0, 14.0] and (rows["premium_usd"] > 0).all()


def test_shares_right_of_side_rules_stand_beside_the_published_ones() -> None:
    """D1 30, Savickas and Wilson 2003: quote 83, Lee-Ready 80, EMO 77, tick 59 % of what each classifies."""
    at = START + SECOND * np.arange(6)
    trades = TRADES.batch(
        {"event_ns": at, "instrument": [SPY] * 6, "price": [1.3, 1.2, 1.3, 1.3, 1.2, 1.2], "size": 1.0}
    )
    quotes = QUOTES.batch({"event_ns": at - 1, "instrument": [SPY] * 6, "bid": 1.2, "ask": 1.3})
    found = side_accuracy(trades, quotes, [1, -1, 1, 1, -1, 1]).query("placement == ''").set_index("rule")
    assert found["published"].dropna().to_dict() == {
        "quote": 0.83,
        "lee_ready": 0.80,
        "emo": 0.77,
        "tick": 0.59,
    }
    assert found.loc["quote", "right"] == pytest.approx(5 / 6) and found.loc["quote", "classified"] == 1.0
    assert found.loc["tick", "classified"] == pytest.approx(5 / 6), "the first print has none before it"
    assert found.loc["tick", "right"] == pytest.approx(4 / 5)


def test_a_fill_of_market_by_order_data_is_the_resting_side_and_no_print(tmp_path: Path) -> None:
    """D1 32: action T is the print with its aggressor, F the order that it met."""
    dbn = pytest.importorskip("databento_dbn", reason="the vendor's encoder is not installed: databento")
    from tests.unit.feeds.files.dbn_files import CALL, OPRA, T, header, price, tables, write

    def order(action: Any, side: Any, size: int) -> Any:
        return dbn.MBOMsg(
            publisher_id=29, instrument_id=4242, ts_event=T, order_id=1, price=price(1.0), size=size, channel_id=0,
            action=action, side=side, ts_recv=T + 100,
        )  # fmt: skip

    records = [
        order(dbn.Action.ADD, dbn.Side.ASK, 9),
        order(dbn.Action.TRADE, dbn.Side.BID, 3),
        order(dbn.Action.FILL, dbn.Side.ASK, 3),
    ]
    trades = tables(write(tmp_path / "a.dbn", header("OPRA.PILLAR", OPRA), records))["trades"]
    assert trades[["instrument", "size", "side"]].values.tolist() == [[CALL, 3.0, 1]]


def test_the_perpetual_leg_of_a_future_spread_is_no_flow_of_its_own() -> None:
    """D2 30, Deribit BTC-FS-25DEC26_PERP: the legs print on their own streams with the combo's id."""
    legs = {
        "event_ns": [START, START], "instrument": ["BTC/USD:BTC", "BTC/USD:BTC-261225"], "price": [1e5, 1.02e5], "size": [10.0, 10.0],
        "side": np.array([-1, 1], np.int8), "side_source": "venue", "flags": int(TradeFlag.COMBO), "block_id": ["C7", "C7"],
        "index": 1e5, "venue": "deribit", "trade_id": ["1", "2"],
    }  # fmt: skip
    trades = TRADES.batch(legs)
    placement = flow_engines()[0]
    assert placement.update(trades, "trades").empty, "neither leg is an option's or an equity's print"
    assert LargeTrades().update(trades, "trades").empty


def test_ticks_out_of_order_within_a_minute_and_after_it() -> None:
    """D2 32 and 33, islandflow and nautilus: 15 at :50 before 11 at :10 opens at 11; later ones are told; a boundary is the next bar's."""
    rows = pd.DataFrame({
        "event_ns": START + SECOND * np.array([50, 10, 60]), "instrument": "AAPL", "price": [15.0, 11.0, 12.0], "size": 1.0,
    })  # fmt: skip
    made = candles(TRADES.conform(rows), "1min")
    assert made[["open", "close", "trades"]].values.tolist() == [[11.0, 15.0, 2], [12.0, 12.0, 1]]
    assert made["event_ns"].diff().iloc[1] == 60 * SECOND
    engine = Candles(every=("1min",), lateness="0s")
    first = rows.assign(event_ns=START + SECOND * np.array([50, 70, 130]))
    told = engine.update(TRADES.conform(first), "trades")
    late = engine.update(
        TRADES.conform(rows.iloc[:1].assign(event_ns=START + 20 * SECOND, price=99.0)), "trades"
    )
    assert told[told["event_ns"] == START]["high"].tolist() == [15.0] and late.empty, (
        "the closed minute is unchanged"
    )
    engine.update(TRADES.conform(rows.iloc[:1].assign(event_ns=START + 200 * SECOND)), "trades")
    assert engine.late == 1


def test_the_same_tape_gives_the_same_ids_and_scores() -> None:
    """D3 26."""
    day = options_day(minutes=1.0, names=("SPY",), parents_per_minute=12.0)
    rows = prints(day.tables["trades"], day.tables["quotes"], day.tables["marks"])
    first, second = (alerts(classify(packets_of(rows))) for _ in range(2))
    assert len(first) > 2
    pd.testing.assert_frame_equal(first, second)


def test_precision_and_recall_are_of_those_that_did_not_abstain() -> None:
    """D3 28, islandflow: one of three abstains: a rate of 1/3, precision and recall over the rest."""
    names = [f"SPY   261218C00{strike}000" for strike in (600, 605, 610)]
    trades = TRADES.batch({
        "event_ns": START + SECOND * np.arange(3), "instrument": names, "price": 10.0, "size": 300.0, "trade_id": ["a", "b", "c"],
    })  # fmt: skip
    quotes = QUOTES.batch({"event_ns": [START] * 2, "instrument": names[:2], "bid": 9.8, "ask": 10.0})
    rows = prints(trades, quotes, max_age_ms=5_000)
    truth = pd.DataFrame({"trade_id": ["a", "b", "c"], "parent_id": ["A", "B", "C"]})
    parents = pd.DataFrame({"parent_id": ["A", "B", "C"], "kind": "block"})
    found = flow_accuracy(rows, truth, parents)
    assert found.attrs["abstained"] == pytest.approx(1 / 3)
    block = found.set_index("kind").loc["block"]
    assert block[["parents", "found", "abstained", "recall", "hits", "right", "precision"]].tolist() == [
        3,
        2,
        1,
        1.0,
        2,
        2,
        1.0,
    ]


def test_calibration_counts_sum_to_what_has_a_score() -> None:
    """D3 29, islandflow: bins of those that did not abstain."""
    scores = np.array([0.05, 0.31, 0.32, 0.55, 0.99, 1.0, np.nan, np.nan])
    buckets = score_buckets(scores, [0.0, 0.25, 0.5, 0.75, 1.0])
    counts = np.bincount(buckets.of[buckets.of >= 0], minlength=4)
    assert counts.tolist() == [1, 2, 1, 2] and counts.sum() == np.isfinite(scores).sum()


def test_a_score_is_the_sum_of_the_components_that_are_shown() -> None:
    """D3 30, FlashAlpha: 22 + 18 + 14 + 12 + 9 + 12 = 87, of high conviction. Our parts differ; that they sum to the score does not."""
    shown = {
        "premium": 22,
        "size over open interest": 18,
        "aggressor": 14,
        "sweep": 12,
        "opening": 9,
        "tenor": 12,
    }
    assert sum(shown.values()) == 87 and severity(87.0) == "high"
    ours = score_components(premium_usd=62_000.0, confidences=[0.75, 0.5])
    assert (
        ours == {"premium": 62.0, "confidence": 15.0, "hits": 10.0} and severity(sum(ours.values())) == "high"
    )


def test_an_average_of_weight_three_tenths() -> None:
    """D3 32, prcasley: premium 1000, then 2000."""
    assert ema_step(1000.0, 2000.0, 0.3) == pytest.approx(1300.0)
