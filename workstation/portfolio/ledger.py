"""Average cost: fills in, amounts, entries and realised PnL by leg out.

A leg is one position: an instrument in one account of one venue, and its side and margin mode where the venue keeps
them apart. What a fill does to it is one kernel, so that the whole history at once and the live engine book alike.
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
Key = tuple[str, str, str, str, str]
"""venue, account, instrument, position_side, margin_mode."""

LEG = ["venue", "account", "instrument", "position_side", "margin_mode"]
"""What names a position: long and short of one contract, cross and isolated, are two."""
USD_LIKE = frozenset({"USD", "USDC", "USDT", "FDUSD", "BUSD", "TUSD", "USDE"})
"""Currencies counted as one US dollar."""
TRADE, SETTLEMENT, FUNDING = 0, 1, 2
KINDS: Mapping[str, int] = {
    "": TRADE, "trade": TRADE, "liquidation": TRADE, "settlement": SETTLEMENT, "funding": FUNDING,
}  # fmt: skip
REMOVAL = "removal"
"""Kind of a row that takes back every fill there has been of its leg."""
_NAMES = ("venue", "account", "position_side", "margin_mode")
MOST_REASONS = 20
"""Reasons counted apart."""
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
        (venue, account, instrument, position_side, margin_mode) of each leg, in the order they came.
    state
        Float64 array (fields, legs); rows as ``FIELDS``.
    settled_ns, adopted_ns
        Int64 by leg: when it was settled, and up to when fills are contained in an adopted position.
    set_aside
        Reason -> how many fills were not booked for it.
    taken, removed
        Legs of the fills booked last, and those whose fills were taken back by them.

    Notes
    -----
    Venues whose fills do not say side or margin mode: such a fill belongs to the one leg of its contract that fits; where
    several do, it makes a leg of its own, so that the contract's sum is right. A fill of unknown kind or side, or of a size or
    price that is none, is set aside and counted.
    Realised PnL, fees and funding turn into USD at the index of their own moment and are not revalued after; what
    the coin so gained is worth later is the balance's matter. A settlement closes the whole leg. A fill seen before
    (same leg, kind, side and ``fill_id``) changes nothing; a fill without ``fill_id`` is always new. A fill without a fee has none;
    one whose fee currency or settle currency has no known index makes its USD amounts NaN.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._places: dict[Key, int] = {}
        self.set_aside: dict[str, int] = {}
        self.taken: Times = np.empty(0, dtype=np.int64)
        self.removed: Times = np.empty(0, dtype=np.int64)
        self._moved: npt.NDArray[np.bool_] = np.empty(0, dtype=bool)
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

    def legs(self, frame: pd.DataFrame, told: bool = False) -> npt.NDArray[np.int64]:
        """The leg of each row; new ones are opened.

        Parameters
        ----------
        frame
            Conformed rows of ``fills``, or of ``positions`` when ``told``.
        told
            The rows say what they are whole: a side that is empty is a net position.
        """
        instrument = frame["instrument"].array
        columns = [np.asarray(frame[name].array.codes, dtype=np.int64) for name in _NAMES]
        codes = np.asarray(instrument.codes, dtype=np.int64)
        groups, place = np.unique(np.stack([*columns, codes]), axis=1, return_inverse=True)
        place = place.reshape(-1)
        first = np.full(groups.shape[1], len(frame), dtype=np.int64)
        np.minimum.at(first, place, np.arange(len(frame)))
        found = np.empty(groups.shape[1], dtype=np.int64)
        for each in np.argsort(first, kind="stable"):
            row = int(first[each])
            venue, account, side, mode = (str(frame[name].iloc[row]) for name in _NAMES)
            key = (venue, account, str(instrument[row]), side, mode)
            found[each] = self._told_leg(key) if told else self._fill_leg(key)
        return np.asarray(found[place])

    def _fill_leg(self, key: Key) -> int:
        """The leg of a fill: what it does not say of side and mode may be anything."""
        at = self._places.get(key)
        if at is not None:
            return at
        fitting = [
            leg
            for leg, known in self._same_contract(key)
            if key[3] in ("", known[3]) and (key[4] in ("", known[4]) or not known[4])
        ]
        if len(fitting) == 1:
            self._places[key] = fitting[0]
            return fitting[0]
        at = self._open(key)
        if fitting:
            # fills that may be contained in any of these positions are contained in this leg too
            self.adopted_ns[at] = self.adopted_ns[fitting].max()
        return at

    def _told_leg(self, key: Key) -> int:
        """The leg of a position a venue tells of: one that fills made of the contract without side or mode explains it."""
        at = self._places.get(key)
        if at is not None:
            return at
        for leg, known in self._same_contract(key):
            if self._moved[leg] and known[3] in ("", key[3]) and (known[4] in ("", key[4]) or not key[4]):
                return leg
        return self._open(key)

    def explains(self, key: Key) -> bool:
        """Whether fills made the position a venue tells of under this key."""
        return any(
            self._moved[leg] and known[3] in ("", key[3]) and (known[4] in ("", key[4]) or not key[4])
            for leg, known in self._same_contract(key)
        )

    def _same_contract(self, key: Key) -> list[tuple[int, Key]]:
        return [(leg, known) for leg, known in enumerate(self.keys) if known[:3] == key[:3]]

    def _open(self, key: Key) -> int:
        at = self._places[key] = len(self.keys)
        self.keys.append(key)
        terms = INSTRUMENT_TERMS.describe([key[2]]).iloc[0]
        self.state = np.concatenate((self.state, _fresh(1)), axis=1)
        self.adopted_ns = np.append(self.adopted_ns, NO_TIME)
        self.settled_ns = np.append(self.settled_ns, NO_TIME)
        self._moved = np.append(self._moved, False)
        future = str(terms["kind"]) in ("perpetual", "future")
        self.harmonic = np.append(self.harmonic, bool(terms["inverse"]) and future)
        self.codes = np.append(self.codes, REGISTRY.codes([key[2]]))
        self.settle.append(str(terms["settle_currency"]))
        self.underlying.append(str(terms["underlying"]))
        self.settlement_source.append("")
        return at

    def take(self, fills: pd.DataFrame, rates: Mapping[str, float] | None = None) -> None:
        """Book conformed ``fills`` rows in their order; one of kind ``removal`` takes back those of its leg before it.

        Parameters
        ----------
        fills
            Rows of the ``fills`` table.
        rates
            Currency -> USD, for rows that carry no index.
        """
        removals = _words(fills["kind"]) == REMOVAL
        taken, removed = [], []
        for rows in np.split(np.arange(len(fills)), np.flatnonzero(np.diff(removals)) + 1):
            part, self.taken = fills.iloc[rows], self.taken[:0]
            if len(rows) and removals[rows[0]]:
                removed.append(self._remove(part))
            else:
                self._book_part(part, rates)
            taken.append(self.taken)
        self.taken = np.concatenate(taken)
        self.removed = np.concatenate(removed) if removed else self.taken[:0]

    def _remove(self, removals: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Leave the legs of these rows as if no fill had ever been; they are given."""
        self.taken = np.unique(self.legs(removals))
        self.state[:, self.taken] = _fresh(self.taken.size)
        self.adopted_ns[self.taken] = self.settled_ns[self.taken] = NO_TIME
        self._moved[self.taken] = False
        for at in self.taken.tolist():
            self.settlement_source[at] = ""
        forgotten = tuple(f"{self._spelled(at)}|" for at in self.taken.tolist())
        self._seen = {key for key in self._seen if not key.startswith(forgotten)}
        return self.taken

    def _book_part(self, fills: pd.DataFrame, rates: Mapping[str, float] | None) -> None:
        fills = self._bookable(fills)
        if not len(fills):
            return
        leg, kinds = self.legs(fills), _words(fills["kind"])
        self.taken = leg
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
        self._moved[leg[kind != FUNDING]] = True
        settled = np.flatnonzero(kind == SETTLEMENT)
        rows = fills.iloc[settled]
        for at, source, at_ns in zip(leg[settled], rows["fill_id"], rows["event_ns"], strict=True):
            if self.settled_ns[at] == at_ns:
                self.settlement_source[at] = source if source.startswith("index at ") else "venue"

    def _bookable(self, fills: pd.DataFrame) -> pd.DataFrame:
        """The fills that can be booked; the others are counted in ``set_aside``."""
        kinds = _words(fills["kind"])
        known = np.array([word in KINDS for word in kinds], dtype=bool)
        trade = np.array([KINDS.get(word) == TRADE for word in kinds], dtype=bool)
        side, numbers = fills["side"].to_numpy(), fills[["price", "size"]].to_numpy()
        sided = ~trade | (np.abs(side) == 1)
        sized = np.isfinite(numbers).all(axis=1) & (numbers[:, 1] >= 0.0)
        if known.all() and sided.all() and sized.all():
            return fills
        reasons = [f"fill of unknown kind {word!r}" for word in kinds[~known]]
        reasons += ["trade that is neither bought nor sold"] * int((known & ~sided).sum())
        reasons += ["fill of a price or size that is none"] * int((known & sided & ~sized).sum())
        for reason in reasons:
            said = reason in self.set_aside or len(self.set_aside) < MOST_REASONS
            reason = reason if said else "fill of another unknown kind"
            self.set_aside[reason] = self.set_aside.get(reason, 0) + 1
        booked: pd.DataFrame = fills[known & sided & sized]
        return booked

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
        """Open the legs no fill has moved from rows of the ``positions`` table; others stay as they are.

        Fills of such a leg up to the row's time are contained in it: they count for fees and funding only.
        """
        for row, at in enumerate(self.legs(positions, told=True)):
            if self._moved[at] or self.adopted_ns[at] != NO_TIME:
                continue
            reported = positions.iloc[row]
            quantity, entry = float(reported["quantity"]), float(reported["entry"])
            self.state[AMOUNT, at] = quantity * entry if self.harmonic[at] else quantity
            self.state[ENTRY, at] = entry if quantity else np.nan
            self.adopted_ns[at] = int(reported["event_ns"])

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
            "places": dict(self._places),
            "moved": self._moved.copy(),
            "set_aside": dict(self.set_aside),
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
            self._open(tuple(key))
        self._places, self._moved = dict(state["places"]), state["moved"].copy()
        self.set_aside = dict(state["set_aside"])
        self._seen = set(state["seen"])
        self.state = state["state"].copy()
        self.adopted_ns, self.settled_ns = state["adopted_ns"].copy(), state["settled_ns"].copy()
        self.settlement_source = list(state["settlement_source"])


def _fresh(legs: int) -> Floats:
    """``state`` of legs that hold nothing and never did."""
    fresh = np.zeros((len(FIELDS), legs))
    fresh[[ENTRY, SETTLED_PRICE, SETTLED_INDEX]] = np.nan
    return fresh


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
