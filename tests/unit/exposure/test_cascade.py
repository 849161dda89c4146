"""Cascade risk: hand-worked parts, what is missing, and the live engine from marks, trades and liquidations."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import log, nan

import numpy as np
import pandas as pd
import pytest

from workstation.exposure.cascade import PARTS, CascadeScales, cascade_risk
from workstation.exposure.cascade_engine import Cascade, CascadeParameters
from workstation.exposure.levels import levels
from workstation.exposure.scenario import forced_flow
from workstation.market.tables import CASCADE, HEARTBEAT, LIQUIDATIONS, MARKS, TRADES, TradeFlag
from workstation.pricing.chain import chain

Make = Callable[..., pd.DataFrame]
START = pd.Timestamp("2026-11-01 00:00", tz="UTC").value
SECOND = 10**9
MINUTE = 60 * SECOND

ALL = {
    "spot": 97_000.0,
    "net_gex": -2e6,
    "zero_gamma": 100_000.0,
    "put_wall": 95_000.0,
    "daily_sd": 0.02,
    "forced_flow_1pct": -3e6,
    "forced_flow_3pct": -6e6,
    "minute_volume_usd": 1e6,
    "liquidations_usd": 4e6,
    "liquidations_median_usd": 1e6,
    "open_interest_change": -0.015,
    "price_change": -0.01,
}


def test_every_part_worked_by_hand() -> None:
    risk = cascade_risk(**ALL)
    below, above = log(100 / 97) / 0.02, log(97 / 95) / 0.02
    want = {
        "below_zero_gamma": (below, below / 2),
        "forced_selling_1pct": (3.0, 3 / 5),
        "forced_selling_3pct": (6.0, 6 / 15),
        "put_wall_distance": (above, 1 - above / 2),
        "liquidations": (4.0, 3 / 9),
        "open_interest_fall": (0.015, 0.5),
    }
    assert tuple(risk.parts) == PARTS == tuple(want)
    for name, (raw, score) in want.items():
        assert risk.parts[name] == pytest.approx((raw, score), rel=1e-12), name
    weights = dict(zip(PARTS, (0.2, 0.15, 0.15, 0.15, 0.2, 0.15), strict=True))
    assert risk.score == pytest.approx(
        sum(weights[name] * score for name, (_, score) in want.items()), rel=1e-12
    )
    assert (risk.known, risk.missing, risk.unwind) == (1.0, {}, "long liquidation")


def test_where_dealers_damp_nothing_is_below_zero_gamma() -> None:
    risk = cascade_risk(**{**ALL, "net_gex": 2e6})
    assert risk.parts["below_zero_gamma"].score == 0.0 and risk.parts["below_zero_gamma"].raw > 0


@pytest.mark.parametrize(
    ("price", "interest", "unwind"),
    [(-0.01, -0.02, "long liquidation"), (0.01, -0.02, "short squeeze"), (-0.01, 0.02, ""), (0.0, -0.02, "")],
)
def test_which_side_is_forced_out(price: float, interest: float, unwind: str) -> None:
    risk = cascade_risk(price_change=price, open_interest_change=interest)
    assert risk.unwind == unwind
    assert (risk.parts["open_interest_fall"].score > 0) == bool(unwind)


@pytest.mark.parametrize(
    ("unknown", "parts"),
    [
        ("zero_gamma", {"below_zero_gamma"}),
        ("net_gex", {"below_zero_gamma"}),
        ("daily_sd", {"below_zero_gamma", "put_wall_distance"}),
        ("put_wall", {"put_wall_distance"}),
        ("forced_flow_3pct", {"forced_selling_3pct"}),
        ("minute_volume_usd", {"forced_selling_1pct", "forced_selling_3pct"}),
        ("liquidations_median_usd", {"liquidations"}),
        ("price_change", {"open_interest_fall"}),
    ],
)
def test_missing_parts_are_named_and_left_out(unknown: str, parts: set[str]) -> None:
    whole, risk = cascade_risk(**ALL), cascade_risk(**{**ALL, unknown: nan})
    assert set(risk.missing) == parts
    weights = CascadeScales().weights
    known = {name: part.score for name, part in whole.parts.items() if name not in parts}
    assert all(risk.parts[name] == whole.parts[name] for name in known)
    assert risk.known == pytest.approx(sum(weights[name] for name in known))
    mean = sum(weights[name] * score for name, score in known.items()) / risk.known
    assert risk.score == pytest.approx(mean, rel=1e-12)


def test_nothing_known_is_nan_and_reasons_are_told() -> None:
    risk = cascade_risk(reasons={"liquidations": "the venue publishes none"})
    assert np.isnan(risk.score) and risk.known == 0.0 and set(risk.missing) == set(PARTS)
    assert risk.missing["liquidations"] == "the venue publishes none"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"put_wall_sd": 0.0}, "put_wall_sd must be positive"),
        ({"liquidations": 1.0}, "liquidations must be over 1"),
        ({"weights": {"below_zero_gamma": 1.0}}, "weights must name"),
    ],
)
def test_scales_are_checked(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CascadeScales(**wrong)  # type: ignore[arg-type]


def trades(*rows: tuple[float, float, int]) -> pd.DataFrame:
    """Seconds, USD and flags of perpetual trades at 100 000."""
    at, usd, flags = zip(*rows, strict=True)
    columns = {
        "event_ns": [START + round(s * SECOND) for s in at],
        "price": 1e5,
        "size": np.array(usd) / 1e5,
        "flags": flags,
    }
    return TRADES.conform(pd.DataFrame({**columns, "instrument": "BTC/USD:BTC"}))


def beat(second: float) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [START + round(second * SECOND)]}))


def perpetual(second: float, interest: float, index: float) -> pd.DataFrame:
    row = {
        "event_ns": [START + round(second * SECOND)],
        "instrument": "BTC/USD:BTC",
        "open_interest": interest,
        "index": index,
    }
    return MARKS.conform(pd.DataFrame(row))


def test_a_row_says_what_its_parts_are_made_of(make_marks: Make) -> None:
    """An hour of minutes worth 1, 2, 3 ... million, three liquidated spans, open interest that falls with price."""
    engine = Cascade(every="10s", least_minutes=3)
    engine.update(trades(*[(60 * minute + 1, 1e6 * (minute + 1), 0) for minute in range(60)]), "trades")
    for second, usd in ((100, 2e6), (500, 4e6), (1000, 9e6), (3400, 8e6)):
        row = {
            "event_ns": [START + second * SECOND],
            "instrument": "BTC/USD:BTC",
            "price": 1e5,
            "size": usd / 1e5,
        }
        engine.update(LIQUIDATIONS.conform(pd.DataFrame(row)), "liquidations")
    engine.update(perpetual(3200, 1000.0, 101_000.0), "marks")
    frame = make_marks(event_ns=START + 3201 * SECOND, index=101_000.0)
    assert len(engine.update(MARKS.conform(frame), "marks")) == 0
    first = engine.update(trades((3600, 1e6, 0)), "trades")
    assert len(first) == 1 and "snapshots do not reach five minutes back" in first["missing"].item()
    engine.update(perpetual(3902, 980.0, 100_300.0), "marks")
    later = make_marks(event_ns=START + 3903 * SECOND)
    engine.update(MARKS.conform(later), "marks")
    row = engine.update(beat(3910), "heartbeat")
    assert list(row.columns) == list(CASCADE.names) and len(row) == 1
    one, told = row.iloc[0], json.loads(row["ledger"].item())
    asof = START + 3910 * SECOND
    book = chain(later, asof_ns=asof)
    key = levels(book)
    flow = forced_flow(book, spot_moves=[-0.01, -0.03], vol_moves=[0.0])["forced_flow"].values.ravel()
    inputs = told["inputs"]
    assert inputs["forced_flow_1pct"] == pytest.approx(flow[0], rel=1e-9)
    assert inputs["forced_flow_3pct"] == pytest.approx(flow[1], rel=1e-9)
    assert inputs["zero_gamma"] == pytest.approx(key["zero_gamma"].item(), rel=1e-9)
    assert inputs["put_wall"] == key["put_wall"].item()
    minutes = [1e6 * (minute + 1) for minute in range(1, 60)] + [1e6, 0, 0, 0, 0]
    assert inputs["minute_volume_usd"] == pytest.approx(np.median(minutes))
    assert one["forced_selling_1pct"] == pytest.approx(-flow[0] / np.median(minutes), rel=1e-9)
    assert (inputs["liquidations_usd"], inputs["liquidations_median_usd"]) == (0.0, 6e6)
    assert one["open_interest_fall"] == pytest.approx(0.02)
    assert inputs["price_change"] == pytest.approx(100_300 / 101_000 - 1)
    assert one["unwind"] == "long liquidation" and one["missing"] == "" and one["known"] == 1.0
    assert one["score"] == pytest.approx(cascade_risk(**inputs).score, rel=1e-12)
    assert told["scales"]["weights"]["liquidations"] == 0.2


def test_a_snapshot_that_knows_little_names_what_it_lacks(make_marks: Make) -> None:
    engine = Cascade(every="10s")
    engine.update(MARKS.conform(make_marks(event_ns=START + SECOND)), "marks")
    row = engine.update(beat(10), "heartbeat").iloc[0]
    assert "forced_selling_1pct: 0 of 10 whole minutes of trades" in row["missing"]
    assert "liquidations: 0 of 3 earlier five minutes" in row["missing"]
    assert "open_interest_fall: no open interest of a future or perpetual is known" in row["missing"]
    assert 0 <= row["score"] <= 1 and row["known"] == pytest.approx(0.35)
    assert np.isnan(row["liquidations"]) and np.isnan(row["liquidations_score"])


def test_a_cancel_takes_its_volume_out_and_options_are_not_counted(make_marks: Make) -> None:
    engine = Cascade(every="10s", least_minutes=1)
    engine.update(trades((1, 1e6, 0), (61, 5e6, 0), (62, 3e6, 0), (63, 3e6, int(TradeFlag.CANCEL))), "trades")
    option = trades((64, 9e9, 0)).assign(instrument="BTC/USD:BTC-261225-100000-C")
    engine.update(TRADES.conform(option), "trades")
    engine.update(MARKS.conform(make_marks(event_ns=START + 111 * SECOND)), "marks")
    row = engine.update(beat(120), "heartbeat").iloc[0]
    assert json.loads(row["ledger"])["inputs"]["minute_volume_usd"] == pytest.approx(5e6)


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="least_minutes must be at least 1"):
        CascadeParameters(least_minutes=0)
