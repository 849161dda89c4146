"""Signals of any derived table as columns: when, of what, which side, what score, by which rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.errors import SymbolError
from workstation.market.symbology import parse
from workstation.research.evaluation.errors import EvaluationError
from workstation.research.evaluation.price_paths import Instants, instants

SIDES = ("side", "direction")
SCORES = ("score", "confidence", "strength", "height_sd")
RULES = ("classifier", "version", "kind", "rule")
REASONS = ("reason", "refused")
Strings = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Signals:
    """Signals in order of time, one array entry each.

    Attributes
    ----------
    event_ns
        When it was told.
    instrument, priced
        What it is about, and by whose prices it is judged.
    side
        +1, -1, or 0: it takes none.
    score
        NaN: none.
    rule
        Which classifier, version or kind; "all" where the table has one rule.
    abstained
        It was looked at and no side was taken.
    reason
        Why it abstained; empty: not said.
    taken_back
        It was retracted or refuted later.
    """

    event_ns: Instants
    instrument: Strings
    priced: Strings
    side: npt.NDArray[np.int8]
    score: npt.NDArray[np.float64]
    rule: Strings
    abstained: npt.NDArray[np.bool_]
    reason: Strings
    taken_back: npt.NDArray[np.bool_]
    columns: Mapping[str, str]
    """Which column was read as side, score, rule and price."""

    def __len__(self) -> int:
        return self.event_ns.size


def read_signals(
    signals: pd.DataFrame,
    *,
    by: str | None = None,
    score: str | None = None,
    side: str | None = None,
    priced_by: str | Mapping[str, str] | None = None,
) -> Signals:
    """Read a derived table as signals.

    Parameters
    ----------
    signals
        ``event_ns``, ``instrument`` (or ``underlying``) and a side: ``side`` or ``direction``.
    by
        Column of the rule; default: classifier, version, kind or rule, the first there is.
    score
        Column of the score; default: score, confidence, strength or height_sd.
    side
        Column of the side; default: side or direction.
    priced_by
        ``instrument``, ``underlying``, or instrument -> instrument whose prices judge it. Default: a ``direction`` on an option
        is judged by its underlying, everything else by itself.

    Raises
    ------
    EvaluationError
        A column is missing, or sides other than -1, 0, 1.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [5], "instrument": ["SPXW  261218C06000000"], "direction": [1], "confidence": [0.7]})
    >>> read_signals(rows).priced.tolist()
    ['SPX']
    """
    columns = {
        "side": _column(signals, side, SIDES, "side", True),
        "score": _column(signals, score, SCORES, "score", False),
        "rule": _column(signals, by, RULES, "rule", False),
    }
    if "event_ns" not in signals:
        raise EvaluationError("signals: no column event_ns")
    signals = signals.iloc[np.argsort(instants(signals["event_ns"]), kind="stable")]
    rows = len(signals)
    sides = signals[columns["side"]].to_numpy(dtype=np.float64, na_value=0.0)
    if not np.isin(sides, (-1.0, 0.0, 1.0)).all():
        raise EvaluationError(
            f"signals.{columns['side']}: sides are -1, 0 and 1, got {sides[~np.isin(sides, (-1.0, 0.0, 1.0))][0]}"
        )
    named = "instrument" if "instrument" in signals else "underlying"
    if named not in signals:
        raise EvaluationError("signals: no column instrument or underlying")
    instrument = texts(signals[named])
    reason = next((name for name in REASONS if name in signals), "")
    abstained = sides == 0.0
    if "abstained" in signals:
        abstained |= signals["abstained"].to_numpy(dtype=bool)
    priced, how = _priced(signals, instrument, columns["side"], priced_by)
    return Signals(
        event_ns=instants(signals["event_ns"]),
        instrument=instrument,
        priced=priced,
        side=np.where(abstained, 0.0, sides).astype(np.int8),
        score=signals[columns["score"]].to_numpy(dtype=np.float64, na_value=np.nan)
        if columns["score"]
        else np.full(rows, np.nan),
        rule=texts(signals[columns["rule"]]) if columns["rule"] else np.full(rows, "all", dtype=object),
        abstained=abstained,
        reason=texts(signals[reason]) if reason else np.full(rows, "", dtype=object),
        taken_back=_taken_back(signals),
        columns={**columns, "priced_by": how},
    )


def texts(column: pd.Series[Any]) -> Strings:
    """A column as text; missing is empty."""
    return np.array(
        ["" if value is None or value != value else str(value) for value in column.to_numpy(dtype=object)],
        dtype=object,
    )


def _column(signals: pd.DataFrame, given: str | None, known: tuple[str, ...], what: str, needed: bool) -> str:
    found = given if given is not None else next((name for name in known if name in signals), "")
    if (found and found not in signals) or (needed and not found):
        raise EvaluationError(
            f"signals: no column {found or ' or '.join(known)} for the {what}; there are {', '.join(map(str, signals.columns))}"
        )
    return found


def _taken_back(signals: pd.DataFrame) -> npt.NDArray[np.bool_]:
    taken = np.zeros(len(signals), dtype=bool)
    if "retracted" in signals:
        taken |= signals["retracted"].to_numpy(dtype=bool)
    if "verdict" in signals:
        taken |= np.isin(texts(signals["verdict"]), ("retracted", "refuted"))
    return taken


def _priced(
    signals: pd.DataFrame, instrument: Strings, side: str, priced_by: str | Mapping[str, str] | None
) -> tuple[Strings, str]:
    if isinstance(priced_by, Mapping):
        return np.array([priced_by.get(name, name) for name in instrument], dtype=object), "mapping"
    how = priced_by or ("underlying" if side == "direction" else "instrument")
    if how == "instrument":
        return instrument, how
    if how != "underlying":
        raise EvaluationError(f"priced_by: instrument, underlying or a mapping, got {priced_by!r}")
    told = (
        texts(signals["underlying"])
        if "underlying" in signals
        else np.full(len(instrument), "", dtype=object)
    )
    known = {name: underlying_of(name) for name in set(instrument.tolist())}
    return np.array(
        [own or known[name] for own, name in zip(told, instrument, strict=True)], dtype=object
    ), how


def underlying_of(name: str) -> str:
    """The underlying of an option, by its symbol; anything else stands for itself.

    >>> underlying_of("SPXW  261218C06000000"), underlying_of("AAPL")
    ('SPX', 'AAPL')
    """
    try:
        terms = parse(name)
    except SymbolError:
        return name
    return terms.underlying if terms.kind == "option" else name
