"""The instrument registry: names in, stable integer codes out, append-only.

Every ``instrument`` column is a pandas categorical over this registry, so codes can be used as array
indices by engines and joins are integer joins. Categories are only ever appended: the codes of an older
batch stay right for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Codes = npt.NDArray[np.int32]


class InstrumentRegistry:
    """Append-only list of instrument names.

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
        self._texts = pa.array([], pa.large_string())
        self._dtype = pd.CategoricalDtype(pd.Index([], dtype="str"))
        self._issued: WeakValueDictionary[int, pd.Index[Any]] = WeakValueDictionary()
        self._issued[id(self._dtype.categories)] = self._dtype.categories

    def __len__(self) -> int:
        return len(self._names)

    def codes(self, names: Iterable[str]) -> Codes:
        """int32 code of each name; names not seen before are appended."""
        with self._lock:
            listed = list(names)
            known = [self._codes.get(name) for name in listed]
            return np.array([self.code(name) for name in listed] if None in known else known, dtype=np.int32)

    def find(self, name: str) -> int:
        """Code of a name; -1 when it was never seen, and it is not appended.

        Examples
        --------
        >>> registry = InstrumentRegistry()
        >>> registry.find("BTC/USD"), len(registry)
        (-1, 0)
        """
        return self._codes.get(name, -1)

    def code(self, name: str) -> int:
        """Code of one name; a name not seen before is appended."""
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
            new = self._names[len(self._texts) :]
            if new:
                self._texts = pa.concat_arrays([self._texts, pa.array(new, pa.large_string())])
                names = pd.Index(pd.array(self._texts, dtype="str"))
                # Unique and complete by making; to have pandas look again would cost more than a file of quotes.
                self._dtype = pd.CategoricalDtype._from_fastpath(names, False)  # type: ignore[attr-defined]
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


REGISTRY = InstrumentRegistry()
"""The process's registry: one per process, so that codes mean the same in every room."""
