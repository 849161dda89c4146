"""A batch by instrument."""

from __future__ import annotations

import numpy as np
import pytest

from workstation.indicators.batch.by_instrument import (
    TradeArrays,
    TradeGroups,
    group_trades,
    in_row_order,
    take_old,
)
from workstation.indicators.batch.trade_batch import TradeReader, as_kernel_array
from workstation.market.tables import TRADES


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("chunks", [[20], [1] * 20, [2, 7, 3, 8], [13, 7]])
def test_what_came_a_window_before_whatever_the_chunks(size: int, chunks: list[int]) -> None:
    values = np.arange(1.0, 21.0)
    ring, at, got = np.zeros(size), 0, np.empty(20)
    done = 0
    for many in chunks:
        at = take_old(ring, at, values[done : done + many], got[done : done + many])
        done += many
    assert got.tolist() == [0.0] * size + values[:-size].tolist()


def arrays(rows: int) -> TradeArrays:
    return TradeArrays(
        np.zeros(rows, np.int64),
        np.zeros(rows),
        np.zeros(rows),
        np.zeros(rows, np.int8),
        np.zeros(rows, np.int32),
    )


@pytest.mark.parametrize("plain", [True, False])
def test_a_batch_by_instrument(plain: bool) -> None:
    codes = np.array([70, 3, 70, 9, 3], dtype=np.int16)
    flags = np.zeros(5, dtype=np.int32) if plain else np.arange(5, dtype=np.int32)
    numbers, counts = np.arange(5.0), np.zeros(100, dtype=np.int64)
    trades = TradeArrays(np.arange(5) * 10, numbers, numbers + 0.5, flags.astype(np.int8), flags)
    out = TradeGroups(*(np.zeros(6, dtype=np.int64) for _ in range(3)), arrays(5))
    found = group_trades(codes, counts, trades, plain, out)
    assert found == 3 and out.codes[:3].tolist() == [70, 3, 9] and out.offsets[:4].tolist() == [0, 2, 4, 5]
    order = [0, 2, 1, 4, 3]
    assert out.rows[:5].tolist() == order and out.trades.event_ns.tolist() == [10 * row for row in order]
    assert out.trades.price.tolist() == order and (out.trades.size - out.trades.price == 0.5).all()
    assert out.trades.flags.tolist() == flags[order].tolist() == out.trades.side.tolist()
    assert not counts.any()


def test_readers_have_scratch_of_their_own() -> None:
    """What one reader's batch needs is no shorter for another's."""
    batches = [
        TRADES.batch({"event_ns": np.arange(rows), "instrument": "X", "price": 1.0, "size": 1.0}) for rows in (5_000, 3)
    ]  # fmt: skip
    first, second = TradeReader(), TradeReader()
    held = first.columns(batches[0])
    short = second.groups(second.columns(batches[1]))
    groups = first.groups(held)
    assert groups.offsets.tolist() == [0, 5_000] and groups.trades.price is not short.trades.price
    assert groups.trades.flags.size >= 5_000


def test_positions_in_row_order() -> None:
    rows = np.array([7, 2, 9, 0])
    assert rows[in_row_order(rows, 10)].tolist() == [0, 2, 7, 9]


def test_inputs_of_kernels_are_of_one_type_and_the_same_memory() -> None:
    values = np.arange(6.0)
    assert as_kernel_array(values) is values
    locked = values.view()
    locked.setflags(write=False)
    shown = as_kernel_array(locked)
    assert shown.flags.writeable and shown.flags.c_contiguous and np.shares_memory(shown, values)
    assert as_kernel_array(values[::2]).flags.c_contiguous
    held = as_kernel_array(np.frombuffer(bytes(bytearray(np.arange(3.0).tobytes()))))
    assert held.tolist() == [0.0, 1.0, 2.0]
