"""What the path of a LEAN zip says: security type, market, resolution, symbol, day and kind of tick.

``.../{security}/{market}/{tick|second|minute}/{symbol}/[{expiry}/]{date}_{kind}[_{style}].zip`` and
``.../{security}/{market}/{hour|daily}/{symbol}[_{year}][_{kind}][_{style}].zip`` (future options keep the folder of
their future's expiry at every resolution).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from workstation.feeds.files.lean.layouts import SECURITIES
from workstation.market.errors import FrameError

_FOLDERS = re.compile(
    rf"(?:^|/)(?P<security>{'|'.join(SECURITIES)})/(?P<market>[^/]+)/"
    r"(?:(?P<resolution>tick|second|minute)/(?P<symbol>[^/]+)/(?:(?P<expiry>\d{6}|\d{8})/)?"
    r"(?P<date>\d{8})_(?P<kind>trade|quote|openinterest)(?:_(?P<style>american|european))?"
    r"|(?P<coarse>hour|daily)/(?:[^/]+/(?P<far>\d{6}|\d{8})/)?(?P<ticker>[^/_]+)(?:_(?P<year>\d{4}))?"
    r"(?:_(?P<of>trade|quote|openinterest))?(?:_(?P<way>american|european))?)\.zip$"
)
_UNNAMED = {"equity": "trade", "index": "trade", "forex": "quote", "cfd": "quote"}
"""Kind of an hourly or daily zip whose name does not say it."""
FIRST_YEAR, LAST_YEAR = 1990, 2100


@dataclass(frozen=True)
class LeanFile:
    """What the path says, in lower case.

    Attributes
    ----------
    name
        The zip's own name.
    security, market, resolution, symbol, kind, style
        ``option``, ``usa``, ``minute``, ``goog``, ``quote``, ``american``.
    midnight
        Wall time at which the file's day begins; None at hourly and daily resolution, where every row has its date.
    expiry
        Folder of a future option: the future's contract month (YYYYMM) or last trading day (YYYYMMDD).
    """

    name: str
    security: str
    market: str
    resolution: str
    symbol: str
    kind: str
    style: str = ""
    midnight: pd.Timestamp | None = None
    expiry: str = ""


def parse_path(path: Path) -> LeanFile:
    """What a path says.

    Raises
    ------
    FrameError
        It is not a path of LEAN's, or its date is none.

    Examples
    --------
    >>> file = parse_path(Path("data/option/usa/minute/goog/20151224_quote_american.zip"))
    >>> file.security, file.symbol, file.kind, file.midnight
    ('option', 'goog', 'quote', Timestamp('2015-12-24 00:00:00'))
    >>> parse_path(Path("data/crypto/coinbase/daily/btcusd_trade.zip")).resolution
    'daily'
    """
    found = _FOLDERS.search(path.as_posix())
    if found is None:
        raise FrameError(
            f"{path.name}: not a LEAN path; expected .../equity/usa/tick/spy/20131008_trade.zip, "
            ".../equity/usa/daily/spy.zip or the like, in LEAN's own folders"
        )
    security = found["security"]
    resolution, kind = found["resolution"] or found["coarse"], found["kind"] or found["of"]
    kind = kind or _UNNAMED.get(security, "")
    if not kind:
        raise FrameError(
            f"{path.name}: an hourly or daily zip of {security} says trade, quote or openinterest in its name"
        )
    return LeanFile(
        name=path.name,
        security=security,
        market=found["market"],
        resolution=resolution,
        symbol=found["symbol"] or found["ticker"],
        kind=kind,
        style=found["style"] or found["way"] or "",
        midnight=_midnight(path.name, found["date"]),
        expiry=found["expiry"] or found["far"] or "",
    )


def _midnight(name: str, date: str | None) -> pd.Timestamp | None:
    if date is None:
        return None
    day = calendar_day(date)
    if day is None:
        raise FrameError(f"{name}: {date} is not a date between {FIRST_YEAR} and {LAST_YEAR}")
    return pd.Timestamp(day)


@lru_cache(maxsize=4096)
def calendar_day(digits: str) -> dt.date | None:
    """The day that YYYYMMDD writes; None where there is none, or not between 1990 and 2100."""
    try:
        day = dt.datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year < LAST_YEAR else None
