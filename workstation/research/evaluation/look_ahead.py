"""Look-ahead: signals that change when the future is taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.public_face import make_callable
from workstation.research.comparison import first_difference
from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.open_interest import publication_ns
from workstation.research.evaluation.price_paths import Floats, Instants, PricePath, instants
from workstation.research.evaluation.signals import Strings

Tables = Mapping[str, pd.DataFrame]


def look_ahead(
    make: Callable[[dict[str, pd.DataFrame]], pd.DataFrame],
    tables: Tables,
    cuts: int | Sequence[int] = 8,
    settle: str = "0s",
) -> pd.DataFrame:
    """Make signals again of what was known at some moments; those told by then must be the same.

    Parameters
    ----------
    make
        Tables by name -> signals, with ``event_ns``.
    tables
        What they are made of. A row counts as known from its ``event_ns`` on; a candle from its end; a row that says when its open
        interest was published, from then on.
    cuts
        So many moments spread evenly over the signals, or the moments in int64 ns.
    settle
        Signals as close to a cut are not compared: for those that are told only once a later row comes (a candle's close).

    Returns
    -------
    pandas.DataFrame
        ``cut_ns`` and ``difference`` of every cut at which signals change; empty: no look-ahead was found.

    Examples
    --------
    >>> trades = pd.DataFrame({"event_ns": np.arange(9), "instrument": "X", "price": np.arange(9.0) % 3})
    >>> def peeks(tables):
    ...     rows = tables["trades"]
    ...     return rows.assign(side=np.sign(rows["price"].shift(-1).fillna(9.0) - rows["price"]))
    >>> len(look_ahead(peeks, {"trades": trades}, cuts=[2, 4])), len(look_ahead(lambda tables: tables["trades"], {"trades": trades}))
    (1, 0)
    """
    whole = make(dict(tables))
    if not len(whole):
        raise EvaluationError("look_ahead: no signal is made of these tables, so none can be checked")
    told = instants(whole["event_ns"])
    if isinstance(cuts, int):
        moments = np.quantile(told, (np.arange(cuts) + 0.5) / cuts, method="nearest").astype(np.int64)
    else:
        moments = np.asarray(cuts, dtype=np.int64)
    known = {name: known_ns(frame) for name, frame in tables.items()}
    spared = int(pd.Timedelta(settle).as_unit("ns").value)
    found = []
    for cut in np.unique(moments).tolist():
        then = make({name: frame[known[name] <= cut] for name, frame in tables.items()})
        difference = first_difference(_until(then, cut - spared), _until(whole, cut - spared))
        if difference:
            words = difference.replace("recorded", "then").replace("replayed", "with hindsight")
            found.append((cut, words))
    return pd.DataFrame(found, columns=["cut_ns", "difference"])


def known_ns(frame: pd.DataFrame) -> Instants:
    """When each row of a table could be known."""
    if "open_interest_ns" in frame:
        return publication_ns(frame)
    if "every_ns" in frame:
        return np.asarray(instants(frame["event_ns"]) + frame["every_ns"].to_numpy(dtype=np.int64))
    return instants(frame["event_ns"])


def _until(rows: pd.DataFrame, cut: int) -> pd.DataFrame:
    return rows[rows["event_ns"].to_numpy() <= cut].reset_index(drop=True)


def check_prices(
    *, told: Floats, event_ns: Instants, instrument: Strings, paths: Mapping[str, PricePath]
) -> npt.NDArray[np.intp]:
    """Signals whose price was printed for the first time only after them.

    Parameters
    ----------
    told
        (n,) the price the signals carry; NaN: none.
    event_ns, instrument
        (n,).
    paths
        The prices the signals were made of.

    Returns
    -------
    numpy.ndarray
        Their places.

    Examples
    --------
    >>> path = PricePath(np.array([0, 10, 20]), np.array([1.0, 2.0, 3.0]))
    >>> check_prices(told=np.array([2.0, 3.0]), event_ns=np.array([10, 10]), instrument=np.array(["X", "X"]), paths={"X": path}).tolist()
    [1]
    """
    found = []
    for name, path in paths.items():
        own = np.flatnonzero((instrument == name) & np.isfinite(told) & (event_ns >= path.times[0]))
        if not own.size:
            continue
        held, first = np.unique(path.prices, return_index=True)
        at = np.minimum(np.searchsorted(held, told[own]), held.size - 1)
        found.append(own[(held[at] == told[own]) & (path.times[first[at]] > event_ns[own])])
    return np.sort(np.concatenate(found)) if found else np.empty(0, dtype=np.intp)


make_callable(__name__)
