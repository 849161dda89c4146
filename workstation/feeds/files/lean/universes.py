"""LEAN's option universes: the chain of one day with open interest, implied vol and greeks, as ``marks``.

``{security}/{market}/universes/{symbol}/[{expiry}/]{date}.csv`` with the header
``#expiry,strike,right,open,high,low,close,volume,open_interest,implied_volatility,delta,gamma,vega,theta,rho``, in older
files ``symbol_id,symbol_value`` in place of the terms. The rows are those of the file's date and count as known when that
day ends in LEAN's zone (``OptionUniverse.EndTime``). ``close`` becomes ``mark``: it moves without any volume, so it is no
last trade. Vega and rho are per point, theta is per day [not documented by LEAN; so on its recorded files]. An implied vol
of 0 means none, and so do greeks beside it that are all 0. When the open interest was published is not said.

The row without expiry is the underlying's. Its prices are in the recorded files those of an hour after the close or of the
day before: it is set aside. Universes of futures name the last trading day, not the contract month, and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.cells import numbers, texts
from workstation.feeds.files.chunks import Chunk, chunks
from workstation.feeds.files.lean.contracts import Contract, contract_of, venue_of
from workstation.feeds.files.lean.layouts import OPTIONS, SECURITIES
from workstation.feeds.files.lean.paths import LeanFile, calendar_day
from workstation.feeds.files.lean.zones import instants, zone_name, zone_of
from workstation.feeds.files.reading import ROWS, Rejections, open_text, possible
from workstation.market.errors import FrameError, SymbolError
from workstation.market.instants import DAY_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import unified
from workstation.market.tables import table

_PATH = re.compile(
    rf"(?:^|/)(?P<security>{'|'.join(SECURITIES)})/(?P<market>[^/]+)/universes/"
    r"(?P<symbol>[^/]+)/(?:(?P<expiry>\d{6}|\d{8})/)?(?P<date>\d{8})\.csv(?:\.gz|\.xz|\.bz2|\.zst)?$"
)
_VALUES = {
    "close": "mark", "volume": "volume_24h", "open_interest": "open_interest", "implied_volatility": "mark_iv",
    "delta": "delta", "gamma": "gamma", "vega": "vega", "theta": "theta", "rho": "rho",
}  # fmt: skip
_GREEKS = ["delta", "gamma", "vega", "theta", "rho"]
_STRIKE = re.compile(r"\d+(?:\.\d{1,4})?")
_RIGHTS = {"C": "call", "P": "put"}
_UNDERLYING = "the underlying's row: of which hours its prices are is not said"
Mask = npt.NDArray[np.bool_]


def is_universe(path: Path) -> bool:
    """Whether a path is that of one of LEAN's universes.

    Examples
    --------
    >>> is_universe(Path("data/option/usa/universes/aapl/20140609.csv"))
    True
    """
    return _PATH.search(path.as_posix()) is not None


def read_universe(path: Path, rejections: Rejections, zone: str = "") -> Iterator[Batch]:
    """Marks of a chain at the end of its day.

    Raises
    ------
    FrameError
        It is no universe of options, or its market has no known zone.
    """
    file = _file(path)
    at_ns = _day_end(file, zone)
    header = _header(path)
    wanted = ["symbol_value"] if "symbol_value" in header else [header[0], "strike", "right"]
    if header[0].lstrip("#") not in ("expiry", "symbol_id"):
        raise FrameError(
            f"{path.name}: expected the header of a LEAN universe, found {','.join(header)[:80]!r}"
        )
    for chunk in chunks(path, [*wanted, *_VALUES], rejections, ROWS, who="not a LEAN universe; it has no"):
        frame = _marks(chunk, wanted, file, rejections).assign(event_ns=np.int64(at_ns), venue=venue_of(file))
        kept = possible(table("marks"), frame, rejections, chunk.where)
        if len(kept):
            yield Batch("marks", kept)


def _file(path: Path) -> LeanFile:
    found = _PATH.search(path.as_posix())
    if found is None:
        raise FrameError(f"{path.name}: not a path of LEAN's universes")
    if found["security"] not in OPTIONS:
        raise FrameError(
            f"{path.name}: a universe of {found['security']} is not read (it does not name the contract months); "
            "import LEAN's trade and openinterest zips instead"
        )
    day = calendar_day(found["date"])
    if day is None:
        raise FrameError(f"{path.name}: {found['date']} is not a date between 1990 and 2100")
    return LeanFile(
        path.name, found["security"], found["market"], "daily", found["symbol"], "quote",
        midnight=pd.Timestamp(day), expiry=found["expiry"] or "",
    )  # fmt: skip


def _day_end(file: LeanFile, zone: str) -> int:
    assert file.midnight is not None
    named = zone_of(zone or zone_name(file.security, file.market, file.symbol))
    wall = np.array([file.midnight.as_unit("ns").value + DAY_NS], dtype=np.int64)
    found, untold = instants(wall, named)
    if untold is not None:
        raise FrameError(f"{file.name}: midnight after {file.midnight:%Y-%m-%d} does not exist in {named}")
    return int(found[0])


def _header(path: Path) -> list[str]:
    with open_text(path) as text:
        return [name.strip() for name in text.readline(4096).strip().split(",")]


def _marks(chunk: Chunk, wanted: list[str], file: LeanFile, rejections: Rejections) -> pd.DataFrame:
    kept = np.ones(len(chunk), dtype=np.bool_)

    def drop(bad: Mask, reason: str, words: str = "") -> None:
        nonlocal kept
        bad = bad & kept
        if bad.any():
            told = f": {words}" if words else ""
            rejections.add(reason, int(bad.sum()), f"{chunk.where(int(bad.argmax()))}{told}")
            kept = kept & ~bad

    columns: dict[str, Any] = {}
    names, underlying, problems = _names(chunk, wanted, file)
    drop(underlying, _UNDERLYING)
    for place, problem in problems:
        drop(np.arange(len(chunk)) == place, problem.split(":")[0], problem)
    for theirs, ours in _VALUES.items():
        columns[ours], bad = numbers(chunk.columns[theirs], theirs)
        drop(bad, f"no number in {theirs}")
    rows = pd.DataFrame(columns)[kept]
    none = rows["mark_iv"].isna() | (rows["mark_iv"] == 0)
    nothing = none & (rows[_GREEKS].fillna(0) == 0).all(axis=1)
    rows.loc[none, "mark_iv"] = np.nan
    rows.loc[nothing, _GREEKS] = np.nan
    rows[["vega", "rho"]] *= 100.0
    rows["theta"] *= 365.0
    return rows.assign(instrument=REGISTRY.categorical(REGISTRY.codes([names[row] for row in rows.index])))


def _names(chunk: Chunk, wanted: list[str], file: LeanFile) -> tuple[list[str], Mask, list[tuple[int, str]]]:
    """Name of each row ('' for none), which rows are the underlying's, and what is wrong with others."""
    cells = [texts(chunk.columns[name], name).to_pylist() for name in wanted]
    names, problems = [], []
    underlying = np.zeros(len(chunk), dtype=np.bool_)
    said = []
    for place, cell in enumerate(zip(*cells, strict=True)):
        stripped = tuple(text.strip() for text in cell)
        name = ""
        if _of_underlying(stripped, file):
            underlying[place] = True
        else:
            try:
                contract = _contract(stripped, file)
                name = contract.name
                if contract.terms:
                    said.append({"instrument": name, "venue_symbol": ",".join(stripped)} | contract.terms)
            except SymbolError as error:
                problems.append((place, f"not an option: {error}"))
        names.append(name)
    if said:
        assert file.midnight is not None
        terms = pd.DataFrame(said).assign(
            event_ns=np.int64(file.midnight.as_unit("ns").value), venue=venue_of(file)
        )
        INSTRUMENT_TERMS.register(table("instruments").conform(terms))
    return names, underlying, problems


def _of_underlying(cells: tuple[str, ...], file: LeanFile) -> bool:
    if len(cells) == 1:
        return cells[0].upper() == file.symbol.upper()
    return not any(cells)


def _contract(cells: tuple[str, ...], file: LeanFile) -> Contract:
    if len(cells) == 1:
        if file.market != "usa" or file.security == "futureoption":
            raise SymbolError(f"{cells[0]!r} of market {file.market}: only OSI symbols are read here")
        return Contract(unified(cells[0].replace(" ", ""), "alpaca"))
    expiry, strike, right = cells
    if not re.fullmatch(r"\d{8}", expiry, re.ASCII):
        raise SymbolError(f"expiry {expiry!r} is no YYYYMMDD")
    if not _STRIKE.fullmatch(strike) or len(strike) > 12:
        raise SymbolError(f"strike {strike!r} is no price")
    if right not in _RIGHTS:
        raise SymbolError(f"right {right!r} is neither C nor P")
    scaled = round(float(strike) * 10_000)
    ticker = file.symbol.lower()
    stem = f"x_{ticker}_daily_quote_{_style(file)}_{_RIGHTS[right]}_{scaled}_{expiry}"
    return contract_of(file, f"{stem}.csv")


def _style(file: LeanFile) -> str:
    return "european" if file.security == "indexoption" else "american"
