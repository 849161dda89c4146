"""The frame queue: bounded, ordered, and honest about what it could not keep."""

from __future__ import annotations

import asyncio

import pytest

from workstation.feeds.venue_kit.frame_queue import FrameQueue, LostPrints

PRINTS = "trades.option.BTC.100ms"


def made(capacity: int) -> FrameQueue:
    return FrameQueue(
        capacity,
        is_print=lambda channel: channel.startswith("trades."),
        prints_in=lambda payload: payload.count(b'"trade_seq"'),
    )


def test_frames_leave_in_the_order_they_came() -> None:
    queue = made(10)
    for at, channel in enumerate(["quote.a", PRINTS, "quote.b", PRINTS, "quote.a"]):
        queue.put(channel, b"%d" % at, at)
    drained = queue.drain()
    assert [frame.payload for frame in drained.frames] == [b"0", b"1", b"2", b"3", b"4"]
    assert (drained.conflated, drained.lost, len(queue)) == ({}, {}, 0)


def test_states_beyond_capacity_leave_the_newest_of_each_channel() -> None:
    queue = made(2)
    for at in range(10):
        queue.put(f"quote.{'ab'[at % 2]}", b"%d" % at, at)
    drained = queue.drain()
    assert [frame.payload for frame in drained.frames] == [b"0", b"1", b"8", b"9"]
    assert drained.conflated == {"quote.a": 3, "quote.b": 3}
    assert len(drained.frames) + sum(drained.conflated.values()) == 10


def test_prints_beyond_capacity_are_counted_print_by_print() -> None:
    queue = made(1)
    for at in range(4):
        queue.put(PRINTS, b'[{"trade_seq":1},{"trade_seq":2}]', at)
    drained = queue.drain()
    assert len(drained.frames) == 1
    assert drained.lost == {PRINTS: LostPrints(prints=6, first_ns=1, last_ns=3)}
    assert queue.drain().lost == {}, "told once"


def test_states_never_take_the_place_of_prints() -> None:
    queue = made(3)
    for at in range(100):
        queue.put("quote.a", b"", at)
    queue.put(PRINTS, b"", 100)
    assert PRINTS in {frame.channel for frame in queue.drain().frames}


async def test_waiting_ends_with_a_frame_or_a_wake() -> None:
    queue = made(1)
    waiting = asyncio.ensure_future(queue.arrived())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.wake()
    await asyncio.wait_for(waiting, 5)
    queue.drain()
    queue.put("quote.a", b"", 0)
    await asyncio.wait_for(queue.arrived(), 5)


def test_an_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        made(0)
