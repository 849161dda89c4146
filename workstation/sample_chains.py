"""Files of option chains to import: recorded ones, or invented ones where none were recorded."""

from __future__ import annotations

import atexit
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.process import played
from workstation.settings import Settings

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def chain_files(folder: str | Path = "", moments: int = 8) -> list[Path]:
    """Snapshots of option chains in Deribit's layout, to import: recorded ones where there are any, else invented ones.

    Parameters
    ----------
    folder
        Of the recorded market data; none: that of the settings (``WORKSTATION_SAMPLE_DATA``).
    moments
        How many snapshots at most.

    Returns
    -------
    list of pathlib.Path
        CSV files in order of time, for ``import_files(history, "table", files, mapping="deribit_snapshots")``. Invented ones are
        written to a temporary folder, their names begin with ``invented``.
    """
    known = Path(folder) if folder else Settings().sample_data
    found = sorted((known / "crypto_options" / "deribit_chain_snapshots").glob("*.csv.gz")) if known else []
    if found:
        return [path for path in found if "_202603" in path.name][:moments] or found[:moments]
    made = TemporaryDirectory(prefix="workstation-chains-")
    atexit.register(made.cleanup)
    return _invented_chains(Path(made.name), moments)


def _invented_chains(folder: Path, moments: int) -> list[Path]:
    history = played().history
    assert history is not None
    marks = history.read("marks", underlying="BTC", time_index=True)
    marks = marks[marks["forward"].notna() & marks["mark"].notna()]
    terms = INSTRUMENT_TERMS.describe(marks["instrument"]).set_index(marks.index)
    marks = marks.assign(**{name: terms[name] for name in ("kind", "expiry_ns", "strike", "right")})
    marks = marks[marks["kind"] == "option"]
    files = []
    for moment in np.linspace(0.1, 1.0, moments):
        until = marks.index[0] + moment * (marks.index[-1] - marks.index[0])
        newest = marks[: until.ceil("us")].drop_duplicates("instrument", keep="last")
        path = folder / f"invented_{until:%Y%m%dT%H%M%S}Z.csv"
        _as_deribit(newest, until).to_csv(path, index=False)
        files.append(path)
    return files


def _as_deribit(marks: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Marks as Deribit's snapshots write them."""
    expiry = pd.DatetimeIndex(marks["expiry_ns"].to_numpy().astype("datetime64[ns]"))
    days = [f"{day.day}{_MONTHS[day.month - 1]}{day:%y}" for day in expiry]
    strikes = [f"{strike:g}" if strike < 1e6 else f"{strike:.0f}" for strike in marks["strike"]]
    rights = marks["right"].astype("str").tolist()
    names = [f"BTC-{day}-{strike}-{right}" for day, strike, right in zip(days, strikes, rights, strict=True)]
    return pd.DataFrame(
        {
            "timestamp": at.isoformat(), "instrument_name": names, "bid_price": marks["bid"].to_numpy(),
            "ask_price": marks["ask"].to_numpy(), "mark_price": marks["mark"].to_numpy(),
            "implied_volatility": marks["mark_iv"].to_numpy(), "delta": marks["delta"].to_numpy(),
            "vega": marks["vega"].to_numpy() / 100.0, "open_interest": marks["open_interest"].to_numpy(),
            "volume": marks["volume_24h"].to_numpy(), "futures_price": marks["forward"].to_numpy(),
            "index_price": marks["index_"].to_numpy(),
        }
    )  # fmt: skip
