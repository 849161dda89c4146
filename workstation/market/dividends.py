"""Cash dividends that are known ahead: a schedule by underlying, read from a CSV."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import TableError
from workstation.market.instants import YEAR_NS

COLUMNS = ("underlying", "ex_date", "cash")
ZONE = "America/New_York"
"""Of the exchange whose ex-dates these are: the stock is without the dividend from the day's start there."""


class Dividend(NamedTuple):
    """One cash dividend: underlying, the instant from which the stock is without it (UTC ns), and cash per share."""

    underlying: str
    ex_ns: int
    cash: float


class Dividends(NamedTuple):
    """Dividends of one underlying, ascending: instants from which the stock is without them, UTC ns, and cash per share."""

    ex_ns: npt.NDArray[np.int64]
    cash: npt.NDArray[np.float64]

    def worth(
        self, *, asof_ns: int, expiry_ns: npt.NDArray[np.int64], rate: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Present value at an instant of the dividends until each expiry, at its continuous rate; shape of ``expiry_ns``.

        Examples
        --------
        >>> paid = Dividends(np.array([YEAR_NS // 2, 2 * YEAR_NS]), np.array([1.0, 1.0]))
        >>> paid.worth(asof_ns=0, expiry_ns=np.array([0, YEAR_NS, 3 * YEAR_NS]), rate=np.array([0.04] * 3)).round(4).tolist()
        [0.0, 0.9802, 1.9033]
        """
        years = (self.ex_ns - asof_ns) / YEAR_NS
        due = (self.ex_ns > asof_ns) & (self.ex_ns <= np.asarray(expiry_ns)[:, None])
        return np.asarray(
            (due * self.cash * np.exp(-np.asarray(rate)[:, None] * years)).sum(axis=1), dtype=np.float64
        )


@lru_cache(maxsize=8)
def schedules(dividends: tuple[Dividend, ...]) -> dict[str, Dividends]:
    """Schedules by underlying of single dividends.

    Examples
    --------
    >>> schedules((Dividend("B", 2, 0.5), Dividend("A", 3, 0.2), Dividend("B", 1, 0.4)))["B"].cash.tolist()
    [0.4, 0.5]
    """
    found = {}
    for name in dict.fromkeys(each.underlying for each in dividends):
        own = sorted((each for each in dividends if each.underlying == name), key=lambda each: each.ex_ns)
        found[name] = Dividends(np.array([each.ex_ns for each in own]), np.array([each.cash for each in own]))
    return found


def single_dividends(of: Mapping[str, Dividends]) -> tuple[Dividend, ...]:
    """The dividends of schedules one by one: the inverse of ``schedules``.

    Examples
    --------
    >>> single_dividends({"A": Dividends(np.array([3]), np.array([0.2]))})
    (Dividend(underlying='A', ex_ns=3, cash=0.2),)
    """
    return tuple(
        Dividend(name, int(ex_ns), float(cash))
        for name, schedule in of.items()
        for ex_ns, cash in zip(*schedule, strict=True)
    )


def read_dividends(path: str | Path) -> dict[str, Dividends]:
    """Schedules by underlying from a CSV with the columns ``underlying``, ``ex_date`` (ISO) and ``cash`` (per share, its currency).

    Raises
    ------
    TableError
        The file cannot be read, a column is missing, a date is none, or an amount is not positive: names the row.
    """
    try:
        frame = pd.read_csv(path, dtype={"underlying": "str", "ex_date": "str"})
    except (OSError, ValueError) as error:
        problem = f"{path} cannot be read as a CSV with {', '.join(COLUMNS)}: {error}"
        raise TableError("dividends", "", -1, problem) from error
    for name in COLUMNS:
        if name not in frame:
            raise TableError(
                "dividends", name, -1, f"no such column in {path}; it needs {', '.join(COLUMNS)}"
            )
    day = pd.to_datetime(frame["ex_date"], format="%Y-%m-%d", errors="coerce")
    cash = pd.to_numeric(frame["cash"], errors="coerce")
    named = frame["underlying"].notna()
    for name, good, wanted in (
        ("underlying", named, "a name"), ("ex_date", day.notna(), "a date like 2026-03-20"),
        ("cash", (cash > 0) & np.isfinite(cash), "a positive amount per share"),
    ):  # fmt: skip
        if not good.all():
            row = int(np.argmin(good.to_numpy()))
            raise TableError("dividends", name, row, f"expected {wanted}, got {frame[name].iloc[row]!r}")
    ex_ns = day.dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.as_unit("ns").astype("int64").to_numpy()
    order = np.argsort(ex_ns, kind="stable")
    of = frame["underlying"].to_numpy()[order]
    return {
        str(name): Dividends(ex_ns[order][of == name], cash.to_numpy(dtype=np.float64)[order][of == name])
        for name in dict.fromkeys(of.tolist())
    }
