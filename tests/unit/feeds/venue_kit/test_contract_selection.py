"""The bounded choice of contracts to quote: near in time, near the money, so many and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.feeds.venue_kit.contract_selection import expiries, selected
from workstation.market.instrument_terms import INSTRUMENT_TERMS

NOW = pd.Timestamp("2026-12-01T15:00Z").value


def listed(strikes: np.ndarray, dates: tuple[str, ...] = ("261204",), root: str = "SPY") -> pd.DataFrame:
    names = [
        f"{root:<6}{date}{right}{strike * 1000:08.0f}"
        for date in dates
        for strike in strikes
        for right in "CP"
    ]
    return INSTRUMENT_TERMS.describe([root, *names]).assign(venue_symbol=[root, *names])


def strikes_of(symbols: list[str]) -> list[float]:
    return sorted({int(symbol[-8:]) / 1000 for symbol in symbols})


def test_eight_strikes_a_side_of_both_rights() -> None:
    found = selected(listed(np.arange(550.0, 651.0)), {"SPY": 600.5}, NOW)
    assert strikes_of(found) == list(np.arange(593.0, 609.0)) and len(found) == 32


@pytest.mark.parametrize(
    ("strikes", "kept"), [([560.0, 570.0, 640.0], [570.0]), ([550.0, 655.0, 700.0], [550.0, 655.0])]
)
def test_within_six_percent_of_the_money_else_ten(strikes: list[float], kept: list[float]) -> None:
    assert strikes_of(selected(listed(np.array(strikes)), {"SPY": 600.0}, NOW)) == kept


def test_the_nearest_weekly_and_monthly_expiry_else_the_earliest() -> None:
    dates = ("261201", "261202", "261218", "270115")
    found = selected(listed(np.array([600.0]), dates), {"SPY": 600.0}, NOW)
    assert sorted({symbol[6:12] for symbol in found}) == ["261201", "261218"]
    far = selected(listed(np.array([600.0]), ("270319", "270618")), {"SPY": 600.0}, NOW)
    assert {symbol[6:12] for symbol in far} == {"270319"}


def test_a_monthly_expiry_before_a_holiday_is_a_thursday() -> None:
    days = ["2028-04-07", "2028-04-13"]  # Good Friday is the 14th: the third Friday of that month is the 21st
    times = np.array([pd.Timestamp(f"{day}T20:00Z").value for day in days])
    assert len(expiries(times, pd.Timestamp("2028-04-03").value)) == 1
    holiday = np.array([pd.Timestamp(f"{day}T20:00Z").value for day in ("2025-04-11", "2025-04-17")])
    assert len(expiries(holiday, pd.Timestamp("2025-04-07").value)) == 2, "18 April 2025 was Good Friday"


def test_every_underlying_has_an_equal_part_and_one_without_a_price_none() -> None:
    rows = pd.concat([listed(np.arange(550.0, 651.0), root=root) for root in ("SPY", "QQQ", "IWM")])
    found = selected(rows, {"SPY": 600.0, "QQQ": 600.0, "IWM": float("nan")}, NOW, most=30)
    assert [sum(symbol.startswith(root) for symbol in found) for root in ("SPY", "QQQ", "IWM")] == [10, 10, 0]
    assert strikes_of(found) == [598.0, 599.0, 600.0, 601.0, 602.0], "the nearest to the money first"


def test_what_has_expired_is_not_chosen() -> None:
    assert selected(listed(np.array([600.0]), ("261130",)), {"SPY": 600.0}, NOW) == []
