"""Open interest as of its publication: what was known at a signal, and nothing of later."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instants import NO_TIME
from workstation.research.evaluation.errors import EvaluationError, LookAheadError
from workstation.research.evaluation.price_paths import Floats, Instants, instants
from workstation.research.evaluation.signals import Strings, texts


def known_open_interest(*, event_ns: Instants, instrument: Strings, marks: pd.DataFrame) -> Floats:
    """Open interest of each instrument as it was known just before each moment.

    Parameters
    ----------
    event_ns, instrument
        (n,).
    marks
        Rows with ``event_ns``, ``instrument``, ``open_interest`` and, where the source says when it was published,
        ``open_interest_ns``: such a row counts from the later of both times on.

    Returns
    -------
    numpy.ndarray
        (n,) contracts; NaN: none was known.

    Examples
    --------
    >>> marks = pd.DataFrame({"event_ns": [0, 5], "open_interest_ns": [0, 50], "instrument": "X", "open_interest": [10.0, 90.0]})
    >>> known_open_interest(event_ns=np.array([20, 60]), instrument=np.array(["X", "X"], dtype=object), marks=marks).tolist()
    [10.0, 90.0]
    """
    known = np.full(event_ns.size, np.nan)
    for name, (times, values) in _published(marks).items():
        own = np.flatnonzero(instrument == name)
        at = np.searchsorted(times, event_ns[own], side="left") - 1
        known[own[at >= 0]] = values[at[at >= 0]]
    return known


def publication_ns(marks: pd.DataFrame) -> Instants:
    """When the open interest of each row could be known: the later of the row's and the publication's time."""
    event_ns = instants(marks["event_ns"])
    if "open_interest_ns" not in marks:
        return event_ns
    published = instants(marks["open_interest_ns"])
    return np.where(published == NO_TIME, event_ns, np.maximum(event_ns, published))


def _published(marks: pd.DataFrame) -> dict[str, tuple[Instants, Floats]]:
    missing = [name for name in ("event_ns", "instrument", "open_interest") if name not in marks]
    if missing:
        raise EvaluationError(f"marks: no column {', '.join(missing)}; open interest is joined by them")
    values = marks["open_interest"].to_numpy(dtype=np.float64, na_value=np.nan)
    rows = np.flatnonzero(np.isfinite(values))
    kept = marks.iloc[rows]
    times, values = publication_ns(kept), values[rows]
    names, codes = np.unique(texts(kept["instrument"]).astype(str), return_inverse=True)
    order = np.lexsort((times, codes))
    bounds = np.searchsorted(codes[order], np.arange(names.size + 1))
    return {
        str(name): (times[order[bounds[at] : bounds[at + 1]]], values[order[bounds[at] : bounds[at + 1]]])
        for at, name in enumerate(names)
    }


def check_open_interest(
    *, told: Floats, event_ns: Instants, instrument: Strings, marks: pd.DataFrame
) -> npt.NDArray[np.intp]:
    """Signals whose open interest was published only after them.

    Parameters
    ----------
    told
        (n,) the open interest the signals carry; NaN: none.

    Returns
    -------
    numpy.ndarray
        Their places.

    Notes
    -----
    A number counts as of later if the instrument's open interest had never been that before the signal and became it after.
    """
    found = []
    for name, (times, values) in _published(marks).items():
        own = np.flatnonzero((instrument == name) & np.isfinite(told))
        held, first = np.unique(values, return_index=True)
        at = np.minimum(np.searchsorted(held, told[own]), held.size - 1)
        found.append(own[(held[at] == told[own]) & (times[first[at]] >= event_ns[own])])
    return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.intp)


def refuse(
    what: str, places: npt.NDArray[np.intp], event_ns: Instants, instrument: Strings, remedy: str
) -> None:
    """Raise ``LookAheadError`` that names the first of these signals; nothing if there are none."""
    if places.size:
        at = int(places[0])
        raise LookAheadError(
            f"signals: {places.size:,} of {event_ns.size:,} tell {what} that was known only later, first {instrument[at]} at "
            f"{pd.Timestamp(int(event_ns[at]))}; {remedy}"
        )
