from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workstation.engines import EngineParameters, standard_engines
from workstation.exposure.book import ExposureBook
from workstation.exposure.priced import priced
from workstation.market.dividends import read_dividends, single_dividends
from workstation.market.errors import TableError
from workstation.market.tables import MARKS
from workstation.portfolio.book import book
from workstation.pricing.carry import CarryParameters, carry_of
from workstation.pricing.chain import chain
from workstation.pricing.latest import LatestMarks
from workstation.settings import Settings

ASOF = pd.Timestamp("2026-03-02 15:30", tz="America/New_York")
RATE = 0.04


def european(root: str, spot: float) -> pd.DataFrame:
    """Quotes around parity at ``RATE`` with no yield: time values are made up, the same of call and put."""
    years = (pd.Timestamp("2027-01-15 16:00", tz="America/New_York") - ASOF).total_seconds() / 31_536_000.0
    strikes = spot * np.arange(0.85, 1.16, 0.05)
    gap = spot - strikes * np.exp(-RATE * years)
    rows = [
        (f"{root:6s}270115{right}{round(1000 * strike):08d}", max(sign * value, 0.0) + 0.05 * spot)
        for right, sign in (("C", 1.0), ("P", -1.0))
        for strike, value in zip(strikes, gap, strict=True)
    ]
    names, price = zip(*rows, strict=True)
    wide = 1e-4 * spot
    return pd.DataFrame(
        {"instrument": names, "bid": np.array(price) - wide, "ask": np.array(price) + wide}
    ).assign(event_ns=ASOF.value, index=spot, open_interest=10.0)


@pytest.fixture(scope="module")
def marks() -> pd.DataFrame:
    return pd.concat([european("SPX", 6000.0), european("AAPL", 250.0)], ignore_index=True)


@pytest.fixture
def dividends(tmp_path):
    path = tmp_path / "dividends.csv"
    path.write_text("underlying,ex_date,cash\nAAPL,2026-05-11,0.26\nAAPL,2026-08-10,0.26\n")
    return path


def test_the_settings_reach_every_engine_that_prices(dividends):
    settings = Settings(_env_file=None, dividends=dividends, rates_of="SPX")
    parameters = settings.engine_parameters()
    assert parameters.dividends == single_dividends(read_dividends(dividends))
    made = {type(engine).__name__: engine.parameters for engine in standard_engines(parameters=parameters)}
    for name in ("ExposureBook", "Levels", "Cascade", "Surface", "PnlSnapshots"):
        assert made[name].carry == CarryParameters(dividends=parameters.dividends, rates_of="SPX"), name
    assert made["ExposureBook"].carry != EngineParameters().carry


def test_a_file_of_dividends_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(
        TableError, match=r"nowhere\.csv cannot be read as a CSV with underlying, ex_date, cash"
    ):
        Settings(_env_file=None, dividends=tmp_path / "nowhere.csv").engine_parameters()


def test_a_live_chain_is_the_one_of_the_whole_history(marks, dividends):
    schedule = read_dividends(dividends)
    carry = CarryParameters(dividends=single_dividends(schedule), rates_of="SPX")
    latest = LatestMarks(by_venue=True)
    latest.take(MARKS.conform(marks))
    of = {"underlying": "AAPL", "asof_ns": ASOF.value, "stale_after_s": 900.0}
    live = priced(latest, **of, carry=carry)
    rates = carry_of(latest, carry, **of)["rates"]
    assert rates.source == "SPX"
    assert rates.rates == pytest.approx(RATE, abs=1e-4)
    whole = chain(marks, underlying="AAPL", dividends=schedule, rates=rates)
    assert live.ledger["dividends"] == whole.attrs["dividends"]
    assert live.ledger["dividends"].startswith("cash dividends of a schedule")
    assert live.ledger["rates"] == "of the index chain SPX"
    assert np.nanmean(live.yields) == pytest.approx(np.nanmean(whole["yields"].to_numpy()))
    without = priced(latest, **of, carry=CarryParameters())
    assert abs(np.nanmean(without.yields) - np.nanmean(live.yields)) > 1e-3
    assert carry_of(latest, carry, underlying="SPX", asof_ns=ASOF.value) == {"rates": None, "dividends": None}


def test_an_engine_prices_with_what_it_was_made_with(marks, dividends):
    engine = ExposureBook(every="1min", dividends=single_dividends(read_dividends(dividends)))
    told = {}
    engine.on_priced = lambda _, contracts: told.update({contracts.underlying: contracts.ledger})
    engine.update(MARKS.conform(marks), "marks")
    engine.update(MARKS.conform(marks.tail(1).assign(event_ns=ASOF.value + 60 * 10**9)), "marks")
    assert "schedule" in told["AAPL"]["dividends"]
    assert "dividends" not in told["SPX"]


def test_a_book_is_valued_with_the_schedule_of_its_chain(marks, dividends):
    call = next(name for name in marks["instrument"] if name.startswith("AAPL") and "C00250000" in name)
    held = pd.DataFrame({"event_ns": [ASOF.value], "instrument": [call], "quantity": [10.0], "entry": [12.0]})
    schedule = read_dividends(dividends)
    with_both = book(held, marks, dividends=schedule, rates_of="SPX").iloc[0]
    alone = book(held, marks).iloc[0]
    rates = carry_of(_latest(marks), CarryParameters(rates_of="SPX"), underlying="AAPL", asof_ns=ASOF.value)[
        "rates"
    ]
    whole = chain(marks, underlying="AAPL", dividends=schedule, rates=rates)
    expected = whole.sel(strike=250.0).isel(expiry=0)
    assert with_both["forward"] == pytest.approx(float(expected["forward"]))
    assert with_both["iv"] == pytest.approx(float(expected["mark_iv"].sel(right="C")))
    assert abs(with_both["iv"] - alone["iv"]) > 1e-4
    assert with_both["mark"] == alone["mark"]


def test_a_book_without_american_options_does_not_know_of_dividends(marks, dividends):
    call = next(name for name in marks["instrument"] if name.startswith("SPX"))
    held = pd.DataFrame({"event_ns": [ASOF.value], "instrument": [call], "quantity": [1.0], "entry": [12.0]})
    pd.testing.assert_frame_equal(book(held, marks), book(held, marks, dividends=read_dividends(dividends)))


def _latest(marks: pd.DataFrame) -> LatestMarks:
    latest = LatestMarks(by_venue=True)
    latest.take(MARKS.conform(marks))
    return latest
