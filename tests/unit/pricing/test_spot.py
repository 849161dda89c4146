"""Spot in step with the quotes: when the index is taken, and what is instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workstation.exposure.levels import levels
from workstation.pricing.chain import chain

ASOF = pd.Timestamp("2026-11-02T21:00Z").value
SECOND = 10**9
RATE, DIVIDENDS, SPOT = 0.05, 0.015, 6000.0
DAYS = (11, 18, 46)
STRIKES = np.arange(5500.0, 6501.0, 25.0)


def quotes(
    index: float = SPOT, days: tuple[int, ...] = DAYS, rate: float = RATE, dividends: float = DIVIDENDS
) -> pd.DataFrame:
    """European quotes at the close with the index in every row."""
    rows = []
    for day in days:
        years = day / 365
        forward, discount, spread = (
            SPOT * np.exp((rate - dividends) * years),
            np.exp(-rate * years),
            0.2 * np.sqrt(years),
        )
        d1 = np.log(forward / STRIKES) / spread + spread / 2
        for right, sign in (("C", 1.0), ("P", -1.0)):
            price = (
                discount * sign * (forward * norm.cdf(sign * d1) - STRIKES * norm.cdf(sign * (d1 - spread)))
            )
            rows.append(
                pd.DataFrame({
                    "event_ns": ASOF, "instrument": [f"index {day} {k:.0f} {right}" for k in STRIKES], "strike": STRIKES,
                    "right": right, "expiry_ns": ASOF + day * 86_400 * SECOND, "bid": price - 0.25, "ask": price + 0.25,
                })
            )  # fmt: skip
    whole = pd.concat(rows, ignore_index=True).assign(underlying="IDX", style="european", multiplier=100.0)
    return whole[whole["bid"] > 0].assign(open_interest=10.0, index=index)


@pytest.mark.parametrize("off", [-0.004, 0.0, 0.004])
@pytest.mark.parametrize("days", [DAYS, (30,), (180, 365)])
@pytest.mark.parametrize(("rate", "dividends"), [(0.05, 0.015), (0.045, 0.0), (0.0, 0.0), (0.02, 0.03)])
def test_an_index_that_agrees_is_taken(
    off: float, days: tuple[int, ...], rate: float, dividends: float
) -> None:
    index = SPOT * (1 + off)
    found = chain(quotes(index, days, rate, dividends))
    assert found["spot"].item() == index
    assert (found.attrs["spot_source"], found.attrs["spot_flag"]) == ("index", "")


@pytest.mark.parametrize("off", [-0.03, -0.011, 0.011, 0.02])
@pytest.mark.parametrize("days", [DAYS, (11,)])
def test_an_index_off_parity_is_flagged_and_the_implied_spot_is_used(
    off: float, days: tuple[int, ...]
) -> None:
    found = chain(quotes(SPOT * (1 + off), days))
    assert (
        found.attrs["spot_source"] == "parity"
        and "off the spot implied by parity" in found.attrs["spot_flag"]
    )
    assert found.attrs["spot_index"] == SPOT * (1 + off)
    assert found["spot"].item() == pytest.approx(SPOT, rel=1.5e-3)
    assert levels(found)["spot"].item() == found["spot"].item()


def test_without_an_index_parity_implies_it() -> None:
    found = chain(quotes(np.nan))
    assert found.attrs["spot_source"] == "parity" and found.attrs["spot_flag"] == ""
    assert found["spot"].item() == pytest.approx(SPOT, rel=5e-4)


def after_hours(minutes: float, index: float = SPOT) -> pd.DataFrame:
    row = quotes().iloc[[0]].assign(event_ns=ASOF + round(minutes * 60) * SECOND, index=index)
    row[["bid", "ask"]] = np.nan
    return pd.concat([quotes(np.nan), row], ignore_index=True)


def test_an_index_of_another_hour_is_flagged() -> None:
    late = ASOF + 3600 * SECOND
    found = chain(after_hours(60.0), asof_ns=late, stale_after_s=7200.0)
    assert found.attrs["spot_flag"] == "index is 3600 s newer than the quotes"
    assert found.attrs["spot_source"] == "parity" and found["spot"].item() == pytest.approx(SPOT, rel=5e-4)
    near = chain(after_hours(15.0), asof_ns=late, stale_after_s=7200.0)
    assert near.attrs["spot_source"] == "index" and near.attrs["spot_flag"] == ""
    old = chain(after_hours(-16.0), stale_after_s=7200.0)
    assert old.attrs["spot_flag"] == "index is 960 s older than the quotes"


def test_the_asof_time_is_the_quotes_own() -> None:
    found = chain(after_hours(60.0, index=9999.0))
    assert found.attrs["asof_ns"] == ASOF
    assert found.attrs["contracts"] == len(quotes()) and found.attrs["oldest_input_age_s"] == 0.0
    assert found["spot"].item() == pytest.approx(SPOT, rel=5e-4), "an hour later's index is not the quotes'"


def test_errors_stand_in_the_dataset_and_the_ledger_says_where_discounts_are_from() -> None:
    found = chain(quotes())
    assert (found["forward_error"] > 0).all() and (found["discount_error"] > 0).all()
    assert np.abs(found["discount"] - np.exp(-RATE * found["years"])).max() < 1e-4
    assert found.attrs["discount"].startswith("measured by put-call parity")
    assert found["forward_error"].attrs["units"] == "USD, standard error"
    told = chain(quotes().assign(forward=SPOT))
    assert told["forward_error"].isnull().all() and told["discount"].values.tolist() == [1.0] * 3
