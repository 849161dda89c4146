"""US chains priced from quotes and open interest alone, beside the vendor's recorded vols and gammas.

Cboe pages: bids, asks and open interest go in; vols, gammas and gex come out and are set beside the page's own columns, which went nowhere.
DBN: the same quotes and open interest written as consolidated quotes and statistics records, read back as a file. LEAN: recorded minute quotes and
open interest of GOOG; nothing of a vendor stands beside them, so the put is set beside the call of its strike. Needs ``WORKSTATION_SAMPLE_DATA``.
"""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from tests.unit.feeds.files.dbn_files import consolidated, dbn, header, statistic
from workstation.feeds.files import Rejections, read
from workstation.pricing.chain import chain

CBOE = (
    "cboe_csv/cboe_SPX_20220610.csv.gz", "cboe_csv/cboe_SPX_20230914.csv.gz", "cboe_csv/cboe_SPY_20230914.csv.gz",
    "cboe_csv/cboe_SPY_20250925.csv.gz", "cboe_json/cboe_options_chain_options_AAPL.json.gz",
)  # fmt: skip
LEAN = ("option/usa/minute/goog/20151224_openinterest_american.zip", "option/usa/minute/goog/20151224_quote_american.zip",
        "equity/usa/minute/goog/20151224_quote.zip")  # fmt: skip
LEAN_AT = "2015-12-24 12:59"
"""New York; the session ended at 13:00."""
NEAR, DAYS = 0.10, (2.0, 365.0)
"""Strikes over the forward, and days to expiry, of what is compared."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Floats = npt.NDArray[np.float64]


def tables(format_name: str, *paths: Path) -> dict[str, pd.DataFrame]:
    """Rows of files by table."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        for name, frame in read(format_name, path, Rejections()):
            parts.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def bare(marks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Open interest as marks, and quotes: all that is left of a page."""
    stamp = ["event_ns", "instrument", "venue"]
    quoted = marks[marks["bid"].gt(0) & marks["ask"].gt(0)]
    return marks[[*stamp, "open_interest"]], quoted[[*stamp, "bid", "ask"]]


def as_dbn(marks: pd.DataFrame, folder: Path) -> dict[str, pd.DataFrame]:
    """The same quotes and open interest through a DBN file."""
    interest, quotes = bare(marks)
    names = sorted(set(interest["instrument"].astype("str")) | set(quotes["instrument"].astype("str")))
    number = {name: at + 1 for at, name in enumerate(names)}
    at = int(marks["event_ns"].max())
    day = pd.Timestamp(at).date()
    spans = {name: [(day, day + dt.timedelta(days=1), number[name])] for name in names}

    def records() -> Iterator[bytes]:
        for name, value in zip(interest["instrument"], interest["open_interest"], strict=True):
            yield bytes(statistic(22, number[str(name)], int(value), at=at, ref=at))
        for name, bid, ask in quotes[["instrument", "bid", "ask"]].itertuples(index=False, name=None):
            yield bytes(
                consolidated(dbn.RType.CMBP_1, 22, number[str(name)], bid, ask, ts_event=at, ts_recv=at)
            )

    path = folder / "chain.dbn"
    path.write_bytes(header("OPRA.PILLAR", spans) + b"".join(records()))
    return tables("dbn", path)


def by_contract(found: xr.Dataset) -> pd.DataFrame:
    """Vol and gamma by spot of each priced contract."""
    flat = found.assign(spot_gamma=found["gamma"] * (found["forward"] / found["spot"]) ** 2)
    flat = flat[["instrument", "mark_iv", "spot_gamma", "open_interest"]].assign(
        moneyness=found["strike"] / found["forward"] - 1.0, days=found["years"] * 365.0
    )
    rows = flat.to_dataframe().reset_index()
    rows = rows[rows["mark_iv"].notna() & rows["days"].between(*DAYS) & rows["moneyness"].abs().lt(NEAR)]
    return rows.assign(instrument=rows["instrument"].astype("str"))


def line(what: str, values: pd.Series[float] | Floats, unit: str) -> None:
    """Quantiles of a difference."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    cells = "  ".join(f"{value:9.3f}" for value in np.quantile(known, QUANTILES)) if known.size else "none"
    print(f"  {what:<34} {known.size:6d}  {cells}  {unit}")


def beside(marks: pd.DataFrame, found: xr.Dataset) -> None:
    """Ours beside the page's columns."""
    told = marks.assign(instrument=marks["instrument"].astype("str")).drop_duplicates("instrument")
    rows = by_contract(found).merge(
        told[["instrument", "mark_iv", "gamma"]], on="instrument", suffixes=("", "_told")
    )
    line(
        "vol less the page's",
        100.0 * (rows["mark_iv"] - rows["mark_iv_told"].where(rows["mark_iv_told"] > 0)),
        "vol points",
    )
    known = rows[rows["gamma"] >= 0.002]
    line("gamma over the page's", known["spot_gamma"] / known["gamma"], "ratio")
    size = (
        known["open_interest"]
        * 100.0
        * float(found["spot"]) ** 2
        * 0.01
        * known["right"].map({"C": 1.0, "P": -1.0})
    )
    gex = pd.DataFrame(
        {"ours": known["spot_gamma"] * size, "page": known["gamma"] * size, "strike": known["strike"]}
    )
    by_strike = gex.groupby("strike").sum()
    total = by_strike.abs().sum()
    print(
        f"  gex by strike: sum of sizes {total['ours'] / total['page']:.4f} of the page's, correlation {by_strike.corr().iloc[0, 1]:.5f}; "
        f"net {by_strike['ours'].sum() / 1e6:,.0f} against {by_strike['page'].sum() / 1e6:,.0f} m USD per 1 %"
    )


def main() -> None:
    where = os.environ.get("WORKSTATION_SAMPLE_DATA")
    if not where:
        print("no recorded chains: set WORKSTATION_SAMPLE_DATA to the folder with the sample data")
        return
    folder = Path(where) / "us_options"
    print(
        f"strikes within {NEAR:.0%} of the forward, {DAYS[0]:.0f} to {DAYS[1]:.0f} days; quantiles {QUANTILES}"
    )
    for name in CBOE:
        marks = tables("cboe", folder / name)["marks"]
        marks = marks[marks["instrument"].astype("str").str.len() == 21]
        interest, quotes = bare(marks)
        found = chain(interest, quotes=quotes)
        print(
            f"\nCboe {Path(name).name}: {found.attrs['contracts']} contracts from {len(quotes)} quotes, iv_source {found.attrs['iv_source']}"
        )
        beside(marks, found)
        if "SPY_2025" in name or "AAPL" in name:
            with tempfile.TemporaryDirectory() as made:
                of = as_dbn(marks, Path(made))
            again = chain(of["marks"], quotes=of["quotes"])
            print(f"as DBN: {again.attrs['contracts']} contracts from {len(of['quotes'])} quotes")
            beside(marks, again)
    of = tables("lean", *(folder / "lean" / name for name in LEAN))
    at = pd.Timestamp(LEAN_AT, tz="America/New_York").value
    found = chain(of["marks"], at, "GOOG", quotes=of["quotes"])
    rows = by_contract(found)
    print(
        f"\nLEAN GOOG {LEAN_AT}: {found.attrs['contracts']} contracts, spot {float(found['spot']):.2f} by {found.attrs['spot_source']}"
    )
    pairs = rows.pivot_table(
        index=["expiry", "strike"], columns="right", values="mark_iv", observed=True
    ).dropna()
    line("vol of the put less the call's", 100.0 * (pairs["P"] - pairs["C"]), "vol points")


if __name__ == "__main__":
    main()
