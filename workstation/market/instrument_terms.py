"""Terms of instruments: what was registered, else what the symbol says, as columns with one row per registry code."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market import calendar
from workstation.market.errors import CalendarError, SymbolError
from workstation.market.instants import NO_TIME
from workstation.market.instruments import REGISTRY, InstrumentRegistry
from workstation.market.symbology import Terms, parse
from workstation.market.symbology.listed import AMERICAN_INDEX_ROOTS
from workstation.market.symbology.terms import INDEX_OF_ROOT, MULTIPLIER_OF_ROOT
from workstation.market.tables.raw import INSTRUMENTS


def _style(terms: Terms) -> str:
    if terms.kind != "option":
        return ""
    plain = terms.root.strip("0123456789")
    american = terms.listed and (plain not in INDEX_OF_ROOT or plain in AMERICAN_INDEX_ROOTS)
    return "american" if american else "european"


def _multiplier(terms: Terms) -> float:
    if terms.listed and terms.kind == "option":
        return np.nan if terms.root[-1].isdigit() else MULTIPLIER_OF_ROOT.get(terms.root, 100.0)
    return np.nan if terms.kind in ("perpetual", "future") else 1.0


def parsed_fields(name: str) -> dict[str, Any]:
    """What an instrument's name says by itself, as fields of the ``instruments`` table; empty when it says nothing.

    Notes
    -----
    The multiplier is a convention: 100 for US options (unknown for adjusted roots), 1 for crypto options, spot and
    equities; perpetuals and futures differ from venue to venue and stay unknown. Whoever reads OKX, whose
    contracts are 0.01 BTC or 0.1 ETH, brings sizes in coins, or registers the multiplier.

    Examples
    --------
    >>> parsed_fields("AAPL")
    {'kind': 'equity', 'underlying': 'AAPL', 'root': 'AAPL', 'multiplier': 1.0, 'premium_currency': 'USD', 'settle_currency': 'USD'}
    >>> parsed_fields("??")
    {}
    """
    try:
        terms = parse(name)
    except SymbolError:
        return {}
    settle = terms.settle or terms.quote or "USD"
    fields = {
        "kind": terms.kind,
        "underlying": terms.underlying,
        "root": terms.root,
        "multiplier": _multiplier(terms),
        "premium_currency": settle if terms.settle else terms.quote or "USD",
        "settle_currency": settle,
    }
    if terms.inverse:
        fields["inverse"] = True
    if terms.expiry is not None:
        try:
            fields["expiry_ns"] = calendar.expiry_ns(terms)
        except CalendarError:
            fields["expiry_ns"] = NO_TIME
    if terms.kind == "option":
        fields |= {"strike": terms.strike, "right": terms.right, "style": _style(terms)}
    return fields


def known(value: Any) -> bool:
    """Whether a field of the ``instruments`` table is told: neither None, NaN, NO_TIME nor empty."""
    return value is not None and value == value and value not in ("", NO_TIME)


class DescribedTerms:
    """Columns of the ``instruments`` table, row i for code i of a registry, growing by doubling."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns = [column for column in INSTRUMENTS.columns if column.kind != "instrument"]
        self._values: dict[str, npt.NDArray[Any]] = {}
        self._pools: dict[str, dict[str, int]] = {}
        self._categories: dict[str, pd.CategoricalDtype] = {}
        self._unknown: dict[str, Any] = {}
        for column in self._columns:
            dtype: Any = {"category": np.int32, "str": object}.get(column.kind, column.kind)
            self._unknown[column.name] = 0 if column.kind == "category" else column.unknown
            self._values[column.name] = np.full(64, self._unknown[column.name], dtype=dtype)
            if column.kind == "category":
                self._pools[column.name] = {"": 0}

    def __len__(self) -> int:
        return self._rows

    def put(self, first: int, names: Sequence[str], registered: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the rows of the codes from ``first`` on: registered fields where they are known, the name's own elsewhere."""
        end = first + len(names)
        self._grow(end)
        for key, held in self._values.items():
            held[first : min(end, self._rows)] = self._unknown[key]
        found: dict[str, tuple[list[int], list[Any]]] = {key: ([], []) for key in self._values}
        for code, name in enumerate(names, first):
            fields = parsed_fields(name)
            told = registered.get(name)
            if told is not None:
                fields |= {key: value for key, value in told.items() if key in found and known(value)}
            for key, value in fields.items():
                codes, values = found[key]
                codes.append(code)
                values.append(value)
        for key, (codes, values) in found.items():
            pool = self._pools.get(key)
            if codes:
                self._values[key][codes] = (
                    values if pool is None else [pool.setdefault(str(value), len(pool)) for value in values]
                )
        self._rows = max(self._rows, end)

    def _grow(self, rows: int) -> None:
        """Room for so many rows, at least twice as much as before when it is not enough."""
        if rows <= len(self._values["seq"]):
            return
        for key, values in self._values.items():
            wider = np.full(max(2 * len(values), rows), self._unknown[key], dtype=values.dtype)
            wider[: len(values)] = values
            self._values[key] = wider

    def kinds(self, codes: npt.NDArray[Any]) -> list[str]:
        """Kind of the instrument of each code."""
        names = list(self._pools["kind"])
        return [names[place] for place in self._values["kind"][codes].tolist()]

    def field(self, name: str, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One column of some codes; texts as objects."""
        values: npt.NDArray[Any] = self._values[name][codes]
        pool = self._pools.get(name)
        return values if pool is None else np.array(list(pool), dtype=object)[values]

    def take(self, codes: npt.NDArray[np.int32], instrument: pd.Categorical) -> pd.DataFrame:
        """The rows of some codes."""
        columns: dict[str, Any] = {}
        for column in INSTRUMENTS.columns:
            if column.kind == "instrument":
                columns[column.name] = instrument
                continue
            values = self._values[column.name][codes]
            if column.kind == "category":
                columns[column.name] = pd.Categorical.from_codes(
                    values, dtype=self._dtype(column.name), validate=False
                )
            else:
                columns[column.name] = pd.array(values, dtype="str") if column.kind == "str" else values
        return pd.DataFrame(columns, copy=False)

    def _dtype(self, name: str) -> pd.CategoricalDtype:
        dtype, pool = self._categories.get(name), self._pools[name]
        if dtype is None or len(dtype.categories) != len(pool):
            dtype = self._categories[name] = pd.CategoricalDtype(pd.Index(list(pool), dtype="str"))
        return dtype


class InstrumentTerms:
    """Terms of the instruments of a registry.

    Parameters
    ----------
    registry
        Whose instruments: names and codes.
    """

    def __init__(self, registry: InstrumentRegistry) -> None:
        self._registry = registry
        self._registered: dict[str, dict[str, Any]] = {}
        self._described = DescribedTerms()
        self._lock = threading.RLock()

    def register(self, instruments: pd.DataFrame) -> None:
        """Record the terms of instruments: rows of the ``instruments`` table, a later row replaces an earlier one."""
        with self._lock:
            for row in instruments.to_dict("records"):
                record = {str(column): value for column, value in row.items()}
                name = record["instrument"]
                code = self._registry.code(name)
                self._registered[name] = record
                if code < len(self._described):
                    self._described.put(code, [name], self._registered)

    def registered(self, name: str) -> dict[str, Any] | None:
        """The registered ``instruments`` row of a name, None when only the name is known."""
        return self._registered.get(name)

    def describe(self, names: Iterable[str] | None = None) -> pd.DataFrame:
        """Terms of instruments: one row per name, order kept, columns of the ``instruments`` table.

        Parameters
        ----------
        names
            None for all known ones, in the order of their codes; names not seen before are appended.

        Returns
        -------
        pandas.DataFrame
            A field is what was registered, else what the symbol says, else unknown (NaN, NO_TIME, empty).
            A name of unknown shape has kind ''.

        Examples
        --------
        >>> rows = InstrumentTerms(InstrumentRegistry()).describe(["BTC/USD:BTC-261225-100000-C", "AAPL"])
        >>> rows[["kind", "underlying", "strike", "right"]].to_dict("records")[0]
        {'kind': 'option', 'underlying': 'BTC', 'strike': 100000.0, 'right': 'C'}
        """
        registry = self._registry
        with self._lock:
            if names is None:
                codes = np.arange(len(registry), dtype=np.int32)
            elif isinstance(names, pd.Series | pd.Categorical | pd.CategoricalIndex):
                codes = np.asarray(registry.conform(pd.Series(names)).codes, dtype=np.int32)
            else:
                codes = registry.codes(names)
            if len(codes) and codes.min() < 0:
                raise ValueError(f"a missing name at row {int(codes.argmin())}; every instrument has one")
            return self._all_described().take(codes, registry.categorical(codes))

    def kinds(self, codes: npt.NDArray[Any]) -> list[str]:
        """Kind of the instrument of each code, '' where it is unknown: of ``describe`` the one column.

        Examples
        --------
        >>> registry = InstrumentRegistry()
        >>> InstrumentTerms(registry).kinds(registry.codes(["BTC/USD:BTC-261225-100000-C", "AAPL", "??"]))
        ['option', 'equity', '']
        """
        with self._lock:
            return self._all_described().kinds(codes)

    def field(self, name: str, codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """One column of ``describe`` for some codes, texts as objects: without a frame of all columns.

        Examples
        --------
        >>> registry = InstrumentRegistry()
        >>> terms, codes = InstrumentTerms(registry), registry.codes(["BTC/USD:BTC-261225-100000-C", "AAPL"])
        >>> terms.field("inverse", codes).tolist(), terms.field("underlying", codes).tolist()
        ([True, False], ['BTC', 'AAPL'])
        """
        with self._lock:
            return self._all_described().field(name, codes)

    def _all_described(self) -> DescribedTerms:
        start = len(self._described)
        if start < len(self._registry):
            names = self._registry.names(range(start, len(self._registry))).tolist()
            self._described.put(start, names, self._registered)
        return self._described


INSTRUMENT_TERMS = InstrumentTerms(REGISTRY)
"""The terms of the process's registry."""
