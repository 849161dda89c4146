"""Long and short of one contract, cross and isolated: positions of their own that add up everywhere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.market.tables import FILLS, HEARTBEAT, MARKS, POSITIONS
from workstation.portfolio.book import book, net
from workstation.portfolio.explain import explain
from workstation.portfolio.greeks import totals
from workstation.portfolio.ledger import Ledger
from workstation.portfolio.pnl import PnlSnapshots
from workstation.portfolio.positions import current, positions, reconcile

SWAP, INVERSE = "BTC/USDT:USDT", "BTC/USD:BTC"
NOW = pd.Timestamp("2026-03-20T05:00Z").value
MINUTE = 60 * 10**9


def told(*rows: tuple[str, str, float, float], at: int = NOW, name: str = SWAP) -> pd.DataFrame:
    """Rows of ``positions``: side, mode, quantity, entry."""
    columns = ["position_side", "margin_mode", "quantity", "entry"]
    return POSITIONS.conform(
        pd.DataFrame(list(rows), columns=columns).assign(event_ns=at, instrument=name, venue="okx")
    )


def fill(
    at: int, side: int, price: float, size: float, kept: str = "", mode: str = "", **more: object
) -> dict[str, object]:
    return {
        "event_ns": at, "instrument": SWAP, "venue": "okx", "side": side, "price": price, "size": size, "position_side": kept,
        "margin_mode": mode, **more,
    }  # fmt: skip


def fills(*rows: dict[str, object]) -> pd.DataFrame:
    return FILLS.conform(pd.DataFrame(list(rows)))


def marks(at: int, price: float, name: str = SWAP) -> pd.DataFrame:
    return MARKS.conform(pd.DataFrame({"event_ns": [at], "instrument": name, "mark": price, "index": price}))


def beat(at: int) -> pd.DataFrame:
    return HEARTBEAT.conform(pd.DataFrame({"event_ns": [at]}))


PAIRS = [
    (("long", "", 1.0, 69_000.0), ("short", "", -0.4, 71_000.0)),
    (("", "cross", 1.0, 69_000.0), ("", "isolated", -0.4, 71_000.0)),
    (("long", "cross", 1.0, 69_000.0), ("short", "isolated", -0.4, 71_000.0)),
]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("order", [1, -1])
def test_book_totals_and_live_pnl_agree_on_the_sum(
    pair: tuple[tuple[str, str, float, float], ...], order: int
) -> None:
    """1 x (70000 - 69000) - 0.4 x (70000 - 71000) = 1400."""
    held = told(*pair[::order])
    now = book(held, marks(NOW, 70_000.0), NOW)
    assert len(now) == 2
    (row,) = net(now).to_dict("records")
    assert (row["quantity"], row["delta"], row["unrealised_usd"]) == pytest.approx((0.6, 42_000.0, 1_400.0))
    assert totals(now).loc["BTC", ["delta", "unrealised_usd"]].tolist() == pytest.approx([42_000.0, 1_400.0])
    engine = PnlSnapshots(every="1min")
    engine.update(held, "positions")
    engine.update(marks(NOW, 70_000.0), "marks")
    shown = engine.update(beat(NOW + MINUTE), "heartbeat")
    assert shown["unrealised"].tolist() == pytest.approx([1_400.0, 1_400.0])
    assert engine.positions()["quantity"].sum() == pytest.approx(0.6)


def test_of_each_position_the_newest_row_counts_and_a_closed_side_is_that_side_alone() -> None:
    rows = POSITIONS.concat([told(*PAIRS[0]), told(("long", "", 0.0, np.nan), at=NOW + 1)])
    for held in (rows, rows.iloc[::-1].reset_index(drop=True)):
        (row,) = net(book(held, marks(NOW, 70_000.0), NOW)).to_dict("records")
        assert (row["quantity"], row["unrealised_usd"]) == pytest.approx((-0.4, 400.0))


def test_average_cost_is_kept_for_each_side() -> None:
    """Closing 0.5 of the long at 72000 makes 0.5 x 3000; the short's entry stays."""
    held = positions(
        fills(
            fill(1, 1, 69_000.0, 1.0, "long"),
            fill(2, -1, 71_000.0, 0.4, "short"),
            fill(3, -1, 72_000.0, 0.5, "long"),
        )
    ).set_index("position_side")
    assert held["quantity"].to_dict() == {"long": 0.5, "short": -0.4}
    assert held["entry"].to_dict() == {"long": 69_000.0, "short": 71_000.0}
    assert held["realised_usd"].to_dict() == {"long": 1_500.0, "short": 0.0}


def test_a_fill_that_does_not_say_its_margin_mode_moves_the_position_that_fits() -> None:
    ledger = Ledger()
    ledger.adopt(told(("long", "cross", 1.0, 69_000.0), ("short", "cross", -0.4, 71_000.0), at=10))
    ledger.take(fills(fill(5, 1, 69_000.0, 1.0, "long"), fill(20, -1, 72_000.0, 1.0, "long")))
    assert ledger.quantity().tolist() == [0.0, -0.4] and ledger.row("realised_usd").tolist() == [3_000.0, 0.0]


def test_where_several_fit_the_sum_is_right() -> None:
    """Cross and isolated at once, and fills that name neither: those up to the positions' time are contained in them."""
    ledger = Ledger()
    ledger.adopt(told(("", "cross", 1.0, 69_000.0), ("", "isolated", 2.0, 69_000.0), at=10))
    ledger.take(fills(fill(5, 1, 69_000.0, 3.0), fill(20, -1, 72_000.0, 0.5)))
    assert ledger.quantity().sum() == 2.5


def test_positions_the_fills_made_are_not_counted_twice() -> None:
    made = fills(fill(1, 1, 69_000.0, 1.0, "long"), fill(2, 0, 0.0, 0.0, kind="funding", fee=1.0))
    held = current(made, told(("long", "cross", 1.0, 69_000.0), ("short", "cross", -0.4, 71_000.0)))
    assert held["quantity"].sum() == pytest.approx(0.6)
    assert reconcile(
        positions(made), told(("long", "cross", 0.4, 69_000.0), ("short", "cross", 0.6, 71_000.0))
    ).empty


def test_a_funding_payment_alone_does_not_hide_a_position() -> None:
    ledger = Ledger()
    ledger.take(fills(fill(1, 0, 0.0, 0.0, kind="funding", fee=1.0)))
    ledger.adopt(told(("long", "cross", 1.0, 69_000.0), ("short", "cross", -0.4, 71_000.0)))
    assert ledger.quantity().sum() == pytest.approx(0.6)


def test_explain_follows_each_side() -> None:
    """From 70000 to 70500: 0.6 x 500; the long closed at 70500 makes nothing more."""
    before = book(told(*PAIRS[0]), marks(NOW, 70_000.0), NOW)
    flow = fills(fill(NOW + 1, -1, 70_500.0, 1.0, "long"))
    closed = told(("long", "", 0.0, np.nan), ("short", "", -0.4, 71_000.0), at=NOW + 2)
    after = book(closed, marks(NOW + 2, 70_500.0), NOW + 2)
    total = explain(before, after, flow).loc["total"]
    assert total["delta"] == pytest.approx(300.0) and total["total"] == pytest.approx(300.0)
    with pytest.raises(ValueError, match=f"{SWAP} long: the flows lead to"):
        explain(before, after, fills(fill(NOW + 1, -1, 70_500.0, 0.5, "long")))


def test_what_is_known_is_summed_and_the_rest_named() -> None:
    eth = told(("", "", 10.0, 3_000.0), name="ETH/USDT:USDT")
    second = told(("", "", 1.0, 70_000.0), name="BTC/USDC:USDC")
    held = POSITIONS.concat([told(("", "", 1.0, 69_000.0)), eth, second])
    now = book(held, marks(NOW, 70_000.0), NOW)
    sums = totals(now)
    assert sums.loc["BTC", "value_usd"] == 1_000.0 and sums.loc["BTC", ["legs", "unpriced"]].tolist() == [
        2,
        1,
    ]
    assert sums.loc["BTC", "missing"] == "BTC/USDC:USDC" and np.isnan(sums.loc["ETH", "value_usd"])
    engine = PnlSnapshots(every="1min")
    engine.update(held, "positions")
    engine.update(marks(NOW, 70_000.0), "marks")
    rows = engine.update(beat(NOW + MINUTE), "heartbeat")
    assert rows["total"].iloc[-1] == 1_000.0 and rows["total"].isna().sum() == 2
    assert engine.unpriced() == ["okx ETH/USDT:USDT", "okx BTC/USDC:USDC"]
    after = book(held, marks(NOW + 1, 71_000.0), NOW + 1)
    parts = explain(now, after)
    assert parts.loc["total", "total"] == 1_000.0 and len(parts.attrs["unpriced"]) == 2


def test_a_fill_that_cannot_be_booked_never_stops_the_pnl() -> None:
    engine = PnlSnapshots(every="1min")
    odd = [
        fill(2, 1, 1.0, 1.0, kind="gift"),
        fill(3, 0, 1.0, 1.0),
        fill(4, 1, np.inf, 1.0),
        fill(5, 1, 1.0, -1.0),
    ]
    engine.update(fills(fill(1, 1, 69_000.0, 1.0), *odd), "fills")
    engine.update(fills(fill(6, 1, 69_000.0, 1.0)), "fills")
    assert engine.positions()["quantity"].tolist() == [2.0]
    assert engine.set_aside == {
        "fill of unknown kind 'gift'": 1, "trade that is neither bought nor sold": 1, "fill of a price or size that is none": 2,
    }  # fmt: skip
    many = fills(*[fill(7, 1, 1.0, 1.0, kind=f"kind {place}") for place in range(200)])
    engine.update(many, "fills")
    assert len(engine.set_aside) < 40 and sum(engine.set_aside.values()) == 204


def test_a_snapshot_made_with_other_parameters_is_refused() -> None:
    state = PnlSnapshots(every="1min").snapshot()
    with pytest.raises(ValueError, match="every is '1min' there and '10s' here"):
        PnlSnapshots(every="10s").restore(state)
    PnlSnapshots(every="1min").restore(state)
