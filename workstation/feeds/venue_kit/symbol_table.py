"""A venue's symbols -> registry codes and what a decoder must know of each, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from workstation.market.errors import SymbolError
from workstation.market.instruments import REGISTRY
from workstation.market.symbology import Terms, parse, render

OPTION, USD_SIZED, COIN_PRICED, SPOT = 1, 2, 4, 8
"""Traits, as bits: an option; amounts in USD (coin-settled futures and perpetuals); premium in coin; a spot pair."""
UNREADABLE = 10_000
"""Names that cannot be read and are remembered with their reason; those beyond share one reason."""
_FULL = "symbol: cannot be read, and too many such names came to say more"


def traits_of(terms: Terms) -> int:
    """Traits of an instrument's terms."""
    if terms.kind == "option":
        return OPTION | (COIN_PRICED if terms.inverse else 0)
    if terms.kind == "spot":
        return SPOT
    return USD_SIZED if terms.inverse and terms.kind in ("future", "perpetual") else 0


class SymbolTable:
    """Grows with every symbol that can be read; one that cannot has code -1 and a reason, and only so many are remembered.

    Parameters
    ----------
    grammar
        Of ``market.symbology``.
    sized
        Whether the venue counts contracts, whose size its list of instruments tells: ``size`` is NaN until ``told``. False:
        amounts are units already and ``size`` is 1.
    terms_of
        Reads a symbol instead of the grammar, where a venue's symbols do not say all. Raises ``SymbolError``.

    Examples
    --------
    >>> table = SymbolTable("bybit")
    >>> ids = table.ids(["BTC-5DEC26-100000-P-USDT", "BTCUSD", "??"])
    >>> str(REGISTRY.names(table.code[ids][:1])[0]), table.traits[ids].tolist(), table.size[ids].tolist()
    ('BTC/USDT:USDT-261205-100000-P', [1, 2, 0], [1.0, 1.0, nan])
    >>> table.reasons[int(ids[2])].split(":")[0]
    'symbol'
    """

    def __init__(
        self, grammar: str, *, sized: bool = False, terms_of: Callable[[str], Terms] | None = None
    ) -> None:
        self._read_terms = terms_of or (lambda symbol: parse(symbol, grammar))
        self._sized = sized
        self._ids: dict[str, int] = {}
        self._lock = threading.Lock()
        self.code: npt.NDArray[np.int32] = np.full(1, -1, dtype=np.int32)
        self.traits: npt.NDArray[np.int8] = np.zeros(1, dtype=np.int8)
        self.size: npt.NDArray[np.float64] = np.full(1, np.nan)
        self.reasons: dict[int, str] = {0: _FULL}
        """Id -> why there is no such instrument; 0 is the id of all that are not remembered."""

    def ids(self, names: Iterable[str]) -> npt.NDArray[np.intp]:
        """Index into ``code``, ``traits`` and ``size`` of each symbol."""
        names = list(names)
        new = set(names).difference(self._ids)
        if new:
            self._learn(sorted(new))
        if new and len(self.reasons) > UNREADABLE:
            return np.array([self._ids.get(name, 0) for name in names], dtype=np.intp)
        return np.fromiter(map(self._ids.__getitem__, names), dtype=np.intp, count=len(names))

    def told(self, sizes: Mapping[str, float]) -> None:
        """Take what the venue's list says: symbol -> underlying units (USD of what is settled in coin) per contract."""
        ids = self.ids(sizes)
        with self._lock:
            known = self.code[ids] >= 0
            self.size[ids[known]] = np.array(list(sizes.values()))[known]

    def _learn(self, names: list[str]) -> None:
        with self._lock:
            rows: list[tuple[int, int, float]] = []
            known = len(self.code)
            for name in names:
                if name in self._ids:
                    continue
                code, traits, size, reason = self._read(name)
                if reason:
                    if len(self.reasons) > UNREADABLE:
                        continue
                    self.reasons[known + len(rows)] = reason
                self._ids[name] = known + len(rows)
                rows.append((code, traits, size))
            self.code = np.append(self.code, np.array([row[0] for row in rows], dtype=np.int32))
            self.traits = np.append(self.traits, np.array([row[1] for row in rows], dtype=np.int8))
            self.size = np.append(self.size, np.array([row[2] for row in rows], dtype=np.float64))

    def _read(self, name: str) -> tuple[int, int, float, str]:
        try:
            terms = self._read_terms(name)
            unified = render(terms)
        except SymbolError as error:
            return -1, 0, np.nan, f"symbol: {error}"
        size = np.nan if self._sized and terms.kind != "spot" else 1.0
        return int(REGISTRY.codes([unified])[0]), traits_of(terms), size, ""
