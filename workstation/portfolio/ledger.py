"""Average cost: fills in, amounts, entries and realised PnL by leg out.

A leg is one instrument in one account of one venue. What a fill does to it is one kernel, so that the whole
history at once and the live engine book alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.instruments import REGISTRY
from workstation.market.tables import NO_TIME

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
Key = tuple[str, str, str]
"""venue, account, instrument."""

USD_LIKE = frozenset({"USD", "USDC", "USDT", "FDUSD", "BUSD", "TUSD", "USDE"})
"""Currencies counted as one US dollar."""
TRADE, SETTLEMENT, FUNDING = 0, 1, 2
KINDS: Mapping[str, int] = {
    "": TRADE, "trade": TRADE, "liquidation": TRADE, "settlement": SETTLEMENT, "funding": FUNDING,
}  # fmt: skip
DUST = 1e-9
"""What is left of an amount after a closing fill counts as nothing below this share of the fill."""

FIELDS = (
    "amount", "entry", "realised", "realised_usd", "settled_usd", "funding_usd", "fees_usd", "settled_price",
    "settled_index",
)  # fmt: skip
"""``amount`` is signed: underlying units, but USD contracts' value for inverse futures. ``realised`` is in settle
currency, trades and settlements together; ``realised_usd`` is of trades, ``settled_usd`` of settlements."""
(
    AMOUNT, ENTRY, REALISED, REALISED_USD, SETTLED_USD, FUNDING_USD, FEES_USD, SETTLED_PRICE, SETTLED_INDEX,
) = range(len(FIELDS))  # fmt: skip


@numba.njit(cache=True)
def _realised(harmonic: bool, closed: float, entry: float, price: float) -> float:
    if harmonic:
        return closed * (1.0 / entry - 1.0 / price)
    return closed * (price - entry)


@numba.njit(cache=True)
def _entry(harmonic: bool, held: float, entry: float, added: float, price: float) -> float:
    if held == 0.0:
        return price
    if harmonic:
        return (held + added) / (held / entry + added / price)
    return (held * entry + added * price) / (held + added)


@numba.njit(cache=True)
def _move(state: Any, at: int, harmonic: bool, moved: float, price: float, rate: float, field: int) -> None:
    held = state[AMOUNT, at]
    after = held + moved
    closing = held * moved < 0.0
    if closing:
        sign = 1.0 if held > 0.0 else -1.0
        gain = sign * _realised(harmonic, min(abs(moved), abs(held)), state[ENTRY, at], price)
        state[REALISED, at] += gain
        state[field, at] += gain * rate
        if abs(after) <= DUST * abs(moved):
            after = 0.0
    if after == 0.0:
        state[ENTRY, at] = np.nan
    elif not closing:
        state[ENTRY, at] = _entry(harmonic, abs(held), state[ENTRY, at], abs(moved), price)
    elif held * after < 0.0:
        state[ENTRY, at] = price
    state[AMOUNT, at] = after


@numba.njit(cache=True)
def _book(
    leg: Any, kind: Any, event_ns: Any, side: Any, price: Any, size: Any, rate: Any, index: Any, fee_usd: Any,
    harmonic: Any, adopted_ns: Any, settled_ns: Any, state: Any,
) -> None:  # fmt: skip
    for i in range(leg.size):
        at = leg[i]
        if kind[i] == FUNDING:
            state[FUNDING_USD, at] -= fee_usd[i]
            continue
        state[FEES_USD, at] -= fee_usd[i]
        if event_ns[i] <= adopted_ns[at]:
            continue
        moved = side[i] * size[i]
        if harmonic[at] and kind[i] == TRADE:
            moved *= price[i]
        field = REALISED_USD
        if kind[i] == SETTLEMENT:
            # a settlement closes what is open and opens nothing
            moved, field = -state[AMOUNT, at], SETTLED_USD
            if moved != 0.0:
                state[SETTLED_PRICE, at], state[SETTLED_INDEX, at] = price[i], index[i]
                settled_ns[at] = event_ns[i]
        _move(state, at, harmonic[at], moved, price[i], rate[i], field)


class Ledger:
    """Amount, entry, realised PnL, funding and fees of every leg, by average cost.

    Attributes
    ----------
    keys
        (venue, account, instrument) of each leg, in the order they came.
    state
        Float64 array (fields, legs); rows as ``FIELDS``.
    settled_ns, adopted_ns
        Int64 by leg: when it was settled, and up to when fills are contained in an adopted position.

    Notes
    -----
    Realised PnL, fees and funding turn into USD at the index of their own moment and are not revalued after; what
    the coin so gained is worth later is the balance's matter. A settlement closes the whole leg. A fill seen before
    (same leg, kind, side and ``fill_id``) changes nothing; a fill without ``fill_id`` is always new. A fill without a fee has none;
    one whose fee currency or settle currency has no known index makes its USD amounts NaN.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._places: dict[Key, int] = {}
        self._seen: set[str] = set()
        self.state: Floats = np.empty((len(FIELDS), 0))
        self.adopted_ns: Times = np.empty(0, dtype=np.int64)
        self.settled_ns: Times = np.empty(0, dtype=np.int64)
        self.harmonic: npt.NDArray[np.bool_] = np.empty(0, dtype=bool)
        self.codes: npt.NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.settle: list[str] = []
        self.underlying: list[str] = []
        self.settlement_source: list[str] = []

    def __len__(self) -> int:
        return len(self.keys)

    def row(self, field: str) -> Floats:
        """One field by leg."""
        values: Floats = self.state[FIELDS.index(field)]
        return values

    def legs(self, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
        """The leg of each row; new ones are opened."""
        instrument = frame["instrument"].array
        columns = [np.asarray(frame[name].array.codes, dtype=np.int64) for name in ("venue", "account")]
        codes = np.asarray(instrument.codes, dtype=np.int64)
        triples, place = np.unique(np.stack([*columns, codes]), axis=1, return_inverse=True)
        first = np.full(triples.shape[1], len(frame), dtype=np.int64)
        np.minimum.at(first, place, np.arange(len(frame)))
        found = np.empty(triples.shape[1], dtype=np.int64)
        for each in np.argsort(first, kind="stable"):
            row = int(first[each])
            found[each] = self._leg(
                (str(frame["venue"].iloc[row]), str(frame["account"].iloc[row]), str(instrument[row]))
            )
        return np.asarray(found[place.reshape(-1)])

    def _leg(self, key: Key) -> int:
        at = self._places.get(key)
        if at is None:
            at = self._places[key] = len(self.keys)
            self.keys.append(key)
            terms = INSTRUMENT_TERMS.describe([key[2]]).iloc[0]
            fresh = np.zeros((len(FIELDS), 1))
            fresh[[ENTRY, SETTLED_PRICE, SETTLED_INDEX]] = np.nan
            self.state = np.concatenate((self.state, fresh), axis=1)
            self.adopted_ns = np.append(self.adopted_ns, NO_TIME)
            self.settled_ns = np.append(self.settled_ns, NO_TIME)
            future = str(terms["kind"]) in ("perpetual", "future")
            self.harmonic = np.append(self.harmonic, bool(terms["inverse"]) and future)
            self.codes = np.append(self.codes, REGISTRY.codes([key[2]]))
            self.settle.append(str(terms["settle_currency"]))
            self.underlying.append(str(terms["underlying"]))
            self.settlement_source.append("")
        return at

    def take(self, fills: pd.DataFrame, rates: Mapping[str, float] | None = None) -> None:
        """Book conformed ``fills`` rows in their order.

        Parameters
        ----------
        fills
            Rows of the ``fills`` table.
        rates
            Currency -> USD, for rows that carry no index.
        """
        if not len(fills):
            return
        leg = self.legs(fills)
        kinds = _words(fills["kind"])
        unknown = [word for word in set(kinds) if word not in KINDS]
        if unknown:
            raise ValueError(f"fills.kind {unknown[0]!r}: choose of {', '.join(filter(None, KINDS))}")
        fresh = ~self._repeated(fills, leg, kinds)
        fills, leg, kinds = fills[fresh], leg[fresh], kinds[fresh]
        kind = np.array([KINDS[word] for word in kinds], dtype=np.int8)
        index = fills["index"].to_numpy()
        owing = _by_word([self.underlying[at] for at in leg], rates or {}, index, None)
        settle = _by_word(
            [self.settle[at] for at in leg], rates or {}, owing, [self.underlying[at] for at in leg]
        )
        fee = np.nan_to_num(fills["fee"].to_numpy())
        priced = _by_word(
            _words(fills["fee_currency"]), rates or {}, owing, [self.underlying[at] for at in leg]
        )
        unsaid = _words(fills["fee_currency"]) == ""
        priced = np.where(unsaid, settle, priced)
        _book(
            leg, kind, fills["event_ns"].to_numpy(), fills["side"].to_numpy(), fills["price"].to_numpy(),
            fills["size"].to_numpy(), settle, owing, np.where(fee == 0.0, 0.0, fee * priced), self.harmonic,
            self.adopted_ns, self.settled_ns, self.state,
        )  # fmt: skip
        settled = np.flatnonzero(kind == SETTLEMENT)
        rows = fills.iloc[settled]
        for at, source, at_ns in zip(leg[settled], rows["fill_id"], rows["event_ns"], strict=True):
            if self.settled_ns[at] == at_ns:
                self.settlement_source[at] = source if source.startswith("index at ") else "venue"

    def _repeated(self, fills: pd.DataFrame, leg: npt.NDArray[np.int64], kinds: Any) -> npt.NDArray[np.bool_]:
        named = fills["fill_id"].to_numpy() != ""
        if not named.any():
            return np.zeros(len(fills), dtype=bool)
        key = pd.Series(leg).map(self._spelled) + "|" + pd.Series(kinds)
        for name in ("side", "fill_id"):
            key = key + "|" + fills[name].astype("str").reset_index(drop=True)
        repeated = (key.duplicated() | key.isin(list(self._seen))).to_numpy() & named
        self._seen.update(key[named])
        return np.asarray(repeated, dtype=bool)

    def _spelled(self, leg: int) -> str:
        return "|".join(self.keys[leg])

    def adopt(self, positions: pd.DataFrame) -> None:
        """Open the legs no fill has mentioned from rows of the ``positions`` table; others stay as they are.

        Fills of such a leg up to the row's time are contained in it: they count for fees and funding only.
        """
        known = len(self.keys)
        for row, at in enumerate(self.legs(positions)):
            if at < known or self.adopted_ns[at] != NO_TIME:
                continue
            told = positions.iloc[row]
            quantity, entry = float(told["quantity"]), float(told["entry"])
            self.state[AMOUNT, at] = quantity * entry if self.harmonic[at] else quantity
            self.state[ENTRY, at] = entry if quantity else np.nan
            self.adopted_ns[at] = int(told["event_ns"])

    def quantity(self) -> Floats:
        """Signed underlying units by leg; for inverse futures the coin their contracts bought at the entry."""
        amount, entry = self.state[AMOUNT], self.state[ENTRY]
        with np.errstate(invalid="ignore"):
            units: Floats = np.where(self.harmonic & (amount != 0.0), amount / entry, amount)
        return units

    def snapshot(self) -> dict[str, Any]:
        """The state by leg."""
        return {
            "keys": list(self.keys),
            "seen": sorted(self._seen),
            "state": self.state.copy(),
            "adopted_ns": self.adopted_ns.copy(),
            "settled_ns": self.settled_ns.copy(),
            "settlement_source": list(self.settlement_source),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``snapshot()``."""
        self.__init__()  # type: ignore[misc]
        for key in state["keys"]:
            self._leg((key[0], key[1], key[2]))
        self._seen = set(state["seen"])
        self.state = state["state"].copy()
        self.adopted_ns, self.settled_ns = state["adopted_ns"].copy(), state["settled_ns"].copy()
        self.settlement_source = list(state["settlement_source"])


def _words(column: pd.Series[Any]) -> npt.NDArray[np.object_]:
    return column.astype("str").to_numpy(dtype=object)


def _by_word(
    currency: Any, rates: Mapping[str, float], index: Floats, underlying: list[str] | None
) -> Floats:
    """USD per unit of each row's currency: 1 for dollars, the row's index for its underlying, else ``rates``."""
    held = np.asarray(currency, dtype=object)
    rate = np.array([rates.get(name, np.nan) for name in held], dtype=np.float64)
    if underlying is None:
        return np.where(np.isnan(index), rate, index)
    own = held == np.asarray(underlying, dtype=object)
    rate = np.where(own & ~np.isnan(index), index, rate)
    return np.where(np.isin(held.astype(str), list(USD_LIKE)), 1.0, rate)
