"""The same contract on several venues: vols and USD values side by side, open interest summed in coin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.flow.taker_flow_monitor import FlowSeen
from workstation.market.instruments import REGISTRY
from workstation.market.tables import MARKS, NO_TIME
from workstation.pricing.across_venues import across_venues, compare_venues
from workstation.pricing.chain import chain, priced_contracts

NOW = pd.Timestamp("2026-11-01").value
COIN = "BTC/USD:BTC-261225-{}-{}"
CASH = "BTC/USDT:USDT-261225-{}-{}"


def marks() -> pd.DataFrame:
    """Deribit and OKX name a contract alike, Bybit's pays in USDT; its 110 000 call is listed twice, the other has no interest."""
    rows = []
    for venue, name, vol, interest in (
        ("deribit", COIN, 0.50, 100.0), ("okx", COIN, 0.51, 30.0), ("bybit", CASH, 0.53, 7.0),
    ):  # fmt: skip
        for strike in (90_000, 100_000, 110_000):
            for right in "CP":
                extra = 0.02 if (venue, strike, right) == ("okx", 110_000, "C") else 0.0
                if (venue, strike, right) != ("bybit", 90_000, "P"):
                    rows.append((name.format(strike, right), venue, vol + extra, interest))
    columns = ["instrument", "venue", "mark_iv", "open_interest"]
    frame = pd.DataFrame(rows, columns=columns)
    return MARKS.conform(frame.assign(event_ns=NOW, forward=101_000.0, index=100_000.0))


def test_the_widest_difference_comes_first_and_a_venue_without_the_contract_is_missing() -> None:
    found = compare_venues(marks())
    assert len(found) == 6 and found["iv_difference"].is_monotonic_decreasing
    first = found.iloc[0]
    assert (first["low_venue"], first["high_venue"]) in {("deribit", "okx"), ("deribit", "bybit")}
    call = found[(found["strike"] == 110_000) & (found["right"] == "C")].iloc[0]
    assert call[["iv_deribit", "iv_okx", "iv_bybit"]].tolist() == pytest.approx([0.50, 0.53, 0.53])
    put = found[(found["strike"] == 90_000) & (found["right"] == "P")].iloc[0]
    assert np.isnan(put["iv_bybit"]) and np.isnan(put["usd_bybit"]) and put["high_venue"] == "okx"
    assert put["iv_difference"] == pytest.approx(0.01)


def test_values_are_of_each_venues_vol_in_usd_per_coin() -> None:
    call = compare_venues(marks()).query("strike == 100_000 and right == 'C'").iloc[0]
    years = (pd.Timestamp("2026-12-25 08:00").value - NOW) / (365 * 86_400e9)
    # Brenner and Subrahmanyam 1988: an option at the forward is worth 0.4 F v sqrt(T); here 1 % in the money
    for venue, vol in (("deribit", 0.50), ("okx", 0.51), ("bybit", 0.53)):
        assert call[f"usd_{venue}"] == pytest.approx(0.4 * 100_500 * vol * np.sqrt(years) + 500, rel=0.01)
    assert call["usd_difference"] == pytest.approx(call["usd_bybit"] - call["usd_deribit"])


def test_one_venue_alone_compares_with_nothing() -> None:
    alone = marks()[lambda rows: (rows["venue"] == "okx").to_numpy()]
    assert compare_venues(alone).empty and "iv_difference" in compare_venues(alone)


def test_a_part_of_one_venue_is_the_chain_of_that_venue() -> None:
    from workstation.board.priced_chain import PricedChain
    from workstation.pricing.chain_dataset import dataset

    latest, priced = priced_contracts(marks())
    flow = FlowSeen(np.ones(len(priced)), NO_TIME, 5, 0)
    whole = PricedChain(priced, lambda kept: dataset(latest, kept), flow)
    assert whole.venues == ["bybit", "deribit", "okx"] and whole.across_venues.equals(across_venues(priced))
    interest = float(priced.open_interest.sum())
    assert interest == 600.0 + 180.0 + 35.0 and "combined" in whole.ledger("calls_long", "open_interest")
    parts = {venue: whole.of((), venue) for venue in whole.venues}
    for venue, part in parts.items():
        alone = chain(marks(), venue=venue)
        np.testing.assert_array_equal(part.dataset["mark_iv"], alone["mark_iv"])
        np.testing.assert_array_equal(part.dataset["open_interest"], alone["open_interest"])
        told = part.ledger("calls_long", "open_interest")
        assert told["venue"] == venue and "combined" not in told and set(told["venues"]) == {venue}
    nets = [part.levels("calls_long", "open_interest").net_gex for part in parts.values()]
    assert sum(nets) == pytest.approx(whole.levels("calls_long", "open_interest").net_gex)
    assert "flow" in whole.sign_models and "flow" not in parts["okx"].sign_models
    assert whole.of((), "okx") is parts["okx"] and whole.of((), "nowhere") is whole
    assert len(np.unique(REGISTRY.names(priced.codes))) == 11
