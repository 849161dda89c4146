"""Instruments as a trader says them: ``SPY 18 Dec 26 600 C``, with what tables filter by."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workstation.market.instants import DAY_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY

NO_EXPIRY = 0
_TOLD = ("kind", "expiry_ns", "underlying", "strike", "right")


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    """A day since 1970 in words."""
    return (date(1970, 1, 1) + timedelta(days=day)).strftime("%d %b %y").lstrip("0")


def contract_words(name: str) -> str:
    """An option as underlying, expiry, strike and right; any other instrument by its name.

    Parameters
    ----------
    name
        Instrument as the tables name it.

    Examples
    --------
    >>> contract_words("SPY   261218C00600000"), contract_words("SPY")
    ('SPY 18 Dec 26 600 C', 'SPY')
    """
    return str(CONTRACTS.words(REGISTRY.codes([name]))[0])


class ContractTerms:
    """Words, underlying and expiry of instruments by their code; each instrument is looked up once.

    Examples
    --------
    >>> terms, codes = ContractTerms(), REGISTRY.codes(["NVDA  270219C00182500", "NVDA"])
    >>> terms.words(codes).tolist(), terms.underlyings(codes).tolist(), terms.is_option(codes).tolist()
    (['NVDA 19 Feb 27 182.5 C', 'NVDA'], ['NVDA', 'NVDA'], [True, False])
    """

    def __init__(self) -> None:
        self._known = np.zeros(0, dtype=bool)
        self._words = np.empty(0, dtype=object)
        self._underlying = np.empty(0, dtype=object)
        self._expiry = np.empty(0, dtype=np.int64)
        self._option = np.zeros(0, dtype=bool)

    def words(self, codes: npt.ArrayLike) -> npt.NDArray[np.object_]:
        """Names in words by instrument code; '' of -1."""
        wanted = self._learned(codes)
        return self._words[wanted]

    def underlyings(self, codes: npt.ArrayLike) -> npt.NDArray[np.object_]:
        """Names of the underlyings by instrument code."""
        wanted = self._learned(codes)
        return self._underlying[wanted]

    def expiries(self, codes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """``expiry_ns`` by instrument code; 0 of what does not expire."""
        wanted = self._learned(codes)
        return self._expiry[wanted]

    def is_option(self, codes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether it is an option, by instrument code."""
        wanted = self._learned(codes)
        return self._option[wanted]

    def _learned(self, codes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        wanted = np.asarray(codes, dtype=np.int64)
        self._learn(wanted)
        return wanted

    def _learn(self, codes: np.ndarray) -> None:
        self._grow(int(codes.max(initial=-1)) + 2)
        new = np.unique(codes[(codes >= 0)])
        new = new[~self._known[new]]
        if not len(new):
            return
        names = [str(name) for name in REGISTRY.names(new)]
        told = {name: INSTRUMENT_TERMS.field(name, new).tolist() for name in _TOLD}
        rows = zip(new.tolist(), names, *told.values(), strict=True)
        for code, name, kind, expiry_ns, underlying, strike, right in rows:
            self._option[code] = kind == "option"
            self._expiry[code] = expiry_ns if expiry_ns > 0 else NO_EXPIRY
            self._underlying[code] = str(underlying) or name
            self._words[code] = name
            if self._option[code] and expiry_ns > 0:
                day = _day(expiry_ns // DAY_NS)
                self._words[code] = f"{underlying} {day} {strike:.10g} {right}"
        self._known[new] = True

    def _grow(self, rows: int) -> None:
        """Room for codes below ``rows`` - 1; the last row is that of -1."""
        more = rows - len(self._known)
        if more <= 0:
            return
        more += 256
        self._known = np.concatenate([self._known, np.zeros(more, dtype=bool)])
        self._option = np.concatenate([self._option, np.zeros(more, dtype=bool)])
        self._expiry = np.concatenate([self._expiry, np.zeros(more, dtype=np.int64)])
        blank = np.full(more, "", dtype=object)
        self._words = np.concatenate([self._words, blank])
        self._underlying = np.concatenate([self._underlying, blank])


CONTRACTS = ContractTerms()
"""Of this process: the registry only grows."""

__all__ = ["CONTRACTS", "NO_EXPIRY", "ContractTerms", "contract_words"]
