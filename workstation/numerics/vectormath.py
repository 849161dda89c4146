"""Elementary functions that LLVM turns into SIMD code: exp, log, log of a ratio, erfcx.

A call into libm stops the vectorisation of the loop around it. These are polynomials over fused multiply-adds
and bit casts, without a call, a table or an unpredictable branch, so a loop of them runs eight doubles at a
time on AVX-512 and four on AVX2. Every bound below is proved against 50-digit arithmetic in the tests, which
also derive the coefficients anew.

============  ==========================  ======================================
function      domain                      relative error
============  ==========================  ======================================
exp           [-708, 709]                 4e-16; 0 below, inf above
log           [2.3e-308, 1.7e308]         4e-16; -inf at 0, NaN below, inf at inf
log_ratio     a, b > 0, a/b normal        4e-16, also for a/b within 1e-15 of 1
erfcx         [0, 1e15]                   2e-15
============  ==========================  ======================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar, cast

import numba as nb
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

# No "reassoc": the splitting of ln 2 and the residual of a division rely on the written order. No "nnan" and no
# "ninf": NaN and infinities are values here.
FASTMATH: Final = frozenset({"nsz", "arcp", "contract"})


_OPTIONS: Final[dict[str, Any]] = {
    "fastmath": set(FASTMATH),
    "error_model": "numpy",  # Python's ZeroDivisionError would put a branch next to every division
    "cache": True,
}

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Decorator(Protocol):
    def __call__(self, function: _Function, /) -> _Function: ...


#: Decorator of a scalar kernel: inlined into the loop that calls it, so that the loop vectorises.
scalar_kernel: _Decorator = nb.njit(forceinline=True, **_OPTIONS)
#: Decorator of a kernel with loops over arrays.
array_kernel: _Decorator = nb.njit(**_OPTIONS)

_EXP_LOWEST: Final = -708.0  # exp of it is still a normal number
_EXP_HIGHEST: Final = 709.0
_INVERSE_LN2: Final = 1.4426950408889634
_LN2_HIGH: Final = 0.6931471805598903  # the first 42 bits of ln 2: a multiple by an exponent is exact
_LN2_LOW: Final = 5.497923018708371e-14
_ROUNDER: Final = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
_ROUNDER_BITS: Final = 0x4338000000000000
_SMALLEST_NORMAL: Final = 2.0**-1022
_SQRT_HALF_BITS: Final = 0x3FE6A09E667F3BCD
_MANTISSA_BITS: Final = 52

# 1/k! for k = 2..13: the remainder of the series on |r| <= ln(2)/2 is under 5e-18.
_EXP_SERIES: Final = tuple(1.0 / math.factorial(k) for k in range(2, 14))

# (ln((1+s)/(1-s))/s - 2)/z as a polynomial of z = s**2 on [0, (3 - 2 sqrt 2)**2]: Chebyshev, truncated at 5e-18 of
# the logarithm.
_LOG_POLYNOMIAL: Final = (
    0.666666666666667,
    0.39999999999899005,
    0.28571428626173057,
    0.2222221110612709,
    0.1818289100504977,
    0.15331664799306263,
    0.14617093237558204,
)

# (x + 3.75) erfcx(x) as a polynomial of t = (x - 3.75)/(x + 3.75), which maps [0, inf) onto [-1, 1): Chebyshev,
# truncated at 2e-16.
_ERFCX_SHIFT: Final = 3.75
_ERFCX_POLYNOMIAL: Final = (
    1.0919229095627891,
    -0.958741576652907,
    0.7363189252217537,
    -0.4904702912079008,
    0.2790620490336852,
    -0.13195540117271704,
    0.04911877861720606,
    -0.012535880111294594,
    0.000986338060145727,
    0.0007948235703551596,
    -0.00034864674071764747,
    1.0592066137231293e-05,
    3.7471310663113975e-05,
    -8.898917523864311e-06,
    -3.288570958593065e-06,
    1.6475119950583854e-06,
    2.7865722181858276e-07,
    -2.543522942113537e-07,
    -2.592284333798498e-08,
    3.387615398931315e-08,
    2.774844499122888e-09,
    -2.8361258364518016e-09,
    -2.299114056507738e-10,
)


def _generate_bits(typing_context: Any, x: Any) -> Any:
    """The 64 bits of a double as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


def _generate_double(typing_context: Any, bits: Any) -> Any:
    """The double that has these 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


def _generate_fma(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once (only inside a kernel)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(arguments[0], arguments[1], arguments[2])

    return types.float64(types.float64, types.float64, types.float64), generate


_bits = cast("Callable[[float], int]", intrinsic(_generate_bits))
_double = cast("Callable[[int], float]", intrinsic(_generate_double))
#: x * y + z, rounded once (only inside a kernel).
fma = cast("Callable[[float, float, float], float]", intrinsic(_generate_fma))


def _generate_widest(typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # llvmlite's own add() knows only the attributes that are single words
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


#: Called in an array kernel: its loops use the processor's widest registers, which LLVM halves by default on
#: some processors with AVX-512. Nothing changes where there are none.
use_widest_registers = cast("Callable[[], None]", intrinsic(_generate_widest))


@scalar_kernel
def _exp_inside(x: float) -> float:
    """e**x on [-708, 709]."""
    rounded = fma(x, _INVERSE_LN2, _ROUNDER)
    k = rounded - _ROUNDER
    r = fma(k, -_LN2_LOW, fma(k, -_LN2_HIGH, x))
    p = _EXP_SERIES[11]
    p = fma(p, r, _EXP_SERIES[10])
    p = fma(p, r, _EXP_SERIES[9])
    p = fma(p, r, _EXP_SERIES[8])
    p = fma(p, r, _EXP_SERIES[7])
    p = fma(p, r, _EXP_SERIES[6])
    p = fma(p, r, _EXP_SERIES[5])
    p = fma(p, r, _EXP_SERIES[4])
    p = fma(p, r, _EXP_SERIES[3])
    p = fma(p, r, _EXP_SERIES[2])
    p = fma(p, r, _EXP_SERIES[1])
    p = fma(p, r, _EXP_SERIES[0])
    p = fma(p * r, r, r) + 1.0
    return _double(_bits(p) + (_bits(rounded) << _MANTISSA_BITS))


@scalar_kernel
def exp(x: float) -> float:
    """e**x; 0 under -708 (no subnormals), inf over 709, NaN for NaN."""
    scaled = _exp_inside(min(max(x, _EXP_LOWEST), _EXP_HIGHEST))
    scaled = scaled if x >= _EXP_LOWEST else 0.0
    scaled = scaled if x <= _EXP_HIGHEST else math.inf
    return scaled if x == x else x


@scalar_kernel
def exp_of_negative(x: float) -> float:
    """e**x for x <= 0: exp without the cases it does not need; 0 under -708, not told for NaN."""
    scaled = _exp_inside(max(x, _EXP_LOWEST))
    return scaled if x >= _EXP_LOWEST else 0.0


@scalar_kernel
def _split(x: float) -> tuple[float, float]:
    """k and f of x = 2**k (1 + f) with 1 + f in [sqrt(1/2), sqrt 2)."""
    exponent = (_bits(x) - _SQRT_HALF_BITS) >> _MANTISSA_BITS
    mantissa = _double(_bits(x) - (exponent << _MANTISSA_BITS))
    return _double(exponent + _ROUNDER_BITS) - _ROUNDER, mantissa - 1.0


@scalar_kernel
def _join(x: float, k: float, f: float, s: float) -> float:
    """ln x from its parts and s = f/(2 + f)."""
    z = s * s
    p = _LOG_POLYNOMIAL[6]
    p = fma(p, z, _LOG_POLYNOMIAL[5])
    p = fma(p, z, _LOG_POLYNOMIAL[4])
    p = fma(p, z, _LOG_POLYNOMIAL[3])
    p = fma(p, z, _LOG_POLYNOMIAL[2])
    p = fma(p, z, _LOG_POLYNOMIAL[1])
    p = fma(p, z, _LOG_POLYNOMIAL[0])
    # ln(1+f) = f - (f**2/2 - s (f**2/2 + z p)): the large part f carries no rounding (fdlibm, e_log.c)
    half_square = 0.5 * f * f
    correction = fma(k, _LN2_LOW, s * fma(z, p, half_square))
    natural = fma(k, _LN2_HIGH, f - (half_square - correction))
    natural = natural if x < math.inf else x
    natural = natural if x >= _SMALLEST_NORMAL else -math.inf
    return natural if x >= 0.0 else math.nan


@scalar_kernel
def log(x: float) -> float:
    """The natural logarithm; -inf at 0 and of subnormals, NaN of negatives and NaN, inf of inf."""
    k, f = _split(x)
    return _join(x, k, f, f / (2.0 + f))


@scalar_kernel
def log_ratio_and_inverse(a: float, b: float) -> tuple[float, float]:
    """ln(a/b), with the rounding of the division taken back so that it keeps its digits near a = b, and 1/a.

    Division is what the loop around waits for, so the logarithm's and 1/a are one; a must be under 7e307.
    """
    quotient = a / b
    k, f = _split(quotient)
    divisor = 2.0 + f
    shared = 1.0 / (divisor * a)
    inverse = shared * divisor
    near = (quotient > 0.5) & (quotient < 2.0)
    residual = fma(-quotient, b, a) * inverse
    return _join(quotient, k, f, f * (shared * a)) + (residual if near else 0.0), inverse


@scalar_kernel
def log_ratio(a: float, b: float) -> float:
    """ln(a/b) with the rounding of the division taken back, so that it keeps its digits near a = b."""
    quotient = a / b
    near = (quotient > 0.5) & (quotient < 2.0)
    residual = fma(-quotient, b, a) / a
    return log(quotient) + (residual if near else 0.0)


@scalar_kernel
def _erfcx_polynomial(t: float) -> float:
    # even and odd powers apart: two chains half as long
    t2 = t * t
    even = fma(_ERFCX_POLYNOMIAL[22], t2, _ERFCX_POLYNOMIAL[20])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[18])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[16])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[14])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[12])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[10])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[8])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[6])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[4])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[2])
    even = fma(even, t2, _ERFCX_POLYNOMIAL[0])
    odd = fma(_ERFCX_POLYNOMIAL[21], t2, _ERFCX_POLYNOMIAL[19])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[17])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[15])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[13])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[11])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[9])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[7])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[5])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[3])
    odd = fma(odd, t2, _ERFCX_POLYNOMIAL[1])
    return fma(odd, t, even)


@scalar_kernel
def erfcx(x: float) -> float:
    """exp(x**2) erfc(x) for x >= 0; meaningless below 0."""
    inverse = 1.0 / (x + _ERFCX_SHIFT)
    return _erfcx_polynomial((x - _ERFCX_SHIFT) * inverse) * inverse


@scalar_kernel
def erfcx_pair(x: float, y: float) -> tuple[float, float]:
    """erfcx of two arguments in [0, 1e150] with one division between them."""
    shifted_x, shifted_y = x + _ERFCX_SHIFT, y + _ERFCX_SHIFT
    shared = 1.0 / (shifted_x * shifted_y)
    inverse_x, inverse_y = shared * shifted_y, shared * shifted_x
    return (
        _erfcx_polynomial((x - _ERFCX_SHIFT) * inverse_x) * inverse_x,
        _erfcx_polynomial((y - _ERFCX_SHIFT) * inverse_y) * inverse_y,
    )
