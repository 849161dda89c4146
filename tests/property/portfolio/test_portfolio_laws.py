"""Laws of average cost, of the explain and of the live engine over an expiry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.effort import effort
from tests.property.engine_streams import Stream, cuts, streams
from workstation.market.digest import digest
from workstation.market.tables import FILLS, PNL
from workstation.market.tables import table as table_named
from workstation.portfolio.book import book
from workstation.portfolio.explain import PARTS, cents, explain
from workstation.portfolio.pnl import PnlSnapshots
from workstation.portfolio.positions import positions

START_NS = pd.Timestamp("2026-11-01").value
DAY_NS = 86_400 * 10**9
CALL, PUT, LINEAR = "BTC/USD:BTC-261225-100000-C", "ETH/USD:ETH-261127-4000-P", "BTC/USDC:USDC-261225-90000-C"
PERP, SWAP, SPOT = "BTC/USD:BTC", "BTC/USDT:USDT", "BTC/USDT"
LEGS = (CALL, PUT, LINEAR, PERP, SWAP, SPOT)
NEAR = {CALL: 0.05, PUT: 0.04, LINEAR: 12_000.0, PERP: 100_000.0, SWAP: 100_000.0, SPOT: 100_000.0}


@st.composite
def trades(draw: st.DrawFn, least: int = 1) -> pd.DataFrame:
    rows = []
    for place in range(draw(st.integers(least, 12))):
        name = draw(st.sampled_from(LEGS))
        rows.append(
            {
                "event_ns": START_NS + place * 10**9,
                "instrument": name,
                "venue": draw(st.sampled_from(("deribit", "okx"))),
                "side": draw(st.sampled_from((-1, 1))),
                "price": NEAR[name] * draw(st.integers(80, 120)) / 100,
                "size": draw(st.integers(1, 50)) / 10,
                "fee": draw(st.integers(-5, 20)) / 1e5,
                "index": 4_000.0 if name == PUT else 100_000.0,
            }
        )
    return FILLS.conform(pd.DataFrame(rows))


def marks(time_ns: int, spot: float = 100_000.0, vol: float = 0.5) -> pd.DataFrame:
    """A market that moves as one: model marks, forwards over the index."""
    from workstation.market import calendar
    from workstation.market.instrument_terms import INSTRUMENT_TERMS
    from workstation.pricing import black

    terms = INSTRUMENT_TERMS.describe(list(LEGS))
    index = np.where(terms["underlying"] == "ETH", spot / 25, spot)
    forward = index * 1.01
    option = (terms["kind"] == "option").to_numpy()
    years = calendar.years(asof_ns=time_ns, expiry_ns=terms["expiry_ns"].to_numpy())
    value = black.price(
        forwards=forward,
        strikes=terms["strike"].to_numpy(),
        years=years,
        vols=vol,
        is_call=(terms["right"] == "C").to_numpy(),
    )
    mark = np.where(option, np.where(terms["inverse"], value / forward, value), index * 1.0005)
    return pd.DataFrame(
        {
            "event_ns": time_ns, "instrument": list(LEGS), "mark": mark, "mark_iv": np.where(option, vol, np.nan),
            "forward": np.where(option, forward, np.nan), "index": index,
        }
    )  # fmt: skip


@effort(30)
@given(trades())
def test_a_position_is_the_sum_of_its_fills(fills: pd.DataFrame) -> None:
    """Of inverse futures the sum is over the contracts' USD value."""
    held = positions(fills).set_index(["venue", "instrument"])
    for (venue, name), part in fills.groupby(["venue", "instrument"], observed=True):
        row = held.loc[(venue, name)]
        signed = part["side"] * part["size"] * (part["price"] if name == PERP else 1.0)
        got = row["quantity"] * (row["entry"] if name == PERP and row["quantity"] else 1.0)
        assert got == pytest.approx(signed.sum(), abs=1e-7 * signed.abs().sum())


@effort(30)
@given(trades(), st.lists(st.integers(1, 9), min_size=12, max_size=12))
def test_splitting_fills_changes_nothing(fills: pd.DataFrame, tenths: list[int]) -> None:
    first, second = fills.copy(), fills.copy()
    share = np.array(tenths[: len(fills)]) / 10
    for part, weight in ((first, share), (second, 1 - share)):
        part["size"] *= weight
        part["fee"] *= weight
    split = pd.concat([first, second]).sort_index(kind="stable")
    one, other = positions(fills), positions(FILLS.concat([split.reset_index(drop=True)]))
    for name in ("quantity", "entry", "realised", "realised_usd", "fees_usd"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-9, atol=1e-9 * (1 + one[name].abs().max()))


@effort(30)
@given(trades())
def test_cash_and_value_are_the_pnl(fills: pd.DataFrame) -> None:
    """Realised and unrealised together are what was received, less what was paid, and the position at the mark, in settle currency."""
    held = positions(fills)
    valued = book(held, marks(START_NS + DAY_NS)).set_index(["venue", "instrument"])
    for (venue, name), part in fills.groupby(["venue", "instrument"], observed=True):
        row = valued.loc[(venue, name)]
        signed = part["side"] * part["size"]
        if name == PERP:
            contracts = signed * part["price"]
            want = (contracts * (1 / part["price"] - 1 / row["mark"])).sum()
        else:
            want = (signed * (row["mark"] - part["price"])).sum()
        assert row["realised"] + row["unrealised"] == pytest.approx(
            want, rel=1e-7, abs=1e-7 * part["price"].max()
        )


@effort(30)
@given(trades(2), st.data())
def test_the_explain_adds_up_whatever_happens(fills: pd.DataFrame, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(fills)))
    spot = data.draw(st.sampled_from((60_000.0, 99_000.0, 130_000.0)))
    vol = data.draw(st.sampled_from((0.3, 0.5, 0.9)))
    held, flows = positions(fills.iloc[:cut]), fills.iloc[cut:]
    before = book(held, marks(START_NS + 10**9))
    whole = positions(fills)
    after = book(whole, marks(START_NS + 3 * DAY_NS, spot, vol))
    found = explain(before, after, flows)
    names = ["realised_usd", "settled_usd", "funding_usd", "fees_usd", "unrealised_usd"]
    total = after[names].sum().sum() - (before[names].sum().sum() if len(before) else 0.0)
    size = 1e-9 * (1.0 + found[list(PARTS)].abs().sum().sum())
    assert found.loc["total", "total"] == pytest.approx(total, abs=size)
    assert found.loc["total", list(PARTS)].sum() == pytest.approx(found.loc["total", "total"], abs=size)
    shown = cents(found)
    np.testing.assert_array_equal((shown[list(PARTS)].sum(axis=1) - shown["total"]).round(2), 0.0)


@effort(25)
@given(trades(), st.sampled_from((0.5, 0.25)), st.sampled_from((-1, 1)))
def test_the_residual_vanishes_with_the_square_and_more_of_the_move(
    fills: pd.DataFrame, shrink: float, up: int
) -> None:
    held = positions(fills)
    held = held[held["quantity"] != 0.0]
    if held.empty:
        return
    before = book(held, marks(START_NS))

    def residual(size: float) -> tuple[float, float]:
        later = marks(START_NS + int(size * DAY_NS), 1e5 * (1 + up * 0.02 * size), 0.5 + 0.01 * size)
        found = explain(before, book(held, later)).drop(index="total")
        return found["residual"].abs().sum(), found[["delta", "gamma", "vega", "theta"]].abs().sum().sum()

    (large, moved), (small, _) = residual(1.0), residual(shrink)
    assert large <= 0.02 * moved + 1e-6
    # second-order terms the table has no column for (vomma, the decay of theta) shrink with the square
    assert small <= shrink**2 * 0.02 * moved + 1e-6


def _moved(stream: Stream, by_ns: int) -> Stream:
    return [
        (table, table_named(table).conform(frame.assign(event_ns=frame["event_ns"] + by_ns)))
        for table, frame in stream
    ]


@effort(30)
@given(st.data())
def test_any_split_settles_alike_over_an_expiry(data: st.DataObject) -> None:
    stream = data.draw(streams(("fills", "marks", "marks", "heartbeat", "positions"), 25))
    stream = _moved(stream, 8 * 3600 * 10**9 - 40 * 10**9)
    parts = data.draw(cuts(stream))
    one, other = (PnlSnapshots(every="10s", settle_after="20s") for _ in range(2))
    rows = [
        PNL.concat([engine.update(frame, table) for table, frame in each])
        for engine, each in ((one, stream), (other, parts))
    ]
    assert digest(rows[0]) == digest(rows[1])
