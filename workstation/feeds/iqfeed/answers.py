"""Ticks of history, as the lookup port answers."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from workstation.feeds.iqfeed import rows
from workstation.feeds.iqfeed.fields import parse
from workstation.feeds.iqfeed.layout import LOOKUP, ROLES, tick_layout
from workstation.feeds.iqfeed.names import NAMES
from workstation.feeds.iqfeed.rows import Part, Rejection
from workstation.market.errors import FrameError

_NO_DATA = b"!NO_DATA!"
_END = b"!ENDMSG!"


def ticks(
    channel: str, payloads: Sequence[bytes], seen_ns: npt.NDArray[np.int64]
) -> tuple[list[Part], list[Rejection]]:
    """Prints of an answer to ``HTT`` or ``HTX``; its channel names the symbol.

    Raw messages::

        B7,LH,2026-11-20 09:30:00.123456,182.51,100,1200,182.5,182.52,4377589,C,5,3D87,1,20,
        B7,E,!NO_DATA!,
        B7,!ENDMSG!,

    Time, price, size, total volume, bid, ask, tick id, basis (C, E, O), market center, conditions, aggressor, day.
    """
    symbol = unquote(
        dict(part.partition("=")[::2] for part in channel.partition("?")[2].split("&")).get("symbol", "")
    )
    number = NAMES.learn([symbol])[0]
    if NAMES.code[number] < 0:
        raise FrameError(f"symbol: {NAMES.reasons[int(number)]}")
    parts: list[Part] = []
    aside: list[Rejection] = []
    for payload, seen in zip(payloads, seen_ns.tolist(), strict=True):
        result, bad = _of_answer(channel, payload, seen, np.int32(NAMES.code[number]))
        parts += result
        aside += bad
    return parts, aside


def _of_answer(channel: str, payload: bytes, seen: int, code: np.int32) -> tuple[list[Part], list[Rejection]]:
    data = np.frombuffer(payload, dtype=np.uint8)
    ends = np.append(np.flatnonzero(data == 10), data.size)
    start = np.append(0, ends[:-1] + 1)
    cut = (data[np.maximum(ends - 1, 0)] == 13) & (ends > start)
    ends = ends - cut
    full = ends > start
    start, ends = start[full], ends[full]
    comma = _first_comma(data, start, ends)
    tick = _letters(data, comma + 1, ends, b"LH,")
    layout = tick_layout(channel)
    fields = parse(data, start[tick], ends[tick], layout.roles)
    numbers = fields.numbers
    reported = (fields.bad < 0) & ~np.isnan(numbers["price"]) & ~np.isnan(numbers["size"])
    aside = [
        _said(payload[first:last], seen, int(role))
        for first, last, role in zip(
            start[tick][~reported], ends[tick][~reported], fields.bad[~reported], strict=True
        )
    ]
    for first, last in zip(start[~tick].tolist(), ends[~tick].tolist(), strict=True):
        line = payload[first:last]
        if _END not in line and _NO_DATA not in line and not line.startswith(b"S,"):
            aside.append(_said(line, seen, -1))
    at = np.flatnonzero(reported)
    if not at.size:
        return [], aside
    seen_ns = np.full(len(reported), seen, dtype=np.int64)
    frame = rows.trades(at, np.full(len(reported), code), seen_ns, fields, layout)
    return [Part("trades", frame)], aside


def _first_comma(
    data: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Place of the first comma of each line, its end where there is none."""
    commas = np.append(np.flatnonzero(data == 44), data.size)
    first: npt.NDArray[np.int64] = np.minimum(commas[np.searchsorted(commas, start)], end)
    return first


def _letters(
    data: npt.NDArray[np.uint8], start: npt.NDArray[np.int64], end: npt.NDArray[np.int64], letters: bytes
) -> npt.NDArray[np.bool_]:
    same = start + len(letters) <= end
    for offset, letter in enumerate(letters):
        same &= data[np.minimum(start + offset, data.size - 1)] == letter
    return same


def _said(line: bytes, seen: int, role: int) -> Rejection:
    text = line[:200].decode("latin-1")
    if ",E," in text or text.startswith("E,"):
        return Rejection(seen, f"{LOOKUP}/ticks", "refused", f"venue error: {text}")
    what = ROLES[role] if role >= 0 else "price or size"
    return Rejection(seen, f"{LOOKUP}/ticks", "rejected", f"field: {what} of {text!r}")
