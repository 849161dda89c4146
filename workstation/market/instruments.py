"""The instrument registry: names in, stable integer codes out, append-only.

Every ``instrument`` column is a pandas categorical over this registry, so codes can be used as array
indices by engines and joins are integer joins. Categories are only ever appended: the codes of an older
batch stay right for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from workstation.market.described import DescribedTerms

Codes = npt.NDArray[np.int32]


class InstrumentRegistry:
    """Append-only list of instrument names with their terms.

    Examples
    --------
    >>> registry = InstrumentRegistry()
    >>> registry.codes(["BTC/USD:BTC", "ETH/USD:ETH", "BTC/USD:BTC"]).tolist()
    [0, 1, 0]
    >>> registry.names([1]).tolist()
    ['ETH/USD:ETH']
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names: list[str] = []
        self._lock = threading.RLock()
        self._dtype = pd.CategoricalDtype(pd.Index([], dtype="str"))
        self._issued: WeakValueDictionary[int, pd.Index[Any]] = WeakValueDictionary()
        self._issued[id(self._dtype.categories)] = self._dtype.categories
        self._terms: dict[str, dict[str, Any]] = {}
        self._described: DescribedTerms | None = None

    def __len__(self) -> int:
        return len(self._names)

    def codes(self, names: Iterable[str]) -> Codes:
        """int32 code of each name; names not seen before are appended."""
        with self._lock:
            return np.fromiter((self._code(name) for name in names), dtype=np.int32)

    def find(self, name: str) -> int:
        """Code of a name; -1 when it was never seen, and it is not appended.

        Examples
        --------
        >>> registry = InstrumentRegistry()
        >>> registry.find("BTC/USD"), len(registry)
        (-1, 0)
        """
        return self._codes.get(name, -1)

    def _code(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            if not isinstance(name, str) or not name:
                raise ValueError(f"an instrument's name must be a non-empty string, got {name!r}")
            code = self._codes[name] = len(self._names)
            self._names.append(name)
        return code

    def names(self, codes: Iterable[int]) -> npt.NDArray[np.object_]:
        """Name of each code, shape of ``codes``."""
        return np.array([self._names[code] for code in codes], dtype=object)

    @property
    def dtype(self) -> pd.CategoricalDtype:
        """Categorical dtype over all names known now."""
        if self._dtype.categories.size == len(self._names):
            return self._dtype
        with self._lock:
            if len(self._dtype.categories) != len(self._names):
                self._dtype = pd.CategoricalDtype(pd.Index(self._names, dtype="str"))
                self._issued[id(self._dtype.categories)] = self._dtype.categories
            return self._dtype

    def categorical(self, codes: Codes) -> pd.Categorical:
        """A categorical over the registry from codes it handed out (-1 for missing).

        pandas keeps the codes in the narrowest integer that holds all categories.
        """
        return pd.Categorical._simple_new(codes, dtype=self.dtype)  # type: ignore[attr-defined, no-any-return]

    def issued(self, values: pd.Categorical) -> bool:
        """Whether a categorical carries codes of this registry, under its newest dtype or an older one."""
        categories = values.categories
        return categories is self._dtype.categories or self._issued.get(id(categories)) is categories

    def conform(self, series: pd.Series[Any]) -> pd.Categorical:
        """Any column of names as a categorical over this registry (names not seen before are appended)."""
        if isinstance(series.dtype, pd.CategoricalDtype):
            values: Any = series.array
            categories = values.categories
            if categories is self.dtype.categories:
                return values  # type: ignore[no-any-return]
            if self.issued(values):
                return self.categorical(values.codes.astype(np.int32, copy=False))
            mapped = np.append(self.codes(categories), np.int32(-1))
            return self.categorical(mapped[values.codes])
        try:
            known = [self._codes[name] for name in series.tolist()]
            return self.categorical(np.array(known, dtype=np.int32))
        except (KeyError, TypeError):  # a new name or a missing one
            codes, uniques = pd.factorize(series)
        mapped = np.append(self.codes(uniques), np.int32(-1))
        return self.categorical(mapped[codes])

    def register(self, instruments: pd.DataFrame) -> None:
        """Record the terms of instruments: rows of the ``instruments`` table, a later row replaces an earlier one."""
        with self._lock:
            for row in instruments.to_dict("records"):
                record = {str(column): value for column, value in row.items()}
                name = record["instrument"]
                code = self._code(name)
                self._terms[name] = record
                if self._described is not None and code < len(self._described):
                    self._described.put(code, name, record)

    def terms(self, name: str) -> dict[str, Any] | None:
        """The registered ``instruments`` row of a name, None when only the name is known."""
        return self._terms.get(name)

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
        >>> rows = InstrumentRegistry().describe(["BTC/USD:BTC-261225-100000-C", "AAPL"])
        >>> rows[["kind", "underlying", "strike", "right"]].to_dict("records")[0]
        {'kind': 'option', 'underlying': 'BTC', 'strike': 100000.0, 'right': 'C'}
        """
        with self._lock:
            if names is None:
                codes = np.arange(len(self._names), dtype=np.int32)
            elif isinstance(names, pd.Series | pd.Categorical | pd.CategoricalIndex):
                codes = np.asarray(self.conform(pd.Series(names)).codes, dtype=np.int32)
            else:
                codes = self.codes(names)
            if len(codes) and codes.min() < 0:
                raise ValueError(f"a missing name at row {int(codes.argmin())}; every instrument has one")
            return self._all_described().take(codes, self.categorical(codes))

    def kinds(self, codes: npt.NDArray[Any]) -> list[str]:
        """Kind of the instrument of each code, '' where it is unknown: of ``describe`` the one column.

        Examples
        --------
        >>> registry = InstrumentRegistry()
        >>> registry.kinds(registry.codes(["BTC/USD:BTC-261225-100000-C", "AAPL", "??"]))
        ['option', 'equity', '']
        """
        with self._lock:
            return self._all_described().kinds(codes)

    def _all_described(self) -> DescribedTerms:
        from workstation.market.described import DescribedTerms

        if self._described is None:
            self._described = DescribedTerms()
        for code in range(len(self._described), len(self._names)):
            name = self._names[code]
            self._described.put(code, name, self._terms.get(name, {}))
        return self._described


REGISTRY = InstrumentRegistry()
"""The process's registry: one per process, so that codes mean the same in every room."""
