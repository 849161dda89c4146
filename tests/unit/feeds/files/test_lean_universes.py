"""LEAN's option universes: a day's chain as marks; every line is a row or told."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from workstation.feeds.files import Rejections, read
from workstation.market.errors import FrameError
from workstation.market.instrument_terms import INSTRUMENT_TERMS

HEADER = "#expiry,strike,right,open,high,low,close,volume,open_interest,implied_volatility,delta,gamma,vega,theta,rho"
VALUES = "21.95,23.6,20.425,23.025,7,14,0.25,0.5,0.01,0.11,-0.07,0.005"
UNDERLYING = ",,,92.69,92.95,92.50,92.72,2467914,,,,,,,"


def marks(
    root: Path, where: str, lines: list[str], rejections: Rejections, header: str = HEADER, **options: str
) -> pd.DataFrame:
    file = root / where
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([header, *lines]) + "\n"
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    frames = [batch.frame for batch in read("lean", file, rejections, **options)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_chain_is_of_its_day_in_our_units(tmp_path: Path, end: str) -> None:
    rejections = Rejections()
    lines = [UNDERLYING, f"20140613,70.71,C,{VALUES}", "20140613,71.43,P,1,1,1,1,0,,0,0,0,0,0,0"]
    found = marks(tmp_path, f"option/usa/universes/aapl/20140609.csv{end}", lines, rejections)
    assert found["instrument"].tolist() == ["AAPL  140613C00070710", "AAPL  140613P00071430"]
    assert set(found["event_ns"]) == {pd.Timestamp("2014-06-10", tz="America/New_York").value}
    first, second = found.iloc[0], found.iloc[1]
    assert (first.mark, first.volume_24h, first.open_interest, first.mark_iv) == (23.025, 7, 14, 0.25)
    assert np.allclose([first.vega, first.theta, first.rho], [11.0, -25.55, 0.5])
    assert second[["mark_iv", "delta", "gamma", "vega", "theta", "rho", "open_interest"]].isna().all()
    assert set(found["venue"]) == {"opra"}
    assert sum(rejections.counts.values()) == 1 and "underlying" in next(iter(rejections.counts))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"2014-06-13,70,C,{VALUES}", "expiry"),
        (f"20140631,70,C,{VALUES}", "is no date"),
        (f"20140613,0,C,{VALUES}", "strike 0"),
        (f"20140613,7e1,C,{VALUES}", "strike"),
        (f"20140613,-70,C,{VALUES}", "strike"),
        (f"20140613,70,X,{VALUES}", "right"),
        (f"20140613,70,,{VALUES}", "right"),
        (f"20140613,70,C,{VALUES.replace('23.025', 'x')}", "no number in close"),
        (f"20140613,70,C,{VALUES.replace('23.025', 'inf')}", "line 3: inf"),
        (f"20140613,70,C,{VALUES.replace(',14,', ',-14,')}", "line 3: -14.0"),
        (f"20140613,70,C,{VALUES},1", "fields"),
        ("20140613", "fields"),
    ],
)
def test_a_line_that_is_no_option_is_told_and_costs_no_other(tmp_path: Path, line: str, said: str) -> None:
    rejections = Rejections()
    good = f"20140613,70.71,C,{VALUES}"
    found = marks(tmp_path, "option/usa/universes/aapl/20140609.csv", [good, line, good], rejections)
    assert len(found) == 2
    told = {**rejections.counts, **dict.fromkeys(rejections.examples.values(), 0)}
    assert rejections.total == 1 and any(said in text for text in told), rejections


def test_symbols_of_older_files_are_read(tmp_path: Path) -> None:
    header = HEADER.replace("#expiry,strike,right", "symbol_id,symbol_value")
    lines = [f"AAPL R735QTJ8XC9X,AAPL,{VALUES}", f"AAPL 2YZ|AAPL R735QTJ8XC9X,AAPL  140613C00070710,{VALUES}"]
    rejections = Rejections()
    found = marks(tmp_path, "option/usa/universes/aapl/20140609.csv", lines, rejections, header)
    assert found["instrument"].tolist() == ["AAPL  140613C00070710"] and rejections.total == 1


def test_share_classes_other_markets_and_future_options(tmp_path: Path) -> None:
    rejections = Rejections()
    found = marks(
        tmp_path, "option/usa/universes/brk.b/20231116.csv", [f"20231117,362.5,P,{VALUES}"], rejections
    )
    assert found["instrument"].tolist() == ["BRKB  231117P00362500"]
    found = marks(
        tmp_path,
        "futureoption/cme/universes/es/202003/20200106.csv",
        [f"20200320,3000,C,{VALUES}"],
        rejections,
    )
    assert found["instrument"].tolist() == ["ES-200320-3000-C"]
    assert INSTRUMENT_TERMS.describe(["ES-200320-3000-C"])["underlying"].tolist() == ["ESH20"]
    assert found["event_ns"].tolist() == [pd.Timestamp("2020-01-07", tz="UTC").value]
    assert not rejections.counts


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("future/cme/universes/es/20200106.csv", "openinterest"),
        ("option/mars/universes/aapl/20140609.csv", "time zone"),
        ("option/usa/universes/aapl/20140699.csv", "no[t]? a date"),
    ],
)
def test_what_is_not_read_is_refused_with_what_to_do(tmp_path: Path, where: str, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        marks(tmp_path, where, [f"20140613,70,C,{VALUES}"], Rejections())


@pytest.mark.recorded
def test_units_of_the_recorded_greeks(sample_data: Path) -> None:
    """Vega per 1.00 vol is that of Black on the forward which the chain's own parity gives."""
    file = sample_data / "us_options/lean/indexoption/usa/universes/spx/20151222.csv"
    found = pd.concat([batch.frame for batch in read("lean", file, Rejections())])
    terms = INSTRUMENT_TERMS.describe(found["instrument"].astype("str"))
    years = (terms["expiry_ns"].to_numpy() - found["event_ns"].to_numpy()) / (365 * 86_400e9)
    strike, vol = terms["strike"].to_numpy(), found["mark_iv"].to_numpy()
    with np.errstate(all="ignore"):
        d1 = (np.log(2039.0 / strike) + 0.5 * vol**2 * years) / (vol * np.sqrt(years))
    ours = 2039.0 * norm.pdf(d1) * np.sqrt(years)
    near = (np.abs(d1) < 1.0) & (years > 0.05)
    assert near.sum() > 50
    assert 0.9 < np.nanmedian(found["vega"].to_numpy()[near] / ours[near]) < 1.1
