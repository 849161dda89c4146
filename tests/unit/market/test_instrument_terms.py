"""Terms of instruments: what is registered, else what the symbol says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.market.instrument_terms import InstrumentTerms
from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables import INSTRUMENTS, NO_TIME


@pytest.fixture
def registry() -> InstrumentRegistry:
    return InstrumentRegistry()


@pytest.fixture
def terms(registry: InstrumentRegistry) -> InstrumentTerms:
    return InstrumentTerms(registry)


def test_describe_reads_the_name_when_nothing_is_registered(
    registry: InstrumentRegistry, terms: InstrumentTerms
) -> None:
    names = [
        "BTC/USD:BTC-261225-100000-C",
        "SPXW  261218C06000000",
        "AAPL",
        "BTC/USDT:USDT",
        "what is this",
        "AAPL1 261218P00100000",
    ]
    rows = terms.describe(names)
    assert list(rows.columns) == list(INSTRUMENTS.names)
    assert rows["instrument"].tolist() == names
    assert rows["kind"].tolist() == ["option", "option", "equity", "perpetual", "", "option"]
    assert rows["underlying"].tolist() == ["BTC", "SPX", "AAPL", "BTC", "", "AAPL"]
    assert rows["style"].tolist() == ["european", "european", "", "", "", "american"]
    assert rows["premium_currency"].tolist() == ["BTC", "USD", "USD", "USDT", "", "USD"]
    assert rows["inverse"].tolist() == [True, False, False, False, False, False]
    np.testing.assert_array_equal(rows["multiplier"], [1.0, 100.0, 1.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(rows["strike"], [100000.0, 6000.0, np.nan, np.nan, np.nan, 100.0])
    assert rows["expiry_ns"].iloc[0] == pd.Timestamp("2026-12-25 08:00", tz="UTC").value
    assert rows["expiry_ns"].iloc[1] == pd.Timestamp("2026-12-18 16:00", tz="America/New_York").value
    assert rows["expiry_ns"].iloc[4] == NO_TIME
    pd.testing.assert_frame_equal(INSTRUMENTS.conform(rows, registry), rows)


def test_what_is_registered_wins_and_the_name_fills_the_rest(
    registry: InstrumentRegistry, terms: InstrumentTerms
) -> None:
    name = "BTC/USD:BTC-261225-100000-C"
    assert terms.describe([name])["multiplier"].tolist() == [1.0]
    terms.register(
        INSTRUMENTS.conform(
            pd.DataFrame(
                {
                    "event_ns": [1],
                    "instrument": name,
                    "kind": "option",
                    "multiplier": 0.01,
                    "venue": "okx",
                    "inverse": True,
                }
            ),
            registry,
        )
    )
    row = terms.describe([name]).iloc[0]
    assert (row["multiplier"], row["venue"], row["strike"], row["right"]) == (0.01, "okx", 100000.0, "C")
    assert terms.registered(name) is not None
    assert terms.registered("unheard of") is None


def test_describe_keeps_order_repeats_and_grows(terms: InstrumentTerms) -> None:
    many = [f"BTC/USD:BTC-261225-{strike}-{right}" for strike in range(1000, 40_000, 500) for right in "CP"]
    rows = terms.describe([*many, many[3], many[3]])
    assert rows["instrument"].tolist() == [*many, many[3], many[3]]
    assert rows["strike"].iloc[-1] == rows["strike"].iloc[3] == 1500.0
    assert len(terms.describe()) == len(many)
    by_category = terms.describe(rows["instrument"])
    pd.testing.assert_frame_equal(by_category, rows)
    late = terms.describe(["ETH/USD"])
    assert late["underlying"].tolist() == ["ETH"]
    assert terms.describe([]).empty


def test_describe_refuses_a_missing_name(terms: InstrumentTerms) -> None:
    with pytest.raises(ValueError, match="missing name at row 1"):
        terms.describe(pd.Series(["A", None]))


def test_a_date_no_calendar_knows_leaves_the_expiry_unknown(terms: InstrumentTerms) -> None:
    rows = terms.describe(["SPXW  991218C06000000"])
    assert (rows["kind"].iloc[0], rows["expiry_ns"].iloc[0]) == ("option", NO_TIME)


def test_index_options_are_what_their_exchange_specifies() -> None:
    names = [f"{root:6s}261218C00600000" for root in ("NANOS", "CBTX", "RUI", "SPX")]
    rows = InstrumentTerms(InstrumentRegistry()).describe(names)
    assert rows["multiplier"].tolist() == [1.0, 100.0, 100.0, 100.0]
    assert rows["style"].tolist() == ["european"] * 4
    hours = pd.to_datetime(rows["expiry_ns"], utc=True).dt.tz_convert("America/New_York").dt.strftime("%H:%M")
    assert hours.tolist() == ["16:00", "16:00", "09:30", "09:30"]
