"""What a fill does to a leg: amounts, average entries and realised PnL, for whole histories and the live engine alike."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

TRADE, SETTLEMENT, FUNDING = 0, 1, 2
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
def book_fills(
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
