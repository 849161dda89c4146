"""Kernels called without a look at the types of their arguments: what Numba has to keep for that."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from workstation.numerics.typed_kernel import TypedKernel


class Pair(NamedTuple):
    values: Any
    factor: float


@numba.njit
def scaled(pair: Pair, many: int, twice: bool) -> float:
    return pair.values[:many].sum() * pair.factor * (2.0 if twice else 1.0)  # type: ignore[no-any-return]


def test_a_typed_kernel_gives_what_the_kernel_gives() -> None:
    typed = TypedKernel(scaled)
    for values, factor, many, twice in (
        (np.arange(4.0), 2.0, 3, True),
        (np.arange(9.0), 3, np.int64(2), np.False_),
    ):
        locked = values.copy()
        locked.setflags(write=False)
        assert typed(Pair(locked, factor), many, twice) == scaled(
            Pair(values, float(factor)), int(many), bool(twice)
        )


def test_what_cannot_be_taken_for_the_type_is_refused() -> None:
    typed = TypedKernel(scaled)
    typed(Pair(np.arange(3.0), 1.0), 2, False)
    with pytest.raises(TypeError, match="unbox"):
        typed(Pair(np.arange(3, dtype=np.int32), 1.0), 2, False)
    with pytest.raises(TypeError):
        typed((np.arange(3.0),), 2, False)


def test_an_exception_of_the_kernel_reaches_the_caller() -> None:
    @numba.njit
    def fails(values: Any) -> float:
        if values[0] > 0.0:
            raise ValueError("positive")
        return 0.0

    typed = TypedKernel(fails)
    assert typed(np.zeros(1)) == 0.0
    with pytest.raises(ValueError, match="positive"):
        typed(np.ones(1))


def test_a_plain_function_is_called_as_it_is() -> None:
    assert TypedKernel(lambda x: x + 1)(2) == 3
