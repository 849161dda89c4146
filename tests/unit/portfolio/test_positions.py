"""Positions by hand-worked examples, to the cent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.market.tables import FILLS, POSITIONS
from workstation.portfolio.ledger import Ledger
from workstation.portfolio.positions import positions, reconcile, settlements

OPTION, PERP, SWAP = "BTC/USD:BTC-260327-70000-C", "BTC/USD:BTC", "BTC/USDT:USDT"
EXPIRY = pd.Timestamp("2026-03-27T08:00").value


def fills(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"event_ns": place, "side": 1, "venue": "deribit", **row} for place, row in enumerate(rows)]
    )


def only(frame: pd.DataFrame) -> pd.Series:
    assert len(frame) == 1
    return frame.iloc[0]


def test_an_inverse_option_bought_twice_and_partly_sold() -> None:
    held = only(
        positions(
            fills(
                {
                    "instrument": OPTION,
                    "price": 0.030,
                    "size": 2.0,
                    "fee": 0.0006,
                    "fee_currency": "BTC",
                    "index": 70_000.0,
                },
                {
                    "instrument": OPTION,
                    "price": 0.036,
                    "size": 1.0,
                    "fee": 0.0003,
                    "fee_currency": "BTC",
                    "index": 71_000.0,
                },
                {
                    "instrument": OPTION,
                    "price": 0.040,
                    "size": 1.5,
                    "side": -1,
                    "fee": 0.00045,
                    "index": 72_000.0,
                },
            )
        )
    )
    assert held["quantity"] == 1.5
    assert held["entry"] == pytest.approx(0.032)  # (2 x 0.030 + 0.036) / 3
    assert held["realised"] == pytest.approx(0.012)  # 1.5 x (0.040 - 0.032) BTC
    assert held["realised_usd"] == pytest.approx(864.00)  # at 72 000
    assert held["fees_usd"] == pytest.approx(-(42.00 + 21.30 + 32.40))
    assert held["settle_currency"] == "BTC"


def test_an_inverse_perpetual_gains_in_coin() -> None:
    """10 000 USD bought at 50 000, half of the contracts sold at 62 500."""
    held = only(
        positions(
            fills(
                {"instrument": PERP, "price": 50_000.0, "size": 0.2, "index": 50_000.0},
                {"instrument": PERP, "price": 62_500.0, "size": 0.08, "side": -1, "index": 62_500.0},
            )
        )
    )
    assert held["quantity"] == pytest.approx(0.1)  # 5 000 USD of contracts bought at 50 000
    assert held["entry"] == 50_000.0
    assert held["realised"] == pytest.approx(5_000 / 50_000 - 5_000 / 62_500)  # 0.02 BTC
    assert held["realised_usd"] == pytest.approx(1_250.00)


def test_the_entry_of_inverse_contracts_is_the_harmonic_mean() -> None:
    held = only(
        positions(
            fills(
                {"instrument": PERP, "price": 50_000.0, "size": 0.2},  # 10 000 USD
                {"instrument": PERP, "price": 100_000.0, "size": 0.1},  # 10 000 USD
            )
        )
    )
    assert held["entry"] == pytest.approx(20_000 / 0.3) and held["quantity"] == pytest.approx(0.3)


def test_through_zero_the_rest_opens_at_the_new_price() -> None:
    held = only(
        positions(
            fills(
                {"instrument": SWAP, "price": 100.0, "size": 1.0},
                {"instrument": SWAP, "price": 110.0, "size": 3.0, "side": -1},
            )
        )
    )
    assert (held["quantity"], held["entry"], held["realised_usd"]) == (-2.0, 110.0, 10.0)


def test_dust_of_binary_fractions_closes() -> None:
    held = only(
        positions(
            fills(
                {"instrument": SWAP, "price": 100.0, "size": 0.1},
                {"instrument": SWAP, "price": 100.0, "size": 0.2},
                {"instrument": SWAP, "price": 101.0, "size": 0.3, "side": -1},
            )
        )
    )
    assert held["quantity"] == 0.0 and np.isnan(held["entry"])
    assert held["realised_usd"] == pytest.approx(0.30)


def test_funding_and_fees_stand_apart_from_realised() -> None:
    held = only(
        positions(
            fills(
                {
                    "instrument": PERP,
                    "price": 70_000.0,
                    "size": 0.1,
                    "fee": 0.00005,
                    "fee_currency": "BTC",
                    "index": 70_000.0,
                },
                {
                    "instrument": PERP,
                    "price": 0.0,
                    "size": 0.0,
                    "kind": "funding",
                    "fee": 0.00001,
                    "fee_currency": "BTC",
                    "index": 71_000.0,
                },
                {
                    "instrument": PERP,
                    "price": 0.0,
                    "size": 0.0,
                    "kind": "funding",
                    "fee": -0.00003,
                    "fee_currency": "BTC",
                    "index": 70_000.0,
                },
            )
        )
    )
    assert held["fees_usd"] == pytest.approx(-3.50)
    assert held["funding_usd"] == pytest.approx(-0.71 + 2.10)
    assert held["realised"] == 0.0 and held["quantity"] == pytest.approx(0.1)


def test_a_fill_seen_twice_counts_once_but_legs_of_a_block_each() -> None:
    one = {"instrument": OPTION, "price": 0.03, "size": 1.0, "fill_id": "7", "block_id": "B"}
    other = {**one, "instrument": "BTC/USD:BTC-260327-75000-C", "side": -1}
    held = positions(fills(one, other, one, {**one, "fill_id": "8"})).set_index("instrument")["quantity"]
    assert held.to_dict() == {OPTION: 2.0, "BTC/USD:BTC-260327-75000-C": -1.0}


def test_a_self_trade_keeps_both_sides() -> None:
    row = {"instrument": SWAP, "price": 100.0, "size": 1.0, "fill_id": "7"}
    assert only(positions(fills(row, {**row, "side": -1})))["quantity"] == 0.0


def test_settlement_of_the_venue_closes_the_whole_leg() -> None:
    held = only(
        positions(
            fills(
                {"instrument": OPTION, "price": 0.031, "size": 2.0},
                {
                    "instrument": OPTION,
                    "price": 0.05,
                    "size": 2.0,
                    "side": -1,
                    "kind": "settlement",
                    "index": 73_684.21,
                    "fill_id": "delivery:1",
                },
                {
                    "instrument": OPTION,
                    "price": 0.05,
                    "size": 2.0,
                    "side": -1,
                    "kind": "settlement",
                    "index": 73_684.21,
                    "fill_id": "late",
                },
            )
        )
    )
    assert held["quantity"] == 0.0 and held["realised"] == pytest.approx(0.038)
    assert held["settled_usd"] == pytest.approx(0.038 * 73_684.21) and held["realised_usd"] == 0.0
    assert held["settlement_source"] == "venue" and held["settled_ns"] == 1


@pytest.mark.parametrize(
    ("name", "quantity", "want"),
    [
        (OPTION, 2.0, 0.0625),  # (80 000 - 70 000) / 80 000 is 0.125; index 74 666.67 gives 0.0625
        ("BTC/USD:BTC-260327-70000-P", -1.0, 0.0),
        ("BTC/USDT:USDT-260327-70000-C", 1.0, 4_666.67),
        ("BTC/USD:BTC-260327", 0.1, 74_666.67),
    ],
)
def test_settlement_at_the_newest_index_before_the_expiry(name: str, quantity: float, want: float) -> None:
    held = positions(
        fills({"instrument": name, "price": 0.05, "size": abs(quantity), "side": int(np.sign(quantity))})
    )
    indices = pd.DataFrame(
        {
            "event_ns": [EXPIRY - 10**9, EXPIRY - 5 * 10**9, EXPIRY + 1],
            "instrument": PERP,
            "index": [74_666.67, 1.0, 99.0],
        }
    )
    assert settlements(held, indices, EXPIRY - 1).empty
    row = only(settlements(held, indices, EXPIRY))
    assert row["price"] == pytest.approx(want, rel=1e-6) and row["size"] == pytest.approx(abs(quantity))
    assert row["side"] == -np.sign(quantity) and row["event_ns"] == EXPIRY
    assert row["fill_id"] == "index at 2026-03-27T07:59:59Z"
    bought = fills({"instrument": name, "price": 0.05, "size": abs(quantity), "side": int(np.sign(quantity))})
    closed = only(positions(FILLS.concat([bought, settlements(held, indices, EXPIRY)])))
    assert closed["quantity"] == 0.0 and closed["settlement_source"] == "index at 2026-03-27T07:59:59Z"


def test_without_an_index_before_it_an_expired_position_stays_open() -> None:
    held = positions(fills({"instrument": OPTION, "price": 0.05, "size": 1.0}))
    late = pd.DataFrame({"event_ns": [EXPIRY + 1], "instrument": PERP, "index": [74_000.0]})
    assert settlements(held, late, EXPIRY + 10).empty


def test_what_cannot_be_turned_into_dollars_is_nan_not_zero() -> None:
    row = {"instrument": OPTION, "price": 0.03, "size": 1.0, "fee": 0.001, "fee_currency": "BTC"}
    assert np.isnan(only(positions(fills(row)))["fees_usd"])
    assert only(positions(fills(row), rates={"BTC": 70_000.0}))["fees_usd"] == pytest.approx(-70.00)
    assert np.isnan(only(positions(fills({**row, "fee_currency": "BNB", "index": 70_000.0})))["fees_usd"])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'gift'"):
        positions(fills({"instrument": SWAP, "price": 1.0, "size": 1.0, "kind": "gift"}))


def test_an_adopted_position_contains_the_fills_up_to_it() -> None:
    ledger = Ledger()
    ledger.adopt(
        POSITIONS.conform(
            pd.DataFrame(
                {"event_ns": [5], "instrument": PERP, "venue": "deribit", "quantity": -0.1, "entry": 70_000.0}
            )
        )
    )
    rows = pd.DataFrame(
        {
            "event_ns": [4, 6],
            "instrument": PERP,
            "venue": "deribit",
            "side": [-1, 1],
            "price": [69_000.0, 70_000.0],
            "size": 0.05,
            "fee": 1.0,
            "fee_currency": "USD",
        }
    )
    ledger.take(FILLS.conform(rows))
    assert ledger.quantity().tolist() == pytest.approx([-0.05])
    assert ledger.row("fees_usd").tolist() == [-2.0]


def test_reconcile_names_what_the_venue_says_otherwise() -> None:
    held = positions(
        fills(
            {"instrument": SWAP, "price": 1.0, "size": 1.0}, {"instrument": PERP, "price": 1.0, "size": 1.0}
        )
    )
    told = held.assign(quantity=[1.0, 3.0])
    found = only(reconcile(held, told))
    assert (found["instrument"], found["quantity"], found["told"], found["difference"]) == (
        PERP,
        1.0,
        3.0,
        2.0,
    )
