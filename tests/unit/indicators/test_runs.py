"""A batch by instrument."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from workstation.indicators.batch.by_instrument import gather, in_row_order, take_old
from workstation.indicators.batch.trade_batch import runs_of, trade_columns
from workstation.market.tables import TRADES


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("pieces", [[20], [1] * 20, [2, 7, 3, 8], [13, 7]])
def test_what_came_a_window_before_whatever_the_pieces(size: int, pieces: list[int]) -> None:
    values = np.arange(1.0, 21.0)
    ring, at, got = np.zeros(size), 0, np.empty(20)
    done = 0
    for many in pieces:
        at = take_old(ring, at, values[done : done + many], got[done : done + many])
        done += many
    assert got.tolist() == [0.0] * size + values[:-size].tolist()


@pytest.mark.parametrize("plain", [True, False])
def test_a_batch_by_instrument(plain: bool) -> None:
    codes = np.array([70, 3, 70, 9, 3], dtype=np.int16)
    flags = np.zeros(5, dtype=np.int32) if plain else np.arange(5, dtype=np.int32)
    numbers, counts = np.arange(5.0), np.zeros(100, dtype=np.int64)
    rows, owners, edges, times = (np.zeros(6, dtype=np.int64) for _ in range(4))
    price, size, flags_out = np.zeros(5), np.zeros(5), np.zeros(5, dtype=np.int32)
    found = gather(
        codes, counts, np.arange(5) * 10, numbers, numbers + 0.5, flags, plain, rows, owners, edges, times, price, size, flags_out
    )  # fmt: skip
    assert found == 3 and owners[:3].tolist() == [70, 3, 9] and edges[:4].tolist() == [0, 2, 4, 5]
    order = [0, 2, 1, 4, 3]
    assert rows[:5].tolist() == order and times[:5].tolist() == [10 * row for row in order]
    assert (
        price.tolist() == order
        and (size - price == 0.5).all()
        and flags_out.tolist() == flags[order].tolist()
    )
    assert not counts.any()


def test_threads_have_room_of_their_own() -> None:
    """What one thread's batch needs is no shorter for another's."""
    batches = [
        TRADES.batch({"event_ns": np.arange(rows), "instrument": "X", "price": 1.0, "size": 1.0}) for rows in (5_000, 3)
    ]  # fmt: skip
    held = trade_columns(batches[0])
    with ThreadPoolExecutor(1) as other:
        short = other.submit(lambda: (trade_columns(batches[1]), runs_of(trade_columns(batches[1])))).result()
    assert short[0].flags.base is not held.flags.base and short[1].price.base is None
    runs = runs_of(held)
    assert runs.edges.tolist() == [0, 5_000] and runs.price is not short[1].price and runs.flags.size == 5_000


def test_places_in_row_order() -> None:
    rows = np.array([7, 2, 9, 0])
    assert rows[in_row_order(rows, 10)].tolist() == [0, 2, 7, 9]
