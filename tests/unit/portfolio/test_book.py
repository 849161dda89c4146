"""The book, its greeks, what-if and explain against numbers worked out here."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workstation.portfolio.book import book
from workstation.portfolio.explain import PARTS, explain
from workstation.portfolio.greeks import totals
from workstation.portfolio.what_if import what_if

ASOF = pd.Timestamp("2026-03-20T08:00").value
DAY = 86_400 * 10**9
CALL, LINEAR, PERP, SWAP = (
    "BTC/USD:BTC-260327-70000-C",
    "BTC/USDT:USDT-260327-70000-P",
    "BTC/USD:BTC",
    "BTC/USDT:USDT",
)
FORWARD, INDEX, VOL, YEARS = 70_500.0, 70_000.0, 0.5, 7 / 365


def black(forward: float, strike: float, years: float, vol: float, call: bool) -> float:
    spread = vol * math.sqrt(years)
    d1 = math.log(forward / strike) / spread + spread / 2
    sign = 1 if call else -1
    return float(sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - spread))))


def market(
    index: float = INDEX, forward: float = FORWARD, vol: float = VOL, days: float = 0.0
) -> pd.DataFrame:
    years = YEARS - days / 365
    return pd.DataFrame(
        {
            "event_ns": ASOF + int(days * DAY),
            "instrument": [CALL, LINEAR, PERP, SWAP],
            "mark": [
                black(forward, 70_000.0, years, vol, True) / forward, black(forward, 70_000.0, years, vol, False), index * 1.001, index * 1.001,
            ],
            "mark_iv": [vol, vol, np.nan, np.nan],
            "forward": [forward, forward, np.nan, np.nan],
            "index": index,
        }
    )  # fmt: skip


def held(*legs: tuple[str, float, float], venue: str = "deribit") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"event_ns": 1, "instrument": name, "quantity": size, "entry": entry, "venue": venue}
            for name, size, entry in legs
        ]
    )


def test_values_of_all_four_sorts_of_legs() -> None:
    found = book(
        held((CALL, 2.0, 0.03), (LINEAR, -1.0, 2_000.0), (PERP, -0.1, 72_000.0), (SWAP, 0.5, 69_000.0)),
        market(),
    ).set_index("instrument")
    mark = black(FORWARD, 70_000.0, YEARS, VOL, True) / FORWARD
    assert found.loc[CALL, "unrealised"] == pytest.approx(2 * (mark - 0.03))
    assert found.loc[CALL, "unrealised_usd"] == pytest.approx(2 * (mark - 0.03) * INDEX)
    assert found.loc[CALL, "value_usd"] == pytest.approx(2 * mark * INDEX)
    put = black(FORWARD, 70_000.0, YEARS, VOL, False)
    assert found.loc[LINEAR, "unrealised_usd"] == pytest.approx(-(put - 2_000.0))
    contracts = -7_200.0  # USD: 0.1 coin at 72 000
    assert found.loc[PERP, "unrealised"] == pytest.approx(contracts * (1 / 72_000 - 1 / 70_070))
    assert found.loc[SWAP, "unrealised_usd"] == pytest.approx(0.5 * (70_070 - 69_000))


def test_greeks_are_bumps_of_the_usd_value_and_the_pa_delta_of_the_coin() -> None:
    found = book(held((CALL, 2.0, 0.03), (PERP, 0.1, 70_000.0)), market()).set_index("instrument")
    h = 1e-4

    def value(up: float, vol: float = 0.0, days: float = 0.0) -> float:
        return 2 * black(FORWARD * (1 + up), 70_000.0, YEARS - days / 365, VOL + vol, True)

    row, scale = found.loc[CALL], INDEX / FORWARD
    delta = (value(h) - value(-h)) / (2 * h)
    assert row["delta"] == pytest.approx(delta * scale, rel=1e-6)
    gamma = (value(h) - 2 * value(0) + value(-h)) / h**2 * 0.01
    assert row["gamma"] == pytest.approx(gamma * scale**2, rel=1e-4)
    assert row["vega"] == pytest.approx((value(0, h) - value(0, -h)) / (2 * h) * 0.01, rel=1e-6)
    assert row["theta"] == pytest.approx((value(0, 0, h) - value(0, 0, -h)) / (2 * h), rel=1e-6)
    coin = [
        2 * black(FORWARD * math.exp(up), 70_000.0, YEARS, VOL, True) / (FORWARD * math.exp(up))
        for up in (h, -h)
    ]
    assert row["pa_delta"] == pytest.approx((coin[0] - coin[1]) / (2 * h), rel=1e-6)
    assert found.loc[PERP, "delta"] == pytest.approx(7_000.0) and found.loc[
        PERP, "pa_delta"
    ] == pytest.approx(7_000 / 70_070)
    assert found.loc[PERP, ["gamma", "vega", "theta", "vanna", "charm"]].eq(0.0).all()


def test_totals_by_underlying_keep_the_two_deltas_apart() -> None:
    found = book(held((CALL, 2.0, 0.03), (SWAP, 1.0, 70_000.0)), market())
    total = totals(found)
    assert total.index.tolist() == ["BTC"]
    assert total["delta"].item() == pytest.approx(found["delta"].sum())
    assert total["pa_delta"].item() == pytest.approx(found["pa_delta"].iloc[0])


def test_three_venues_on_one_instrument_are_three_legs() -> None:
    legs = pd.concat([held((CALL, 1.0, 0.03), venue=venue) for venue in ("deribit", "okx", "bybit")])
    found = book(legs, market())
    assert found["venue"].tolist() == ["deribit", "okx", "bybit"]
    assert found["unrealised_usd"].nunique() == 1


def test_unknown_markets_are_nan() -> None:
    found = book(held(("ETH/USD:ETH-260327-4000-C", 1.0, 0.03)), market())
    assert found[["mark", "index", "unrealised_usd", "delta"]].isna().all(axis=None)


def test_a_vol_is_implied_where_none_is_marked() -> None:
    found = book(held((CALL, 1.0, 0.03)), market().assign(mark_iv=np.nan))
    assert found["iv"].item() == pytest.approx(VOL, abs=1e-9)


def test_what_if_is_full_repricing() -> None:
    now = book(held((CALL, 2.0, 0.03), (LINEAR, -1.0, 2_000.0), (PERP, -0.1, 72_000.0)), market())
    grid = what_if(now, spot=[-0.2, 0.0, 0.1], vol=[0.0, 0.1], days=[0.0, 3.0, 30.0])
    assert grid.sizes == {"underlying": 1, "spot": 3, "vol": 2, "days": 3}
    at = grid.sel(underlying="BTC", spot=0.1, vol=0.1, days=3.0)
    forward, years = FORWARD * 1.1, YEARS - 3 / 365
    calls = [black(FORWARD, 70_000.0, YEARS, VOL, True), black(forward, 70_000.0, years, 0.6, True)]
    puts = [black(FORWARD, 70_000.0, YEARS, VOL, False), black(forward, 70_000.0, years, 0.6, False)]
    contracts = -7_200.0
    gains = [contracts * (1 / 72_000 - 1 / mark) for mark in (70_070.0, 77_077.0)]
    value = (
        2 * (calls[1] / forward * 77_000 - calls[0] / FORWARD * 70_000)
        - (puts[1] - puts[0])
        + gains[1] * 77_000
        - gains[0] * 70_000
    )
    assert at["pnl"].item() == pytest.approx(value)
    coin = 2 * (calls[1] / forward - calls[0] / FORWARD) + gains[1] - gains[0]
    assert at["coin_pnl"].item() == pytest.approx(coin)
    assert at["pa_pnl"].item() == pytest.approx(coin * 77_000 - (puts[1] - puts[0]))
    nothing = grid.sel(spot=0.0, vol=0.0, days=0.0)
    assert abs(nothing["pnl"].item()) < 1e-9 and nothing["delta"].item() == pytest.approx(
        now["delta"].sum(), rel=1e-9
    )
    expired = grid.sel(underlying="BTC", spot=0.1, vol=0.1, days=30.0)["coin_pnl"].item()
    assert expired == pytest.approx(
        2 * ((forward - 70_000) / forward - calls[0] / FORWARD) + gains[1] - gains[0]
    )


def test_what_if_refuses_what_it_cannot_price() -> None:
    now = book(held((CALL, 2.0, 0.03)), market().assign(mark_iv=np.nan, mark=np.nan))
    with pytest.raises(ValueError, match=f"{CALL}: no iv known"):
        what_if(now)
    with pytest.raises(ValueError, match="over -1"):
        what_if(book(held((PERP, 1.0, 1.0)), market()), spot=[-1.0])


def test_explain_of_a_short_perpetual_over_a_fall_with_funding_and_fee() -> None:
    """7 000 USD short at 70 000; index and mark fall by 1 000; 0.00002 BTC funding received at 69 500; a 0.00001 BTC fee at 69 500."""
    flat = market().assign(mark=lambda frame: frame["index"])
    later = market(index=69_000.0, days=1.0).assign(mark=lambda frame: frame["index"])
    legs = held((PERP, -0.1, 70_000.0))
    flows = pd.DataFrame(
        {
            "event_ns": ASOF + 1, "instrument": PERP, "venue": "deribit", "side": 0, "price": 0.0, "size": 0.0, "kind": "funding",
            "fee": [-0.00002, 0.00001], "fee_currency": "BTC", "index": 69_500.0,
        }
    )  # fmt: skip
    found = explain(book(legs, flat), book(legs, later), flows.iloc[:1]).loc["total"]
    gain_btc = -7_000 * (1 / 70_000 - 1 / 69_000)
    assert found["delta"] == pytest.approx(100.00)  # 0.1 BTC short, 1 000 down
    assert found["funding"] == pytest.approx(1.39)  # 0.00002 x 69 500
    assert found["total"] == pytest.approx(gain_btc * 69_000 + 1.39)
    assert found["currency"] == pytest.approx(0.0, abs=1e-9) and found["residual"] == pytest.approx(
        0.0, abs=1e-9
    )


def test_explain_of_an_inverse_call_names_the_premiums_coin() -> None:
    """Nothing but the index moves with the forward: the premium owed in coin gets dearer."""
    legs = held((CALL, 2.0, 0.03))
    before, after = book(legs, market()), book(legs, market(index=70_070.0, forward=70_570.5))
    found = explain(before, after).loc["total"]
    assert found["currency"] == pytest.approx(-2 * 0.03 * 70.0)
    assert found["total"] == pytest.approx(after["unrealised_usd"].item() - before["unrealised_usd"].item())
    assert abs(found["residual"]) < 0.001 * abs(found["delta"]) and found["theta"] == 0.0


def test_explain_with_trades_and_a_settlement_adds_up_and_leaves_no_residual_of_theirs() -> None:
    legs = held((CALL, 2.0, 0.03), (SWAP, 1.0, 69_000.0))
    flows = pd.DataFrame(
        {
            "event_ns": [ASOF + 1, ASOF + 2, ASOF + 7 * DAY], "instrument": [SWAP, SWAP, CALL], "venue": "deribit", "side": [-1, 1, -1],
            "price": [71_000.0, 70_800.0, 1 / 15], "size": [0.4, 0.1, 2.0], "kind": ["trade", "trade", "settlement"], "index": [71_000.0, 70_800.0, 75_000.0],
            "fee": [1.0, 0.25, 0.0], "fee_currency": "USDT",
        }
    )  # fmt: skip
    after = held((SWAP, 0.7, (0.6 * 69_000 + 0.1 * 70_800) / 0.7))
    first, last = book(legs, market()), book(after, market(index=75_000.0).assign(event_ns=ASOF + 8 * DAY))
    found = explain(first, last, flows)
    call, swap = found.loc[f"deribit {CALL}"], found.loc[f"deribit {SWAP}"]
    start = 2 * (first["mark"].iloc[0] - 0.03) * INDEX
    assert call["settlement"] == call["total"] == pytest.approx(2 * (1 / 15 - 0.03) * 75_000 - start)
    mark = 75_075.0
    assert swap["new_trades"] == pytest.approx(0.4 * (71_000 - mark) + 0.1 * (mark - 70_800))
    assert swap["delta"] == pytest.approx(mark - 70_070) and swap["fees"] == -1.25
    assert found["residual"].abs().max() < 1e-7
    assert found.loc["total", list(PARTS)].sum() == pytest.approx(found.loc["total", "total"], abs=1e-7)


def test_flows_that_do_not_lead_from_one_book_to_the_other_are_refused() -> None:
    before, after = book(held((SWAP, 1.0, 69_000.0)), market()), book(held((SWAP, 2.0, 69_000.0)), market())
    with pytest.raises(
        ValueError, match=f"deribit {SWAP}: the flows lead to a quantity of 1, the later book holds 2"
    ):
        explain(before, after)
