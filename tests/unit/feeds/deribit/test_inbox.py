"""The inbox: bounded, ordered, and honest about what it could not keep."""

from __future__ import annotations

import asyncio

import pytest

from workstation.feeds.deribit.inbox import Inbox, Lost

PRINTS = "trades.option.BTC.100ms"


def test_frames_leave_in_the_order_they_came() -> None:
    inbox = Inbox(capacity=10)
    for at, channel in enumerate(["quote.a", PRINTS, "quote.b", PRINTS, "quote.a"]):
        inbox.put(channel, b"%d" % at, at)
    drained = inbox.drain()
    assert [frame.payload for frame in drained.frames] == [b"0", b"1", b"2", b"3", b"4"]
    assert (drained.conflated, drained.lost, len(inbox)) == ({}, {}, 0)


def test_states_beyond_capacity_leave_the_newest_of_each_channel() -> None:
    inbox = Inbox(capacity=2)
    for at in range(10):
        inbox.put(f"quote.{'ab'[at % 2]}", b"%d" % at, at)
    drained = inbox.drain()
    assert [frame.payload for frame in drained.frames] == [b"0", b"1", b"8", b"9"]
    assert drained.conflated == {"quote.a": 3, "quote.b": 3}
    assert len(drained.frames) + sum(drained.conflated.values()) == 10


def test_prints_beyond_capacity_are_counted_print_by_print() -> None:
    inbox = Inbox(capacity=1)
    for at in range(4):
        inbox.put(PRINTS, b'[{"trade_seq":1},{"trade_seq":2}]', at)
    drained = inbox.drain()
    assert len(drained.frames) == 1
    assert drained.lost == {PRINTS: Lost(frames=3, prints=6, first_ns=1, last_ns=3)}
    assert inbox.drain().lost == {}, "told once"


def test_states_never_take_the_place_of_prints() -> None:
    inbox = Inbox(capacity=3)
    for at in range(100):
        inbox.put("quote.a", b"", at)
    inbox.put(PRINTS, b"", 100)
    assert PRINTS in {frame.channel for frame in inbox.drain().frames}


async def test_waiting_ends_with_a_frame_or_a_wake() -> None:
    inbox = Inbox(capacity=1)
    waiting = asyncio.ensure_future(inbox.arrived())
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.wake()
    await asyncio.wait_for(waiting, 5)
    inbox.drain()
    inbox.put("quote.a", b"", 0)
    await asyncio.wait_for(inbox.arrived(), 5)


def test_an_inbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        Inbox(capacity=0)
