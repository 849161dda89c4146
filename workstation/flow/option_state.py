"""What the market is around prints: terms, the underlying's price, and the newest vol, forward and open interest of contracts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow.placement import SPOT_SECONDS, Placed, Rows, Spots, SpotUpdates, put_spots
from workstation.flow.traded_terms import TradedTerms
from workstation.market.calendar import SHORTEST_NS
from workstation.market.instants import YEAR_NS
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import MARKS, NO_TIME
from workstation.numerics.state_arrays import extended
from workstation.pricing import by_style
from workstation.pricing.black_kernels import option_delta, option_gamma
from workstation.pricing.implied import implied_vol
from workstation.pricing.timer import terms_of

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_MARK = MARKS.places
_FIELDS = ("mark_iv", "forward", "open_interest")
_KNOWN = (*_FIELDS, "log_carry")
"""What is kept by contract; ``log_carry``: log of forward over index of one mark."""
_QUOTE = ("bid", "ask", "bid_size", "ask_size")
_LINES = ("equity", "index")
"""Kinds whose own price is the underlying's; a crypto underlying's is the index that its marks and prints carry."""
_UNASKED, _UNFOLLOWED, _FOLLOWED = -1, 0, 1


@numba.njit(cache=True)
def _learn(codes: Any, values: Any, known: Any) -> None:
    for i in range(codes.size):
        if codes[i] >= 0:
            for field in range(known.shape[0]):
                if not np.isnan(values[field, i]):
                    known[field, codes[i]] = values[field, i]


@numba.njit(cache=True)
def _greeks(
    event_ns: Any, expiry_ns: Any, strike: Any, is_call: Any, forward: Any, vol: Any, out: Any
) -> None:
    for i in range(event_ns.size):
        years = max(expiry_ns[i] - event_ns[i], SHORTEST_NS) / YEAR_NS
        out[0, i] = option_delta(forward[i], strike[i], years, vol[i], is_call[i], 1.0)
        gamma = option_gamma(forward[i], strike[i], years, vol[i], 1.0)
        out[1, i] = gamma
        out[2, i] = gamma * forward[i] * forward[i] * vol[i] * years


class OptionState:
    """Arrays by registry code, and by place of an underlying.

    Parameters
    ----------
    kinds
        Kinds of instruments that are followed; none: all.
    rate
        Of ``NbboParameters``.
    """

    def __init__(self, kinds: Sequence[str], rate: float | None = None) -> None:
        self._kinds, self._rate = tuple(kinds), rate
        self.terms = TradedTerms()
        self._follows = np.empty(0, dtype=np.int8)
        self.is_line = np.empty(0, dtype=bool)
        self._known = np.empty((len(_KNOWN), 0))
        self.spots = Spots(
            np.empty(0),
            np.empty(0, np.int64),
            np.empty((0, SPOT_SECONDS), np.int64),
            np.empty((0, SPOT_SECONDS)),
        )

    def followed(self, codes: npt.NDArray[Any]) -> Codes:
        """The codes of instruments that are followed, -1 for the others; their terms are known then."""
        own = codes.astype(np.int64)
        size = int(own.max(initial=-1)) + 1
        self._grow(size)
        asked = self._follows[own] if own.size and own.min() >= 0 else np.zeros(0, dtype=np.int8)
        if not asked.size or (asked == _UNASKED).any():
            new = np.unique(own[(own >= 0) & (self._follows[own] == _UNASKED)])
            if new.size:
                self.terms.look_up(new)
                self._ask(new)
            asked = np.where(own >= 0, self._follows[own], _UNFOLLOWED)
        return own if (asked == _FOLLOWED).all() else np.where(asked == _FOLLOWED, own, -1)

    def _ask(self, codes: Codes) -> None:
        kinds = np.array(INSTRUMENT_TERMS.kinds(codes))
        self.is_line[codes] = np.isin(kinds, _LINES)
        self._follows[codes] = _FOLLOWED if not self._kinds else np.isin(kinds, self._kinds).astype(np.int8)

    def describe(self, instruments: pd.DataFrame) -> None:
        """Take the terms of ``instruments`` rows."""
        terms = terms_of(instruments)
        codes = REGISTRY.codes(terms["instrument"].astype("str").to_numpy()).astype(np.int64)
        self._grow(int(codes.max(initial=-1)) + 1)
        self.terms.describe(terms)
        kinds = terms["kind"].astype("str").to_numpy()
        self.is_line[codes] = np.isin(kinds, _LINES)
        self._follows[codes] = _FOLLOWED if not self._kinds else np.isin(kinds, self._kinds).astype(np.int8)
        self._grow_spots()

    def underlying(self, codes: Codes) -> Codes:
        """Place of each contract's underlying, -1 where it is not known."""
        self._grow_spots()
        return self.terms.underlying[codes].astype(np.int64)

    def spot_updates(self, codes: Codes, event_ns: npt.NDArray[np.int64], quotes: Floats) -> SpotUpdates:
        """Prices of underlyings: mids of usable quotes of equities and indices."""
        held = np.flatnonzero((codes >= 0) & self.is_line[codes])
        bid, ask = quotes[held, 0], quotes[held, 1]
        usable = (bid > 0) & (ask > bid)
        held = held[usable]
        return SpotUpdates(event_ns[held], self.underlying(codes[held]), 0.5 * (bid + ask)[usable])

    def take_marks(
        self, marks: pd.DataFrame, arrays: list[Any]
    ) -> tuple[npt.NDArray[np.int64], Codes, Floats]:
        """Absorb ``marks`` rows; gives time, code and quote of those that carry a quote."""
        codes = self.followed(arrays[_MARK["instrument"]].codes)
        event_ns = np.array(arrays[_MARK["event_ns"]])
        index, forward = np.array(arrays[_MARK["index"]]), arrays[_MARK["forward"]]
        log_carry = np.full(codes.size, np.nan)
        np.log(forward / index, out=log_carry, where=(forward > 0) & (index > 0))
        _learn(codes, np.stack([*(arrays[_MARK[name]] for name in _FIELDS), log_carry]), self._known)
        held = np.flatnonzero(codes >= 0)
        underlying = self.underlying(codes[held])
        put_spots(self.spots, underlying, event_ns[held], index[held])
        quotes = np.stack([arrays[_MARK[name]] for name in _QUOTE], axis=1)[held]
        quoted = ~np.isnan(quotes[:, :2]).all(axis=1)
        return event_ns[held][quoted], codes[held][quoted], quotes[quoted]

    def greeks(self, rows: Rows, placed: Placed, printed_iv: Floats) -> dict[str, Floats]:
        """Premium, vol, vol edge, greeks and open interest of prints (n,), NaN where not known."""
        codes, terms = rows.code, self.terms
        option, inverse = terms.is_option[codes], terms.inverse[codes]
        index = np.where(rows.index > 0, rows.index, placed.spot)
        unit = np.where(inverse & option, index, 1.0)
        premium = rows.price * rows.size * unit * terms.multiplier[codes]
        premium[~terms.sized[codes] & option] = np.nan
        forward = np.where(self._known[1, codes] > 0, self._known[1, codes], placed.spot)
        surface_iv = np.where(option, self._known[0, codes], np.nan)
        iv = np.where(option, printed_iv, np.nan)
        self._imply(rows, iv, forward, unit, option)
        vol = np.where(surface_iv > 0, surface_iv, iv)
        found = np.full((3, codes.size), np.nan)
        told = np.flatnonzero(option & (vol > 0) & (forward > 0))
        if told.size:
            some = np.empty((3, told.size))
            at = codes[told]
            _greeks(
                rows.event_ns[told], terms.expiry_ns[at], terms.strike[at], terms.is_call[at], forward[told], vol[told], some
            )  # fmt: skip
            found[:, told] = some
        return {
            "premium_usd": premium, "iv": iv, "surface_iv": surface_iv, "vol_edge_bps": (iv - surface_iv) * 1e4,
            "delta": found[0], "gamma": found[1], "vega": found[2], "open_interest": self._known[2, codes],
        }  # fmt: skip

    def _imply(self, rows: Rows, iv: Floats, forward: Floats, unit: Floats, option: npt.NDArray[Any]) -> None:
        """Vols of the prices of prints that carry none, by the style of their contracts."""
        lacking = np.flatnonzero(option & ~(iv > 0) & (forward > 0) & (rows.price > 0))
        if not lacking.size:
            return
        at = rows.code[lacking]
        years = np.maximum(self.terms.expiry_ns[at] - rows.event_ns[lacking], SHORTEST_NS) / YEAR_NS
        own: dict[str, Any] = {
            "prices": rows.price[lacking] * unit[lacking], "forwards": forward[lacking], "strikes": self.terms.strike[at],
            "years": years, "is_call": self.terms.is_call[at],
        }  # fmt: skip
        carry = np.nan_to_num(self._known[3, at] / years)
        early = self.terms.american[at]
        if self._rate is None:  # without a carry nothing is exercised early
            early &= carry != 0.0
        if not early.any():
            iv[lacking] = implied_vol(**own)
            return
        rates = np.maximum(carry, 0.0) if self._rate is None else np.full(years.size, self._rate)
        discounts = np.where(early, np.exp(-rates * years), 1.0)
        iv[lacking] = by_style.implied_vol(**own, discounts=discounts, american=early, yields=rates - carry)

    def _grow(self, contracts: int) -> None:
        held = self._follows.size
        if contracts > held:
            size = max(contracts, 2 * held, 1024)
            self._follows = extended(self._follows, size, _UNASKED)
            self.is_line = extended(self.is_line, size, False)
            known = np.full((len(_KNOWN), size), np.nan)
            known[:, :held] = self._known
            self._known = known
            self.terms._grow(size)

    def _grow_spots(self) -> None:
        held, needed = self.spots.newest.size, len(self.terms.underlyings)
        if needed > held:
            size = max(needed, 2 * held, 8)
            second = np.full((size, SPOT_SECONDS), NO_TIME)
            price = np.full((size, SPOT_SECONDS), np.nan)
            second[:held], price[:held] = self.spots.second, self.spots.price
            self.spots = Spots(
                extended(self.spots.newest, size, np.nan),
                extended(self.spots.newest_ns, size, NO_TIME),
                second,
                price,
            )

    def snapshot(self) -> dict[str, Any]:
        """The state by instrument name; underlyings by place."""
        held = np.flatnonzero(self._follows != _UNASKED)
        used = len(self.terms.underlyings)
        return {
            "terms": self.terms.snapshot(),
            "instruments": [str(name) for name in REGISTRY.names(held)],
            "follows": self._follows[held],
            "is_line": self.is_line[held],
            "known": self._known[:, held],
            "spots": [part[:used].copy() for part in self.spots],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.__init__(self._kinds, self._rate)  # type: ignore[misc]
        self.terms.restore(state["terms"])
        codes = REGISTRY.codes(state["instruments"]).astype(np.int64)
        self._grow(int(codes.max(initial=-1)) + 1)
        self._follows[codes], self.is_line[codes] = state["follows"], state["is_line"]
        self._known[:, codes] = state["known"]
        self._grow_spots()
        for ours, theirs in zip(self.spots, state["spots"], strict=True):
            ours[: len(theirs)] = theirs
