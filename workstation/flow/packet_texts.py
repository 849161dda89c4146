"""Texts of packets, written letter by letter into one buffer: ids, and the JSON of the trade ids that a packet stands on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

_HEAD = np.frombuffer(b'{"prints":[', np.uint8).copy()
_TAIL = np.frombuffer(b"]}", np.uint8).copy()
_QUOTE, _COMMA, _COLON, _ESCAPE, _NUMBER, _ZERO, _MINUS = b'",:\\#0-'
_MOST_DIGITS = 20


class Texts(NamedTuple):
    """Texts as Arrow holds them: text i is ``content[offsets[i]:offsets[i + 1]]``, UTF-8."""

    offsets: npt.NDArray[np.int64]
    content: npt.NDArray[np.uint8]


def texts_of(column: Any) -> Texts:
    """A copy of a column of texts: a list of them, an Arrow array or a pandas one.

    Examples
    --------
    >>> offsets, content = texts_of(["ab", "", "c"])
    >>> offsets.tolist(), bytes(content)
    ([0, 2, 2, 3], b'abc')
    """
    array = pa.array(column, type=pa.large_string()) if not isinstance(column, pa.Array) else column
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
    if not len(array):
        return Texts(np.zeros(1, np.int64), np.zeros(0, np.uint8))
    _, offsets, content = array.buffers()
    held = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    letters = np.frombuffer(content, np.uint8) if content else np.zeros(0, np.uint8)
    return Texts(held - held[0], letters[held[0] : held[-1]].copy())


def arrow_texts(offsets: npt.NDArray[np.int64], content: npt.NDArray[np.uint8]) -> Any:
    """An Arrow array over these buffers; nothing is copied.

    Examples
    --------
    >>> arrow_texts(np.array([0, 2, 3]), np.frombuffer(b"abc", np.uint8)).to_pylist()
    ['ab', 'c']
    """
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


@numba.njit(cache=True)
def put_number(number: int, out: Any, at: int) -> int:
    """Write an integer in decimal digits; gives the place after it."""
    if number < 0:
        out[at] = _MINUS
        at += 1
        number = -number
    digits, rest = 1, number // 10
    while rest:
        digits, rest = digits + 1, rest // 10
    for place in range(at + digits - 1, at - 1, -1):
        out[place] = _ZERO + number % 10
        number //= 10
    return at + digits


@numba.njit(cache=True)
def _put_ids(
    codes: Any, start_ns: Any, end_ns: Any, name_offsets: Any, names: Any, offsets: Any, out: Any
) -> None:
    at = 0
    for i in range(codes.size):
        for place in range(name_offsets[codes[i]], name_offsets[codes[i] + 1]):
            out[at] = names[place]
            at += 1
        for number in (start_ns[i], end_ns[i]):
            out[at] = _COLON
            at = put_number(number, out, at + 1)
        offsets[i + 1] = at


def packet_ids(
    codes: npt.NDArray[np.int64], start_ns: npt.NDArray[np.int64], end_ns: npt.NDArray[np.int64], names: Texts
) -> Any:  # fmt: skip
    """``name:start:end`` of each packet (n,), an Arrow array; ``codes`` are places in ``names``.

    Examples
    --------
    >>> packet_ids(np.array([1, 0]), np.array([5, -70]), np.array([12, 0]), texts_of(["A", "BC"])).to_pylist()
    ['BC:5:12', 'A:-70:0']
    """
    size = int((names.offsets[codes + 1] - names.offsets[codes]).sum()) + 2 * (_MOST_DIGITS + 1) * codes.size
    out, offsets = np.empty(size, np.uint8), np.zeros(codes.size + 1, np.int64)
    _put_ids(codes, start_ns, end_ns, names.offsets, names.content, offsets, out)
    return arrow_texts(offsets, out[: offsets[-1]])


@numba.njit(cache=True)
def _sizes(packet: Any, first: Any, last: Any, offsets: Any) -> None:
    """Room of each packet's text, at most: every letter escaped, or a number for an empty id."""
    offsets[:] = _HEAD.size + _TAIL.size
    for i in range(packet.size):
        length = last[i] - first[i]
        offsets[packet[i]] += 3 + (2 * length if length else _MOST_DIGITS + 1)


@numba.njit(cache=True)
def _put_trade_id(content: Any, first: int, last: int, number: int, out: Any, at: int) -> int:
    """One trade id in quotes, made safe for JSON; of a print without one its number."""
    out[at] = _QUOTE
    at += 1
    if first == last:
        out[at] = _NUMBER
        at = put_number(number, out, at + 1)
    for place in range(first, last):
        if content[place] == _QUOTE or content[place] == _ESCAPE:
            out[at] = _ESCAPE
            at += 1
        out[at] = content[place]
        at += 1
    out[at] = _QUOTE
    return at + 1


@numba.njit(cache=True)
def _put_evidence(
    packet: Any, first: Any, last: Any, numbers: Any, content: Any, next_of: Any, head: Any, offsets: Any, out: Any
) -> None:  # fmt: skip
    """Prints are chained by packet, from the last to the first, and then written packet by packet."""
    head[:] = -1
    for i in range(packet.size - 1, -1, -1):
        next_of[i] = head[packet[i]]
        head[packet[i]] = i
    at = 0
    for row in range(head.size):
        for letter in _HEAD:
            out[at] = letter
            at += 1
        i = head[row]
        while i >= 0:
            at = _put_trade_id(content, first[i], last[i], numbers[i], out, at)
            i = next_of[i]
            if i >= 0:
                out[at] = _COMMA
                at += 1
        for letter in _TAIL:
            out[at] = letter
            at += 1
        offsets[row + 1] = at


def prints_json(
    packets: int, packet: npt.NDArray[np.int64], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64], content: npt.NDArray[np.uint8],
) -> Any:  # fmt: skip
    """JSON of the trade ids of packets, an Arrow array (packets,): print i is of packet ``packet[i]``, in their order.

    Its trade id is ``content[first[i]:last[i]]``, and ``#`` with its number where that is empty.

    Examples
    --------
    >>> ids = texts_of(["a", "", 'b"'])
    >>> prints_json(2, np.array([1, 1, 1]), ids.offsets[:-1], ids.offsets[1:], np.array([7, 8, 9]), ids.content).to_pylist()
    ['{"prints":[]}', '{"prints":["a","#8","b\\\\""]}']
    """
    room, offsets = np.empty(packets, np.int64), np.zeros(packets + 1, np.int64)
    _sizes(packet, first, last, room)
    out = np.empty(int(room.sum()), np.uint8)
    next_of, head = np.empty(packet.size, np.int64), np.empty(packets, np.int64)
    _put_evidence(packet, first, last, numbers, content, next_of, head, offsets, out)
    return arrow_texts(offsets, out[: offsets[-1]])
