"""Eight float64 side by side, for kernels whose step depends on the one before and which the compiler leaves scalar.

``Lanes`` is a Numba type: an LLVM vector of eight doubles, which becomes one AVX-512 register, two of AVX2 or four of
NEON. Inside a kernel it is taken from an array (``lanes_at``), added, multiplied, turned, and put back (``put_lanes``).

A running sum of eight is three steps, each adding what lies 1, 2, 4 lanes before. What a turn brings round the corner is
multiplied by 0 in the step's weights: a step costs a turn and a multiply-add. So a value that is not finite spoils its
neighbours, and a kernel that finds its total not finite must do those eight one by one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import extending
from numba.core import cgutils, errors, types
from numba.extending import models, overload, register_model

LANES = 8


def intrinsic(typing: Callable[..., Any]) -> Any:
    """Numba's: what it makes is called with the arguments of the kernel, not with those of the typing."""
    return extending.intrinsic(typing)


class LanesType(types.Type):
    """Type of eight float64 side by side."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES_TYPE = LanesType()
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_DOUBLE_BYTES = 8
_function: Any = cgutils.get_or_insert_function


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, of: Any) -> None:
        super().__init__(manager, of, _VECTOR)  # type: ignore[no-untyped-call]


def _places(lanes: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, place: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())


def _literal(number: Any) -> int:
    if not isinstance(number, types.IntegerLiteral):
        raise errors.RequireLiteralValue("a lane is a literal number")
    return int(number.literal_value)


@intrinsic
def lanes_at(_typing: Any, array: Any, place: Any) -> Any:
    """Eight values of a contiguous float64 array of any shape, from ``place`` of all its values on; nothing is checked."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        loaded = builder.load(_pointer(context, builder, signature.args[0], given[0], given[1]))
        loaded.align = _DOUBLE_BYTES
        return loaded

    return _LANES_TYPE(array, types.uint64), generate


@intrinsic
def put_lanes(_typing: Any, array: Any, place: Any, lanes: Any) -> Any:
    """Write eight values to a contiguous float64 array, as ``lanes_at`` reads them."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        written = builder.store(given[2], _pointer(context, builder, signature.args[0], given[0], given[1]))
        written.align = _DOUBLE_BYTES
        return context.get_dummy_value()

    return types.none(array, types.uint64, lanes), generate


@intrinsic
def any_of_eight(_typing: Any, flags: Any, place: Any) -> Any:
    """Whether any of eight truth values of a contiguous array is set, from ``place`` on; nothing is checked."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, given[0]).data
        eight = builder.bitcast(builder.gep(data, [given[1]]), ir.IntType(8 * LANES).as_pointer())
        loaded = builder.load(eight)
        loaded.align = 1
        return builder.icmp_unsigned("!=", loaded, ir.Constant(ir.IntType(8 * LANES), 0))

    return types.boolean(flags, types.uint64), generate


@intrinsic
def in_all_lanes(_typing: Any, value: Any) -> Any:
    """One number in every lane."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first = builder.insert_element(
            ir.Constant(_VECTOR, ir.Undefined), given[0], ir.Constant(ir.IntType(32), 0)
        )
        return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), _places([0] * LANES))

    return _LANES_TYPE(types.float64), generate


@intrinsic
def turned(_typing: Any, lanes: Any, by: Any) -> Any:
    """Lane j gets what lane j - ``by`` (modulo 8) has; ``by`` is a literal."""
    steps = _literal(by)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        positions = _places([(lane - steps) % LANES for lane in range(LANES)])
        return builder.shuffle_vector(given[0], ir.Constant(_VECTOR, ir.Undefined), positions)

    return _LANES_TYPE(lanes, by), generate


@intrinsic
def shifted(_typing: Any, lanes: Any, before: Any, by: Any) -> Any:
    """Lane j gets what is ``by`` (a literal) lanes before it, the last lanes of ``before`` going before the first ones."""
    steps = _literal(by)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.shuffle_vector(
            given[1], given[0], _places([LANES - steps + lane for lane in range(LANES)])
        )

    return _LANES_TYPE(lanes, before, by), generate


@intrinsic
def lane(_typing: Any, lanes: Any, place: Any) -> Any:
    """One lane's number; ``place`` is a literal."""
    at = _literal(place)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.extract_element(given[0], ir.Constant(ir.IntType(32), at))

    return types.float64(lanes, place), generate


@intrinsic
def multiply_add(_typing: Any, one: Any, other: Any, addend: Any) -> Any:
    """``one * other + addend``, fused where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        return builder.call(_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f64"), given)

    return _LANES_TYPE(one, other, addend), generate


@intrinsic
def _sum(_typing: Any, one: Any, other: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fadd(*given)

    return _LANES_TYPE(one, other), generate


@intrinsic
def _product(_typing: Any, one: Any, other: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fmul(*given)

    return _LANES_TYPE(one, other), generate


def _chosen(comparison: str) -> Callable[..., Any]:
    """Code of the lanes of one where the comparison with the other holds, else of the other."""

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.select(builder.fcmp_ordered(comparison, *given), *given)

    return generate


@intrinsic
def larger(_typing: Any, one: Any, other: Any) -> Any:
    """Lane by lane the one that is larger; the other where they are equal or one is NaN."""
    return _LANES_TYPE(one, other), _chosen(">")


@intrinsic
def smaller(_typing: Any, one: Any, other: Any) -> Any:
    """Lane by lane the one that is smaller; the other where they are equal or one is NaN."""
    return _LANES_TYPE(one, other), _chosen("<")


@overload(operator.add, strict=False)
def _add(one: Any, other: Any) -> Any:
    if isinstance(one, LanesType) and isinstance(other, LanesType):
        return lambda one, other: _sum(one, other)
    return None


@overload(operator.mul, strict=False)
def _multiply(one: Any, other: Any) -> Any:
    if isinstance(one, LanesType) and isinstance(other, LanesType):
        return lambda one, other: _product(one, other)
    return None


def forward_weights(ratio: float = 1.0) -> npt.NDArray[np.float64]:
    """Weights for ``summed_forward``, shape (3, 8)."""
    return np.array([[ratio**step if at >= step else 0.0 for at in range(LANES)] for step in (1, 2, 4)])


def backward_weights() -> npt.NDArray[np.float64]:
    """Weights for ``summed_backward``, shape (3, 8)."""
    return np.ascontiguousarray(forward_weights()[:, ::-1])


@numba.njit(cache=True, nogil=True)
def summed_forward(lanes: Any, one: Any, two: Any, four: Any) -> Any:
    """Lane j gets the sum of ``ratio**(j - k)`` times lane k over k <= j; the weights are ``forward_weights(ratio)``."""
    lanes = multiply_add(one, turned(lanes, 1), lanes)
    lanes = multiply_add(two, turned(lanes, 2), lanes)
    return multiply_add(four, turned(lanes, 4), lanes)


@numba.njit(cache=True, nogil=True)
def summed_backward(lanes: Any, one: Any, two: Any, four: Any) -> Any:
    """Lane j gets the sum of the lanes k >= j; the weights are ``backward_weights()``."""
    lanes = multiply_add(one, turned(lanes, -1), lanes)
    lanes = multiply_add(two, turned(lanes, -2), lanes)
    return multiply_add(four, turned(lanes, -4), lanes)


@numba.njit(cache=True, nogil=True)
def summed(lanes: Any) -> Any:
    """The sum of all lanes, in every lane."""
    lanes = lanes + turned(lanes, 4)
    lanes = lanes + turned(lanes, 2)
    return lanes + turned(lanes, 1)


@numba.njit(cache=True, nogil=True)
def largest(lanes: Any) -> Any:
    """The largest lane."""
    lanes = larger(lanes, turned(lanes, 4))
    lanes = larger(lanes, turned(lanes, 2))
    return lane(larger(lanes, turned(lanes, 1)), 0)


@numba.njit(cache=True, nogil=True)
def smallest(lanes: Any) -> Any:
    """The smallest lane."""
    lanes = smaller(lanes, turned(lanes, 4))
    lanes = smaller(lanes, turned(lanes, 2))
    return lane(smaller(lanes, turned(lanes, 1)), 0)
