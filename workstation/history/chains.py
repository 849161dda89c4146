"""Chains over time: a recorded market as Datasets by time, expiry, strike and right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from workstation.history.history import History, Time, to_ns
from workstation.pricing.chain import UnknownUnderlying, chain

MOST = 500
"""Instants of one Dataset; of a longer range ``chunks_of_chains`` gives one Dataset after another."""
LOOK_BACK_S = 3_600.0
"""Marks older than this before an instant are not read."""
_BY_TIME = ("asof", "asof_ns")


def chains(
    history: History,
    underlying: str,
    *,
    every: str = "1min",
    start: Time | None = None,
    end: Time | None = None,
    variables: tuple[str, ...] | None = None,
) -> xr.Dataset:
    """The chain of one underlying at regular instants, as one Dataset.

    Parameters
    ----------
    history
        A store that holds ``marks``.
    underlying
        Which one.
    every
        Time between instants.
    start, end
        Instants from ``start`` up to and without ``end``; default: all that is recorded.
    variables
        Names of the variables that are kept, as of ``workstation.chain``; default: all of numbers.

    Returns
    -------
    xarray.Dataset
        Dims (time, expiry, strike, right), all ascending (``right``: C, P); NaN where a contract is not priced at an instant.
        ``units`` on every variable; attrs: the ledger of the last chain, and ``every``.

    Raises
    ------
    ValueError
        More than ``MOST`` instants: says how many, and names ``chunks_of_chains``. No chain at all.

    Notes
    -----
    Every instant is priced as ``workstation.chain`` prices it, from the newest marks at or before it within an hour.
    """
    instants = instants_of(history, every, start, end)
    if instants.size > MOST:
        raise ValueError(
            f"{instants.size} instants, one Dataset holds {MOST}: take a longer every than {every!r}, a shorter range, or "
            "chunks_of_chains"
        )
    found = next(_chunks(history, underlying, instants, every, variables, max(instants.size, 1)), None)
    if found is None:
        raise ValueError(f"no chain of {underlying} between these instants; is it recorded in marks?")
    return found


def chunks_of_chains(
    history: History,
    underlying: str,
    *,
    every: str = "1min",
    start: Time | None = None,
    end: Time | None = None,
    variables: tuple[str, ...] | None = None,
    instants: int = MOST,
) -> Iterator[xr.Dataset]:
    """The same as ``chains`` for a range of any length: one Dataset of at most ``instants`` after another, read when asked for.

    Raises
    ------
    ValueError
        ``instants`` below one, or an ``every`` that is no time.
    """
    if instants < 1:
        raise ValueError(f"instants: {instants!r}; a Dataset holds at least one")
    return _chunks(history, underlying, instants_of(history, every, start, end), every, variables, instants)


def instants_of(
    history: History, every: str, start: Time | None, end: Time | None, table: str = "marks"
) -> np.ndarray:
    """Regular instants (int64 ns) from ``start`` up to and without ``end``, default: those that the table covers; shape (n,).

    Raises
    ------
    ValueError
        ``every`` is no positive time, or the table is empty and a bound is not given.
    """
    try:
        step = pd.Timedelta(every).value
    except ValueError as error:
        raise ValueError(f"every: {every!r} is no time; say '1min' or '30s'") from error
    if step <= 0:
        raise ValueError(f"every: {every!r} is not positive")
    first, last = to_ns(start), to_ns(end)
    if first is None or last is None:
        tables = history.tables()
        row = tables[tables["name"] == table]
        if not len(row):
            raise ValueError(f"this history holds no {table}")
        if first is None:
            # the first instant by which something is recorded
            first = -(-int(row["first_event_ns"].iloc[0]) // step) * step
        last = int(row["last_event_ns"].iloc[0]) + 1 if last is None else last
    return np.arange(-(-first // step) * step, last, step, dtype=np.int64)


def _chunks(
    history: History,
    underlying: str,
    instants: np.ndarray,
    every: str,
    variables: tuple[str, ...] | None,
    many: int,
) -> Iterator[xr.Dataset]:
    for at in range(0, instants.size, many):
        part = instants[at : at + many]
        rows = history.read("marks", start=int(part[0]) - int(LOOK_BACK_S * 1e9), end=int(part[-1]) + 1)
        found = _joined(rows, underlying, part, variables)
        if found is not None:
            yield found.assign_attrs(every=every)


def _joined(
    rows: pd.DataFrame, underlying: str, instants: np.ndarray, variables: tuple[str, ...] | None
) -> xr.Dataset | None:
    times = rows["event_ns"].to_numpy()
    look_back_ns = int(LOOK_BACK_S * 1e9)
    made: dict[int, xr.Dataset] = {}
    for instant in instants.tolist():
        begin, end = np.searchsorted(times, (instant - look_back_ns, instant), side="right")
        one = chain_at(rows.iloc[begin:end], underlying, instant)
        if one is not None:
            made[instant] = one
    if not made:
        return None
    last = list(made.values())[-1]
    known = [str(name) for name, values in last.data_vars.items() if values.dtype.kind == "f"]
    kept = known if variables is None else list(variables)
    unknown = [name for name in kept if name not in known]
    if unknown:
        raise ValueError(f"variables: {', '.join(unknown)} unknown; choose of {', '.join(known)}")
    joined = xr.concat(
        [one[kept] for one in made.values()], dim="time", join="outer", combine_attrs="override"
    )
    joined = joined.assign_coords(
        time=("time", np.array(list(made), dtype=np.int64).astype("datetime64[ns]"), {"time_zone": "UTC"})
    )
    joined = joined.sortby(["expiry", "strike"])
    for name in kept:
        joined[name].attrs = dict(last[name].attrs)
    attrs = {name: value for name, value in last.attrs.items() if name not in _BY_TIME}
    return joined.assign_attrs(attrs)


def chain_at(rows: pd.DataFrame, underlying: str, instant: int) -> xr.Dataset | None:
    """The chain of these marks at an instant; None before anything of the underlying is known."""
    if not len(rows):
        return None
    try:
        return chain(rows, asof_ns=instant, underlying=underlying)
    except UnknownUnderlying:
        return None
