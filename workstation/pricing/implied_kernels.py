"""Kernels of implied volatility: from a price to the total volatility s = v sqrt(T).

The price is reduced to p, the undiscounted out-of-the-money price over min(F, K), which lies in (0, 1) and depends
on a = |ln(F/K)| and s alone. With h = a/s, t = s/2, n = h - t, m = h + t and G = exp(-n**2/2)

    p     = G (erfcx(n/sqrt 2) - erfcx(m/sqrt 2))/2        for n >= 0
    1 - p = G (erfcx(-n/sqrt 2) + erfcx(m/sqrt 2))/2       for n <  0
    dp/ds = G/sqrt(2 pi)

The equation solved is ln p = target for p < 1/2, else ln(1 - p) = target: both are close to straight where
Newton's would fail (P. Jaeckel, Let's be rational, 2015). A table of ln s over (ln a, (-2 ln p)**(1/4)) gives the
guess; a Householder step of order four takes an error e to about e**4.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workstation.numerics.vectormath import (
    array_kernel,
    erfcx_pair,
    exp,
    exp_of_negative,
    fma,
    log,
    log_ratio,
    scalar_kernel,
    use_widest_registers,
)
from workstation.pricing.black_kernels import Flags, Floats

_SQRT_HALF: Final = math.sqrt(0.5)
_DENSITY_AT_ZERO: Final = 1.0 / math.sqrt(2.0 * math.pi)
_EPSILON: Final = 2.0**-52
_ROUNDINGS: Final = 4.0  # of the price's last digit that intrinsic value may be off
_SMALLEST_PRICE: Final = 1e-305

# The table's grid.
MONEYNESS_POINTS: Final = 192
PRICE_POINTS: Final = 384
_LOWEST_MONEYNESS: Final = math.log(1e-6)
_HIGHEST_MONEYNESS: Final = math.log(100.0)
_LOWEST_PRICE_ROOT: Final = 0.1
_HIGHEST_PRICE_ROOT: Final = 6.13  # p = 1e-306
_MONEYNESS_STEP: Final = (_HIGHEST_MONEYNESS - _LOWEST_MONEYNESS) / (MONEYNESS_POINTS - 1)
_PRICE_STEP: Final = (_HIGHEST_PRICE_ROOT - _LOWEST_PRICE_ROOT) / (PRICE_POINTS - 1)

# The bracket of the search for the rows that two steps leave open.
_LOWEST_TOTAL_VOL: Final = 1e-12
_HIGHEST_TOTAL_VOL: Final = 200.0
_MOST_STEPS: Final = 200
_CLOSE: Final = (
    3e-5  # relative length of a step after which the next error, its fourth power, is below rounding
)

# At the money, below a total volatility of 1e-6, ``narrow`` takes over.
_NARROW_LOG_PRICE: Final = math.log(4e-7)
_NARROW_MONEYNESS: Final = 5e-6
_LOG_ROOT_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)
_ROOT_HALF_PI: Final = math.sqrt(0.5 * math.pi)

# Codes of ImpliedReason.
SOLVED: Final = 0
NOT_FINITE: Final = 1
BAD_TERMS: Final = 2
EXPIRED: Final = 3
BELOW_INTRINSIC: Final = 4
NO_TIME_VALUE: Final = 5
ABOVE_BOUND: Final = 6


@scalar_kernel
def _step(moneyness: float, total_vol: float, target: float, low: bool) -> float:
    """Householder's step of order four towards ln p = target (low) or ln(1 - p) = target."""
    inverse = 1.0 / total_vol
    h = moneyness * inverse
    t = 0.5 * total_vol
    near, far = h - t, h + t
    exponent = -0.5 * near * near
    first, second = erfcx_pair(abs(near) * _SQRT_HALF, far * _SQRT_HALF)
    outside = near >= 0.0
    part = 0.5 * (first - second if outside else first + second)
    # Where the branch of the formula gives the wanted side itself, its logarithm needs no exp and cannot underflow.
    direct = outside == low
    bell = exp_of_negative(exponent)
    level = part if direct else 1.0 - bell * part
    slope = _DENSITY_AT_ZERO / part if direct else _DENSITY_AT_ZERO * bell / level
    slope = slope if low else -slope
    newton = (target - (log(level) + (exponent if direct else 0.0))) / slope
    bend = near * far * inverse  # v'/v, v the vega
    second_order = bend - slope
    third_order = bend * (bend - 3.0 * slope) + 2.0 * slope * slope - 3.0 * h * h * inverse * inverse - 0.25
    return (
        newton
        * fma(0.5 * second_order, newton, 1.0)
        / fma(newton, fma(third_order * (1.0 / 6.0), newton, second_order), 1.0)
    )


@scalar_kernel
def _bounded_step(moneyness: float, total_vol: float, target: float, low: bool) -> float:
    return max(min(_step(moneyness, total_vol, target, low), total_vol), -0.5 * total_vol)


@array_kernel
def search(moneyness: float, target: float, low: bool, guess: float) -> float:
    """Total volatility by the same steps inside a shrinking bracket: slower, and it cannot fail."""
    lowest, highest = _LOWEST_TOTAL_VOL, _HIGHEST_TOTAL_VOL
    total_vol = min(max(guess, lowest), highest)
    for _ in range(_MOST_STEPS):
        step = _step(moneyness, total_vol, target, low)
        h, t = moneyness / total_vol, 0.5 * total_vol
        if not math.isfinite(step):
            # the price underflows or is all rounding: too little volatility, unless t dominates
            if h > t or low:
                lowest = total_vol
            else:
                highest = total_vol
            total_vol = math.sqrt(lowest * highest)
            continue
        if step > 0.0:
            lowest = total_vol
        else:
            highest = total_vol
        moved = total_vol + step
        if abs(step) <= _CLOSE * total_vol:
            return moved
        total_vol = moved if lowest < moved < highest else math.sqrt(lowest * highest)
        if highest - lowest <= _EPSILON * highest:
            return total_vol
    return math.nan


@array_kernel
def narrow(moneyness: float, log_price: float) -> float:
    """Total volatility of a narrow distribution at the money, where the general formula is all cancellation.

    For s below 1e-6, p exp(-a/2) = s (phi(h) - h Phi(-h)) with h = a/s to a share of s^2. The logarithm of the right side is
    concave in ln s: Newton's steps stay left of the root once they are there.
    """
    goal = log_price - 0.5 * moneyness + _LOG_ROOT_TWO_PI
    if moneyness == 0.0:
        return math.exp(goal)
    far = max(log(moneyness) - goal, 0.5)
    total = max(goal, log(moneyness) - 0.5 * log(2.0 * far + 1.0))
    for _ in range(_MOST_STEPS):
        h = moneyness / math.exp(total)
        mills, _far = erfcx_pair(h * _SQRT_HALF, h * _SQRT_HALF)
        left = 1.0 - h * _ROOT_HALF_PI * mills
        step = (goal - total + 0.5 * h * h - log(left)) * left
        total += step
        if abs(step) <= 4.0 * _EPSILON * abs(total):
            break
    return math.exp(total)


@array_kernel
def guess_table() -> Floats:
    """ln s on the grid, flat, price roots running fastest."""
    table = np.empty(MONEYNESS_POINTS * PRICE_POINTS)
    for i in range(MONEYNESS_POINTS):
        moneyness = math.exp(_LOWEST_MONEYNESS + i * _MONEYNESS_STEP)
        guess = 8.0
        for j in range(PRICE_POINTS):
            root = _LOWEST_PRICE_ROOT + j * _PRICE_STEP
            log_price = -0.5 * root**4
            low = log_price < -math.log(2.0)
            target = log_price if low else math.log(-math.expm1(log_price))
            guess = search(moneyness, target, low, guess)
            table[i * PRICE_POINTS + j] = math.log(guess)
    return table


@scalar_kernel
def reason(price: float, forward: float, strike: float, years: float, call: bool, discount: float) -> int:
    """Why a price has no implied volatility; SOLVED when it has one."""
    value = price / discount
    intrinsic = max(forward - strike if call else strike - forward, 0.0)
    smaller = min(forward, strike)
    otm = value - intrinsic
    noise = _ROUNDINGS * _EPSILON * intrinsic
    found = SOLVED
    found = ABOVE_BOUND if otm >= smaller * (1.0 - _ROUNDINGS * _EPSILON) else found
    smallest = (
        smaller * _SMALLEST_PRICE * math.sqrt(max(years, 1.0))
    )  # a smaller one's annual vol is no float
    found = NO_TIME_VALUE if otm <= max(noise, smallest) else found
    found = BELOW_INTRINSIC if (otm < -noise) | (price < 0.0) else found
    found = EXPIRED if years <= 0.0 else found
    positive = (forward > 0.0) & (strike > 0.0) & (discount > 0.0)
    found = found if positive else BAD_TERMS
    largest = max(max(abs(forward), strike), max(max(abs(discount), abs(price)), abs(years)))
    same = (forward == forward) & (strike == strike) & (years == years)
    finite = (
        same & (discount == discount) & (price == price) & (abs(strike) < math.inf) & (largest < math.inf)
    )
    return found if finite else NOT_FINITE


@array_kernel
def fill_reasons(
    out: NDArray[np.int8],
    prices: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    calls: Flags,
    discounts: Floats,
) -> None:
    """The code of each row."""
    for i in range(prices.size):
        out[i] = reason(prices[i], forwards[i], strikes[i], years[i], calls[i], discounts[i])


@array_kernel
def reduce_rows(
    prices: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    calls: Flags,
    discounts: Floats,
    moneyness: Floats,
    target: Floats,
    low: Floats,
    row: Floats,
    column: Floats,
    per_root: Floats,
) -> None:
    """Each row's a, target and side, its place in the table, and 1/sqrt(T), which is NaN where nothing is implied."""
    for i in range(prices.size):
        forward, strike = forwards[i], strikes[i]
        code = reason(prices[i], forward, strike, years[i], calls[i], discounts[i])
        intrinsic = max(forward - strike if calls[i] else strike - forward, 0.0)
        share = (prices[i] / discounts[i] - intrinsic) / min(forward, strike)
        share = min(max(share, _SMALLEST_PRICE), 1.0 - _EPSILON)
        log_share = log(share)
        side = share < 0.5
        apart = abs(log_ratio(forward, strike))
        moneyness[i] = apart
        target[i] = log_share if side else log(1.0 - share)
        low[i] = 1.0 if side else 0.0
        root = math.sqrt(math.sqrt(-2.0 * log_share))
        row[i] = min(
            max((log(max(apart, 1e-6)) - _LOWEST_MONEYNESS) / _MONEYNESS_STEP, 0.0),
            MONEYNESS_POINTS - 1.000001,
        )
        column[i] = min(max((root - _LOWEST_PRICE_ROOT) / _PRICE_STEP, 0.0), PRICE_POINTS - 1.000001)
        per_root[i] = 1.0 / math.sqrt(years[i]) if code == SOLVED else math.nan


@array_kernel
def look_up(table: Floats, row: Floats, column: Floats, guess: Floats) -> None:
    """The table's ln s, bilinear; alone in its loop, because a gather next to stores is not vectorised."""
    for i in range(row.size):
        x, y = row[i], column[i]
        x = x if x >= 0.0 else 0.0  # NaN
        y = y if y >= 0.0 else 0.0
        above, left = np.uint64(x), np.uint64(y)
        down, right = x - above, y - left
        position = above * np.uint64(PRICE_POINTS) + left
        upper, upper_next = table[position], table[position + np.uint64(1)]
        lower, lower_next = (
            table[position + np.uint64(PRICE_POINTS)],
            table[position + np.uint64(PRICE_POINTS + 1)],
        )
        first = upper + right * (upper_next - upper)
        second = lower + right * (lower_next - lower)
        guess[i] = first + down * (second - first)


@array_kernel
def take_steps(guess: Floats, moneyness: Floats, target: Floats, low: Floats, length: Floats) -> None:
    """Two steps from ln s to s, and the relative length of the second."""
    use_widest_registers()
    for i in range(guess.size):
        a, goal, side = moneyness[i], target[i], low[i] > 0.0
        total_vol = exp(guess[i])
        total_vol += _bounded_step(a, total_vol, goal, side)
        step = _bounded_step(a, total_vol, goal, side)
        guess[i] = total_vol + step
        length[i] = abs(step) / total_vol


@array_kernel
def fill_implied(
    table: Floats,
    workspace: Floats,
    out: Floats,
    prices: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    calls: Flags,
    discounts: Floats,
) -> None:
    """Implied volatilities, a block of rows at a time so that what passes between the loops stays in cache."""
    block = workspace.shape[1]
    for start in range(0, prices.size, block):
        stop = min(start + block, prices.size)
        size = stop - start
        moneyness, target, low = workspace[0, :size], workspace[1, :size], workspace[2, :size]
        row, column, per_root = workspace[3, :size], workspace[4, :size], workspace[5, :size]
        guess = workspace[6, :size]
        reduce_rows(
            prices[start:stop],
            forwards[start:stop],
            strikes[start:stop],
            years[start:stop],
            calls[start:stop],
            discounts[start:stop],
            moneyness,
            target,
            low,
            row,
            column,
            per_root,
        )
        look_up(table, row, column, guess)
        take_steps(guess, moneyness, target, low, row)
        for i in range(size):
            if not row[i] <= _CLOSE and per_root[i] == per_root[i]:
                guess[i] = search(moneyness[i], target[i], low[i] > 0.0, guess[i])
            if target[i] < _NARROW_LOG_PRICE and moneyness[i] < _NARROW_MONEYNESS and low[i] > 0.0:
                guess[i] = narrow(moneyness[i], target[i])
            out[start + i] = guess[i] * per_root[i]
