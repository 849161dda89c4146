"""Deribit's instrument names -> registry codes and what the decoder must know of each."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from workstation.market.errors import SymbolError
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import parse, render

OPTION, USD_SIZED, COIN_PRICED = 1, 2, 4
"""Traits, as bits: an option; amounts in USD (coin-settled futures and perpetuals); premium in coin."""


class Names:
    """Grows with every name seen; a name that is no single instrument has code -1 and a reason in ``reasons``.

    Examples
    --------
    >>> names = Names()
    >>> ids = names.ids(["BTC-5DEC26-100000-P", "BTC-FS-25DEC26_PERP", "BTC-PERPETUAL"])
    >>> str(REGISTRY.names(names.code[ids][:1])[0]), names.traits[ids].tolist()
    ('BTC/USD:BTC-261205-100000-P', [5, 0, 2])
    >>> names.reasons[int(ids[1])].split(":")[0]
    'combo'
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._lock = threading.Lock()
        self.code: npt.NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.traits: npt.NDArray[np.int8] = np.empty(0, dtype=np.int8)
        self.reasons: dict[int, str] = {}

    def ids(self, names: Iterable[str]) -> npt.NDArray[np.intp]:
        """Index into ``code`` and ``traits`` of each name."""
        names = list(names)
        new = set(names).difference(self._ids)
        if new:
            self._learn(sorted(new))
        return np.fromiter(map(self._ids.__getitem__, names), dtype=np.intp, count=len(names))

    def _learn(self, names: list[str]) -> None:
        with self._lock:
            rows: list[tuple[str, int, int]] = []
            known = len(self.code)
            for name in names:
                if name not in self._ids:
                    code, traits, reason = _read(name)
                    if reason:
                        self.reasons[known + len(rows)] = reason
                    rows.append((name, code, traits))
            self.code = np.append(self.code, np.array([row[1] for row in rows], dtype=np.int32))
            self.traits = np.append(self.traits, np.array([row[2] for row in rows], dtype=np.int8))
            self._ids.update((row[0], known + at) for at, row in enumerate(rows))


def _read(name: str) -> tuple[int, int, str]:
    try:
        terms = parse(name, "deribit")
        unified = render(terms)
    except SymbolError as error:
        if "is not one instrument" in str(error):
            return -1, 0, f"combo: {name} is no single instrument; its legs print on their own streams"
        return -1, 0, f"symbol: {error}"
    traits = 0
    if terms.kind == "option":
        traits = OPTION | (COIN_PRICED if terms.inverse else 0)
    elif terms.inverse and terms.kind in ("future", "perpetual"):
        traits = USD_SIZED
    return int(REGISTRY.codes([unified])[0]), traits, ""


NAMES = Names()
"""The process's table, next to the process's registry."""


def index_codes(index_names: Iterable[Any]) -> npt.NDArray[np.int32]:
    """Registry codes of indices: ``btc_usd`` -> ``BTC/USD``."""
    return REGISTRY.codes([str(name).upper().replace("_", "/", 1) for name in index_names])
