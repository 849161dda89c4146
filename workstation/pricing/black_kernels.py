"""Black-76 kernels: one option in scalars, many in flat arrays.

Symbols next to the formulas: F forward, K strike, T years, v volatility, D discount factor, c +1 call -1 put,
r = -ln(D)/T, s = v sqrt(T), x = ln(F/K), d1 = x/s + s/2, d2 = x/s - s/2, N and phi the normal distribution and
density, Y(z) = N(-z)/phi(z) Mills' ratio. Formulas: Haug, The Complete Guide to Option Pricing Formulas, 2nd ed.,
chapter 2, with b = 0.

The limits fall out of the arithmetic instead of out of branches: T and v are floored far below anything a market
shows, and d1 and d2 are held within +-40, where the density is exactly 0. So no intermediate is 0/0.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workstation.numerics.vectormath import (
    array_kernel,
    erfcx,
    erfcx_pair,
    exp_of_negative,
    fma,
    log,
    log_ratio,
    log_ratio_and_inverse,
    scalar_kernel,
    use_widest_registers,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SQRT_HALF: Final = math.sqrt(0.5)
_SQRT_HALF_PI: Final = math.sqrt(0.5 * math.pi)
_DENSITY_AT_ZERO: Final = 1.0 / math.sqrt(2.0 * math.pi)
_FARTHEST: Final = 40.0  # phi(40) is 0 in double precision
_SHORTEST: Final = 1e-100  # years
_SMALLEST: Final = 1e-50  # volatility
_LARGEST: Final = 1e100  # volatility
_WIDEST_RATIO: Final = 1e300
_SERIES_BELOW: Final = 0.1  # total volatility under which the price is summed as a series in it


@scalar_kernel
def normal_density(z: float) -> float:
    """phi(z); 0 beyond +-37.6."""
    return _DENSITY_AT_ZERO * exp_of_negative(-0.5 * z * z)


@scalar_kernel
def normal_distribution(z: float) -> float:
    """N(z), with its relative digits kept in the lower tail."""
    tail = 0.5 * exp_of_negative(-0.5 * z * z) * erfcx(abs(z) * _SQRT_HALF)
    return tail if z < 0.0 else 1.0 - tail


@scalar_kernel
def _within(z: float) -> float:
    return min(max(z, -_FARTHEST), _FARTHEST)


@scalar_kernel
def is_valid(forward: float, strike: float, years: float, vol: float, discount: float) -> bool:
    """Whether Black-76 has a value: F, D > 0, K >= 0, finite; T, v >= 0. False for any NaN."""
    return bool(
        (forward > 0.0)
        & (forward < math.inf)
        & (strike >= 0.0)
        & (strike < math.inf)
        & (years >= 0.0)
        & (vol >= 0.0)
        & (discount > 0.0)
        & (discount < math.inf)
    )


@scalar_kernel
def log_moneyness(forward: float, strike: float) -> float:
    """x = ln(F/K); inf at strike 0."""
    return log_ratio(forward, strike) if strike > 0.0 else math.inf


@scalar_kernel
def total_volatility(years: float, vol: float) -> float:
    """s = v sqrt(T), floored and capped so that 1/s and s**2 are finite."""
    return min(max(vol, _SMALLEST), _LARGEST) * math.sqrt(min(max(years, _SHORTEST), _LARGEST))


@scalar_kernel
def distances(moneyness: float, total_vol: float) -> tuple[float, float]:
    """d1 and d2, held within +-40."""
    middle = moneyness / total_vol
    half = 0.5 * total_vol
    return _within(middle + half), _within(middle - half)


@scalar_kernel
def option_price(
    forward: float, strike: float, years: float, vol: float, call: bool, discount: float
) -> float:
    """Discounted price: intrinsic value plus the out-of-the-money price, so that neither loses digits.

    With h = |x|/s and t = s/2, the out-of-the-money price is D sqrt(FK) phi(h) exp(-t**2/2) (Y(h-t) - Y(h+t)).
    For a small t the difference is summed as the odd part of Y's Taylor series at h, whose derivatives follow from
    Y' = hY - 1, Y^(n+1) = h Y^(n) + n Y^(n-1).
    """
    discount = discount if is_valid(forward, strike, years, vol, discount) else math.nan
    total_vol = total_volatility(years, vol)
    h = min(abs(log_moneyness(forward, strike)) / total_vol, _FARTHEST)
    t = min(0.5 * total_vol, _FARTHEST)
    near, far = h - t, h + t
    # the series loses h**2 roundings, the difference h/s
    series = (total_vol < _SERIES_BELOW) & (h * total_vol < 1.0)
    first, second = erfcx_pair((h if series else abs(near)) * _SQRT_HALF, far * _SQRT_HALF)
    # Taylor
    y0 = _SQRT_HALF_PI * first
    y1 = fma(h, y0, -1.0)
    y2 = fma(h, y1, y0)
    y3 = fma(h, y2, 2.0 * y1)
    y4 = fma(h, y3, 3.0 * y2)
    y5 = fma(h, y4, 4.0 * y3)
    y6 = fma(h, y5, 5.0 * y4)
    y7 = fma(h, y6, 6.0 * y5)
    y8 = fma(h, y7, 7.0 * y6)
    y9 = fma(h, y8, 8.0 * y7)
    t2 = t * t
    odd = fma(y9, t2 / 72.0, y7)
    odd = fma(odd, t2 / 42.0, y5)
    odd = fma(odd, t2 / 20.0, y3)
    odd = fma(odd, t2 / 6.0, y1)
    summed = -2.0 * _DENSITY_AT_ZERO * t * odd
    # difference
    level = 0.5 * (first - second if near >= 0.0 else -(first + second))
    scale = math.sqrt(forward) * math.sqrt(strike) * exp_of_negative(-0.5 * fma(h, h, t2))
    whole = min(forward, strike) if (near < 0.0) & (not series) else 0.0
    otm = whole + scale * (summed if series else level)
    intrinsic = max(forward - strike if call else strike - forward, 0.0)
    return discount * (intrinsic + otm)


@scalar_kernel
def option_delta(
    forward: float, strike: float, years: float, vol: float, call: bool, discount: float
) -> float:
    """dV/dF = c D N(c d1)."""
    discount = discount if is_valid(forward, strike, years, vol, discount) else math.nan
    d1, _ = distances(log_moneyness(forward, strike), total_volatility(years, vol))
    return discount * (normal_distribution(d1) if call else -normal_distribution(-d1))


@scalar_kernel
def option_gamma(forward: float, strike: float, years: float, vol: float, discount: float) -> float:
    """d2V/dF2 = D phi(d1)/(F s)."""
    discount = discount if is_valid(forward, strike, years, vol, discount) else math.nan
    total_vol = total_volatility(years, vol)
    d1, _ = distances(log_moneyness(forward, strike), total_vol)
    gamma = discount * normal_density(d1) / (forward * total_vol)
    return math.nan if (forward == strike) & ((years == 0.0) | (vol == 0.0)) else gamma


@array_kernel
def logs(values: Floats, out: Floats) -> None:
    """Natural logarithms."""
    use_widest_registers()
    for i in range(values.size):
        out[i] = log(values[i])


@array_kernel
def fill_values(
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    calls: Flags,
    discounts: Floats,
    log_discounts: Floats,
    price: Floats,
    rho: Floats,
) -> None:
    """Price and rho = -T V."""
    use_widest_registers()
    for i in range(forwards.size):
        value = option_price(forwards[i], strikes[i], years[i], vols[i], calls[i], discounts[i])
        price[i] = value
        rho[i] = -years[i] * value


@array_kernel
def fill_slopes(
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    calls: Flags,
    discounts: Floats,
    log_discounts: Floats,
    delta: Floats,
    gamma: Floats,
    vega: Floats,
    theta: Floats,
    vanna: Floats,
    charm: Floats,
) -> None:
    """The greeks of the first two orders that everyone asks for."""
    use_widest_registers()
    for i in range(forwards.size):
        forward, strike = forwards[i], strikes[i]
        valid = is_valid(forward, strike, years[i], vols[i], discounts[i])
        discount = discounts[i] if valid else math.nan
        moneyness, inverse_forward = log_ratio_and_inverse(forward, strike)
        vol = min(max(vols[i], _SMALLEST), _LARGEST)
        root = math.sqrt(min(max(years[i], _SHORTEST), _LARGEST))
        total_vol = vol * root
        # one division gives 1/s, 1/sqrt(T) and 1/v
        inverse_total = 1.0 / total_vol
        inverse_root = vol * inverse_total
        inverse_vol = root * inverse_total
        inverse_time = inverse_root * inverse_root
        middle = moneyness * inverse_total
        d1, d2 = _within(middle + 0.5 * total_vol), _within(middle - 0.5 * total_vol)
        bell = exp_of_negative(-0.5 * d1 * d1)
        density = discount * _DENSITY_AT_ZERO * bell
        # K phi(d2) = F phi(d1)
        mills1, mills2 = erfcx_pair(abs(d1) * _SQRT_HALF, abs(d2) * _SQRT_HALF)
        tail1 = 0.5 * bell * mills1
        tail2 = 0.5 * bell * forward * mills2
        sign = 1.0 if calls[i] else -1.0
        share = tail1 if sign * d1 < 0.0 else 1.0 - tail1
        owed = tail2 if sign * d2 < 0.0 else strike - tail2
        slope = sign * discount * share
        value = fma(slope, forward, -sign * discount * owed)
        rate = -log_discounts[i] * inverse_time if years[i] > 0.0 else 0.0
        at_money = forward == strike
        expiring = at_money & (years[i] == 0.0)
        decay = density * forward * (vol * inverse_root)
        drift = density * d2 * inverse_time
        delta[i] = slope
        gamma[i] = (
            math.nan
            if expiring | (at_money & (vols[i] == 0.0))
            else density * inverse_total * inverse_forward
        )
        vega[i] = density * forward * (root if years[i] > 0.0 else 0.0)
        theta[i] = math.nan if expiring else fma(rate, value, -0.5 * decay)
        vanna[i] = -density * d2 * inverse_vol
        charm[i] = math.nan if expiring else fma(rate, slope, 0.5 * drift)


@array_kernel
def fill_curvatures(
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    calls: Flags,
    discounts: Floats,
    log_discounts: Floats,
    vomma: Floats,
    speed: Floats,
    color: Floats,
    zomma: Floats,
    ultima: Floats,
) -> None:
    """The greeks of second and third order that need no distribution function: the same for calls and puts."""
    use_widest_registers()
    for i in range(forwards.size):
        forward, strike = forwards[i], strikes[i]
        valid = is_valid(forward, strike, years[i], vols[i], discounts[i])
        discount = discounts[i] if valid else math.nan
        moneyness, inverse_forward = log_ratio_and_inverse(forward, strike)
        vol = min(max(vols[i], _SMALLEST), _LARGEST)
        root = math.sqrt(min(max(years[i], _SHORTEST), _LARGEST))
        inverse_total = 1.0 / (vol * root)
        inverse_root = vol * inverse_total
        per_vol = root * inverse_total
        inverse_time = inverse_root * inverse_root
        d1, d2 = distances(moneyness, vol * root)
        density = discount * normal_density(d1)
        product = d1 * d2
        vega = density * forward * (root if years[i] > 0.0 else 0.0)
        at_money = forward == strike
        unbounded = at_money & ((years[i] == 0.0) | (vols[i] == 0.0))
        gamma = math.nan if unbounded else density * inverse_total * inverse_forward
        rate = -log_discounts[i] * inverse_time if years[i] > 0.0 else 0.0
        vomma[i] = vega * product * per_vol
        speed[i] = -gamma * inverse_forward * fma(d1, inverse_total, 1.0)
        color[i] = gamma * fma(0.5 * inverse_time, 1.0 - product, rate)
        zomma[i] = gamma * (product - 1.0) * per_vol
        ultima[i] = vega * per_vol * per_vol * (product * (product - 1.0) - (d1 * d1 + d2 * d2))


@array_kernel
def add_gamma_profile(
    shift_logs: Floats,
    profile: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    weights: Floats,
) -> None:
    """Add sum_i w_i phi(d1_i)/(F_i s_i) at each ln(1 + shift); the caller divides by 1 + shift.

    Moving the forward by ln(1 + shift) moves d1 by that over s: one exp per cell. Four contracts go over the profile
    together, added in their order, so that it is read and written a quarter as often; the last four are filled up with 0.
    """
    use_widest_registers()
    scale, slope, start = np.zeros((3, forwards.size + 3))
    size = 0
    for i in range(forwards.size):
        if years[i] == 0.0 or vols[i] == 0.0 or weights[i] == 0.0:
            continue
        total_vol = total_volatility(years[i], vols[i])
        valid = is_valid(forwards[i], strikes[i], years[i], vols[i], 1.0)
        scale[size] = weights[i] * _DENSITY_AT_ZERO / (forwards[i] * total_vol) if valid else math.nan
        slope[size] = 1.0 / total_vol
        start[size] = log_moneyness(forwards[i], strikes[i]) * slope[size] + 0.5 * total_vol
        size += 1
    for i in range(0, size, 4):
        for j in range(shift_logs.size):
            shift = shift_logs[j]
            first = _within(fma(shift, slope[i], start[i]))
            second = _within(fma(shift, slope[i + 1], start[i + 1]))
            third = _within(fma(shift, slope[i + 2], start[i + 2]))
            fourth = _within(fma(shift, slope[i + 3], start[i + 3]))
            total = profile[j] + scale[i] * exp_of_negative(-0.5 * first * first)
            total += scale[i + 1] * exp_of_negative(-0.5 * second * second)
            total += scale[i + 2] * exp_of_negative(-0.5 * third * third)
            profile[j] = total + scale[i + 3] * exp_of_negative(-0.5 * fourth * fourth)


@array_kernel
def add_delta_profile(
    shift_logs: Floats,
    profile: Floats,
    forwards: Floats,
    strikes: Floats,
    years: Floats,
    vols: Floats,
    calls: Flags,
    weights: Floats,
) -> None:
    """Add sum_i w_i c_i N(c_i d1_i) at each ln(1 + shift).

    One shift goes over all contracts, for there are often fewer shifts than a register holds; four such sums run side by side with
    each other, each in the contracts' order. The last four are filled up with the last shift again.
    """
    use_widest_registers()
    size, last = forwards.size, shift_logs.size - 1
    slope, moneyness, half, sign, weight = np.empty((5, size))
    for i in range(size):
        total_vol = total_volatility(years[i], vols[i])
        valid = is_valid(forwards[i], strikes[i], years[i], vols[i], 1.0)
        slope[i] = 1.0 / total_vol
        moneyness[i] = log_moneyness(forwards[i], strikes[i])
        half[i] = 0.5 * total_vol
        sign[i] = 1.0 if calls[i] else -1.0
        weight[i] = sign[i] * weights[i] if valid else math.nan
    share = np.empty((4, size))
    for j in range(0, last + 1, 4):
        for k in range(4):
            shift = shift_logs[min(j + k, last)]
            for i in range(size):
                moved = _within((moneyness[i] + shift) * slope[i] + half[i])
                share[k, i] = normal_distribution(sign[i] * moved)
        second, third, fourth = min(j + 1, last), min(j + 2, last), min(j + 3, last)
        sum1, sum2, sum3, sum4 = profile[j], profile[second], profile[third], profile[fourth]
        for i in range(size):
            sum1 += weight[i] * share[0, i]
            sum2 += weight[i] * share[1, i]
            sum3 += weight[i] * share[2, i]
            sum4 += weight[i] * share[3, i]
        profile[j], profile[second], profile[third], profile[fourth] = sum1, sum2, sum3, sum4
