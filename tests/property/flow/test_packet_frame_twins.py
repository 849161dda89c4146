"""Columns of packets that a kernel writes are those of its plain-Python twin and of NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workstation.flow import packet_kernels as k
from workstation.flow.packet_frames import copy_columns, fill_ratios

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, np.nan])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6), st.integers(0, 2**31), NUMBERS, NUMBERS)
def test_ratios_are_those_of_the_twin_and_of_numpy(rows: int, seed: int, size: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    ints = rng.integers(0, 9, (rows, k.INTS))
    floats = rng.normal(size=(rows, k.FLOATS))
    floats[: rows // 2, k.SIZE], floats[: rows // 2, k.SPREAD_PRINTS] = size, spread
    columns, places, means = np.array([k.BUY, k.SELL]), np.array([1, 0]), np.arange(2, 9)
    told, twin = np.zeros((9, rows)), np.zeros((9, rows))
    fill_ratios(ints, floats, columns, places, means, told)
    with np.errstate(all="ignore"):
        fill_ratios.py_func(ints, floats, columns, places, means, twin)
        np.testing.assert_array_equal(told, twin)
        sizes = floats[:, k.SIZE]
        vwap = np.where(sizes > 0, floats[:, k.NOTIONAL] / sizes, np.nan)
        np.testing.assert_array_equal(told[2], vwap)
        known = sizes > 0
        np.testing.assert_array_equal(told[0, known], floats[known, k.SELL] / sizes[known])
    np.testing.assert_array_equal(told[6], ints[:, k.FRESH] / np.maximum(ints[:, k.PRINTS], 1))


def test_columns_are_copied_to_the_rows_named() -> None:
    records = np.arange(12).reshape(3, 4)
    told, twin = np.zeros((3, 3), np.int32), np.zeros((3, 3), np.int32)
    columns, places = np.array([3, 0]), np.array([0, 2])
    copy_columns(records, columns, places, told)
    copy_columns.py_func(records, columns, places, twin)
    assert told.tolist() == twin.tolist() == [[3, 7, 11], [0, 0, 0], [0, 4, 8]]
