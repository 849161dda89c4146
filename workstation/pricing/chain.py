"""Marks to the option chain of one underlying: an ``xarray.Dataset`` by expiry, strike and right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from workstation.market.dividends import Dividends
from workstation.market.errors import TableError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.public_face import make_callable
from workstation.market.tables import INSTRUMENTS, MARKS, NO_TIME, QUOTES
from workstation.pricing.chain_dataset import DIMS, UNITS, contracts_of, dataset, savable
from workstation.pricing.contracts import ContractArrays, contracts
from workstation.pricing.exercise import RateCurve
from workstation.pricing.fresh import STALE_AFTER_S
from workstation.pricing.latest import FIELDS, OPTION, TERMS, LatestMarks

__all__ = ["DIMS", "UNITS", "UnknownUnderlying", "chain", "contracts_of", "dataset", "instant_ns", "savable"]


class UnknownUnderlying(ValueError):
    """The marks hold no option of the underlying that was asked for."""


def chain(
    marks: pd.DataFrame,
    asof_ns: int | str | pd.Timestamp | None = None,
    underlying: str | None = None,
    *,
    stale_after_s: float = STALE_AFTER_S,
    quotes: pd.DataFrame | None = None,
    venue: str | None = None,
    rates: RateCurve | None = None,
    dividends: Mapping[str, Dividends] | None = None,
) -> xr.Dataset:
    """The chain of one underlying, priced from the newest marks and quotes at or before an instant.

    Greeks are of the USD value per unit of underlying, with respect to the expiry's forward, by Black-76, of American options with
    early exercise, from mark_iv, else from the vol implied by mark or mid (``iv_source``). The forward is the venue's, else a listed future's
    mark (rows of ``kind`` future in ``marks``), else put-call parity's, else the index. The discount factor is 1, except where
    parity on cash premiums measures one (of American options: less what early exercise adds, ``exercise.without_exercise``);
    with it delta is D N(d1). No interest rate is looked up.
    Spot is the index where it is in step with the quotes (``spot_source``, ``spot_flag``), else what parity implies.

    Parameters
    ----------
    marks
        Rows of ``marks`` (``event_ns``, ``instrument`` and ``mark_iv`` or a price, with ``forward`` or ``index``).
        Terms (``underlying, kind, expiry_ns, strike, right, multiplier, inverse``) are taken from extra
        columns where the frame has them, else from the instrument registry. Rows need no order: of one
        instrument the newest row counts, for each group of fields it carries.
    asof_ns
        Instant (UTC ns, ISO text or Timestamp; a text without a zone is UTC); default: that of the newest price or vol of
        the underlying's options.
    underlying
        Which one, when ``marks`` holds several.
    stale_after_s
        Contracts whose newest price or vol is older are left out and counted.
    quotes
        Rows of ``quotes``: they price the options of venues that send neither mark nor vol. ``marks`` may then hold no more
        than open interest, or nothing.
    venue
        The chain of one venue; default: of all, combined. A contract that several venues list is priced from each one's own
        rows and forward, never from who spoke last; attrs ``venues`` and ``combined`` say so.
    rates
        Of American chains: the rates of an index chain of the same moment (``exercise.rate_curve``); default: as parity without
        early exercise measures them.

    Returns
    -------
    xarray.Dataset
        Dims (expiry, strike, right); NaN where no contract is priced. ``units`` on every variable. attrs: the
        ledger. Of several instruments with the same expiry, strike and right the one with the most open
        interest is shown, with the open interest and volume of all in its contracts (``merged`` counts).

    Raises
    ------
    ValueError
        Several underlyings and none named, or one that is not there; a venue without rows; an instant that is none.
    TableError
        The frame does not fit, or holds no option.

    Examples
    --------
    >>> marks = pd.DataFrame({
    ...     "event_ns": pd.Timestamp("2026-11-01").value, "mark_iv": 0.5, "open_interest": 10.0, "forward": 1e5,
    ...     "instrument": ["BTC/USD:BTC-261225-100000-C", "BTC/USD:BTC-261225-100000-P"]})
    >>> chain(marks)["delta"].round(4).values.ravel().tolist()
    [0.5384, -0.4616]
    """
    latest, priced = priced_contracts(
        marks,
        asof_ns,
        underlying,
        stale_after_s=stale_after_s,
        quotes=quotes,
        venue=venue,
        rates=rates,
        dividends=dividends,
    )
    return dataset(latest, priced)


def priced_contracts(
    marks: pd.DataFrame,
    asof_ns: int | str | pd.Timestamp | None = None,
    underlying: str | None = None,
    *,
    stale_after_s: float = STALE_AFTER_S,
    quotes: pd.DataFrame | None = None,
    venue: str | None = None,
    rates: RateCurve | None = None,
    dividends: Mapping[str, Dividends] | None = None,
) -> tuple[LatestMarks, ContractArrays]:
    """The newest state of everything and the priced contracts of a chain; arguments and errors as of ``chain``."""
    rows, terms = _split(marks)
    quoted = QUOTES.empty() if quotes is None else QUOTES.conform(quotes)
    if venue is not None:
        rows, quoted = _of_venue(rows, quoted, venue)
    if not len(rows) and not len(quoted):
        raise TableError("marks", "", -1, "no rows: a chain needs at least one option's mark or quote")
    asof = None if asof_ns is None else instant_ns(asof_ns)
    _require_rows_at(asof, rows, quoted)
    latest = _latest(rows, quoted, terms, asof)
    name = _choose(latest, underlying)
    if asof is None:
        asof = _quotes_ns(latest, name, rows, quoted)
        if len(rows) and int(rows["event_ns"].max()) > asof:
            latest = _latest(_in_step(rows, asof), quoted, terms, None)
    priced = contracts(
        latest,
        underlying=name,
        asof_ns=asof,
        stale_after_s=stale_after_s,
        rates=rates,
        dividends=None if dividends is None else dividends.get(name),
    )
    return latest, priced


def _require_rows_at(asof: int | None, *tables: pd.DataFrame) -> None:
    """Refuse an instant at which there is no row yet; one in seconds or milliseconds is such."""
    if asof is None:
        return
    first = min(int(part["event_ns"].min()) for part in tables if len(part))
    if asof < first:
        raise ValueError(
            f"asof_ns: at {pd.Timestamp(asof)} there is no row yet, the first is of {pd.Timestamp(first)}; "
            "asof_ns is in nanoseconds since 1970"
        )


def instant_ns(instant: int | str | pd.Timestamp) -> int:
    """UTC ns of an instant said as ns, ISO text or Timestamp; without a zone it is UTC.

    Examples
    --------
    >>> instant_ns("2026-03-20"), instant_ns("2026-03-20T09:30-04:00") - instant_ns("2026-03-20")
    (1773964800000000000, 48600000000000)
    """
    if isinstance(instant, int | np.integer) and not isinstance(instant, bool):
        return int(instant)
    problem = (
        f"asof_ns: {instant!r} is no instant; give UTC ns, ISO text like '2026-03-20T14:30Z' or a Timestamp"
    )
    if not isinstance(instant, str | pd.Timestamp | np.datetime64 | dt.datetime):
        raise ValueError(problem)
    try:
        moment = pd.Timestamp(instant)
    except ValueError as error:
        raise ValueError(problem) from error
    if pd.isna(moment):
        raise ValueError(problem)
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment
    return int(moment.as_unit("ns").value)


def _latest(
    rows: pd.DataFrame, quoted: pd.DataFrame, terms: pd.DataFrame | None, asof: int | None
) -> LatestMarks:
    """What is known at an instant (None: at the end)."""
    latest = LatestMarks(by_venue=True)
    if terms is not None:
        latest.describe(terms)
    for part, take in ((rows, latest.take), (quoted, latest.take_quotes)):
        upto = np.ones(len(part), dtype=bool) if asof is None else part["event_ns"].to_numpy() <= asof
        take(part if upto.all() else part[upto])
    return latest


def _in_step(rows: pd.DataFrame, quotes_ns: int) -> pd.DataFrame:
    """Rows of marks with nothing but open interest and volume later than the quotes: an index of later is of another moment."""
    later = rows["event_ns"].to_numpy() > quotes_ns
    moving = [name for name in FIELDS if name not in ("open_interest", "volume_24h")]
    return rows.assign(**{name: rows[name].where(~later) for name in moving})


def _quotes_ns(latest: LatestMarks, underlying: str, *tables: pd.DataFrame) -> int:
    """When the newest price or vol of an underlying's options happened; without one, the newest row."""
    of = latest.underlying == latest.underlyings.index(underlying)
    newest = int(latest.priced_ns()[of & (latest.kind == OPTION)].max(initial=NO_TIME))
    return newest if newest > NO_TIME else max(int(part["event_ns"].max()) for part in tables if len(part))


def _of_venue(rows: pd.DataFrame, quoted: pd.DataFrame, venue: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    at = [part["venue"].astype("str") for part in (rows, quoted)]
    if not any((names == venue).any() for names in at):
        known = sorted({name for names in at for name in names.unique().tolist() if name})
        raise ValueError(f"no row of venue {venue!r}; there are {', '.join(known) or 'none that name one'}")
    return rows[at[0] == venue], quoted[at[1] == venue]


def _split(marks: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    own = [name for name in marks.columns if name in TERMS]
    rows = MARKS.conform(marks.drop(columns=own))
    if not own:
        return rows, None
    terms = pd.DataFrame(
        {"instrument": rows["instrument"].astype("str"), "venue": rows["venue"].astype("str")}
    )
    for name in own:
        terms[name] = marks[name].to_numpy()
    terms = terms.drop_duplicates(["instrument", "venue"], keep="last", ignore_index=True)
    described = INSTRUMENT_TERMS.describe(terms["instrument"].tolist())
    for name in TERMS:
        if name not in own:
            terms[name] = described[name].astype("object").to_numpy()
    if {"expiry_ns", "strike", "right"} <= set(own):
        defaults = {"underlying": "unnamed", "multiplier": 1.0}
        for name, value in defaults.items():
            unknown = terms[name].isna() | (terms[name].astype("str") == "")
            terms[name] = terms[name].where(~unknown, value)
        if "kind" not in own:
            terms["kind"] = "option"
    terms = INSTRUMENTS.conform(terms.assign(event_ns=0))
    wrong = (terms["kind"].astype("str") == "option") & ~terms["right"].astype("str").isin(("C", "P"))
    if "right" in own and wrong.any():
        row = int(
            np.argmax(rows["instrument"].astype("str") == terms["instrument"].astype("str")[wrong].iloc[0])
        )
        raise TableError("marks", "right", row, f"expected C or P, got {marks['right'].iloc[row]!r}")
    return rows, terms


def _choose(latest: LatestMarks, underlying: str | None) -> str:
    present = np.unique(latest.underlying[latest.kind == OPTION])
    names = sorted(latest.underlyings[row] for row in present)
    if underlying is not None:
        if underlying not in names:
            raise UnknownUnderlying(
                f"no option of underlying {underlying!r}; the marks hold {', '.join(names) or 'none'}"
            )
        return underlying
    if not names:
        problem = (
            "no option whose terms are known; register the instruments or bring expiry_ns, strike and right"
        )
        raise TableError("marks", "instrument", -1, problem)
    if len(names) > 1:
        raise ValueError(
            f"the marks hold several underlyings ({', '.join(names)}): name one with underlying="
        )
    return str(names[0])


make_callable(__name__)
