"""Raw websocket captures: frames into the ``frames`` table, and through the venue's decoder where there is one.

Two line forms:

* cryptofeed's: ``1626993723.8048: {"jsonrpc": ...}`` received, ``wss://... <- 1626993723.71: {...}`` sent,
  ``wss://... <-> 1626993723.42`` connected, ``https://... -> 1626993723.13: {...}`` an HTTP answer;
* ``1723161600001692584 {"stream": ...}``: nanoseconds, a blank, the frame.

Frames sent and connections opened are counted as set aside: the table keeps what was received.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from workstation.feeds.decoding import decoder_of
from workstation.feeds.feed import Batch
from workstation.feeds.files.chunks import blocks_of
from workstation.feeds.files.reading import END_NS, FIRST_NS, Rejections, open_bytes
from workstation.market.errors import FrameError
from workstation.market.instants import SECOND_NS
from workstation.market.tables import HEALTH

FRAMES = 5_000
"""Frames of a batch."""
LONGEST_FRAME = 1 << 26
"""Bytes; a file without a line end within it is no capture."""
_RECEIVED = re.compile(rb"^(\d+(?:\.\d+)?): (.*)$", re.S)
_ANSWER = re.compile(rb"^(https?://\S+) -> (\d+(?:\.\d+)?): (.*)$", re.S)
_SENT = re.compile(rb"^(\S+) <- (\d+(?:\.\d+)?)")
_OPENED = re.compile(rb"^(\S+) <-> (\d+(?:\.\d+)?)")
_NANOSECONDS = re.compile(rb"^(\d{19}) (.*)$", re.S)
_VENUES = ("deribit", "bybit", "okx", "binance")


@dataclass
class _Lines:
    times: list[int] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)

    def add(self, time_ns: int, channel: str, payload: bytes) -> None:
        self.times.append(time_ns)
        self.channels.append(channel)
        self.payloads.append(payload)

    def frame(self, feed: str) -> pd.DataFrame:
        columns = {
            "event_ns": self.times,
            "seen_ns": self.times,
            "channel": self.channels,
            "payload": self.payloads,
        }
        return (
            pd.DataFrame(columns, dtype=object)
            .astype({"event_ns": "int64", "seen_ns": "int64", "channel": "str"})
            .assign(feed=feed)
        )


def read(path: Path, rejections: Rejections, feed: str = "") -> Iterator[Batch]:
    """Frames in file order, each batch followed by the rows decoded from it.

    ``feed`` names the venue when neither the addresses in the file nor its name tell.
    """
    feed = feed or _venue(path)
    decode = decoder_of(feed)
    lines = _Lines()
    with open_bytes(path) as file:
        blocks = blocks_of(file, path.name, LONGEST_FRAME)
        captured = (line for block in blocks for line in block.removesuffix(b"\n").split(b"\n"))
        for number, line in enumerate(captured, 1):
            _take(
                line.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r"),
                f"{path.name}, line {number}",
                lines,
                rejections,
            )
            if len(lines.times) >= FRAMES:
                yield from _batches(lines, feed, decode, rejections)
                lines = _Lines()
    yield from _batches(lines, feed, decode, rejections)


def _take(line: bytes, where: str, lines: _Lines, rejections: Rejections) -> None:
    if found := _NANOSECONDS.match(line):
        _keep(int(found[1]), "", found[2], where, lines, rejections)
    elif found := _RECEIVED.match(line):
        _keep(_ns(found[1]), "", found[2], where, lines, rejections)
    elif found := _ANSWER.match(line):
        _keep(_ns(found[2]), found[1].decode(errors="replace"), found[3], where, lines, rejections)
    elif _OPENED.match(line):
        rejections.add("connection opened (not a frame)", 1, where)
    elif _SENT.match(line):
        rejections.add("frame we sent (not received)", 1, where)
    elif line.startswith(b"configuration: "):
        rejections.add("configuration of the capture (not a frame)", 1, where)
    elif line.strip():
        rejections.add("line of neither capture form", 1, f"{where}: {line[:60]!r}")


def _keep(
    time_ns: int, channel: str, payload: bytes, where: str, lines: _Lines, rejections: Rejections
) -> None:
    if FIRST_NS <= time_ns < END_NS:
        lines.add(time_ns, channel, payload)
    else:
        rejections.add("time outside 1990-2100", 1, f"{where}: {time_ns} ns")


def _ns(seconds: bytes) -> int:
    whole, _, fraction = seconds[:40].partition(b".")
    return int(whole) * SECOND_NS + int(fraction.ljust(9, b"0")[:9] or b"0")


def _batches(lines: _Lines, feed: str, decode: Any, rejections: Rejections) -> Iterator[Batch]:
    if not lines.times:
        return
    frames = lines.frame(feed)
    yield Batch("frames", frames)
    if decode is None:
        return
    for batch in decode(frames):
        if batch.table == "health":
            batch = Batch("health", _summed(batch.frame, rejections))
        yield batch


def _summed(health: pd.DataFrame, rejections: Rejections) -> pd.DataFrame:
    """Rejected frames of one channel for one reason as one row with their count; every other row as it is."""
    rejected = (health["event"] == "rejected").to_numpy()
    if not rejected.any():
        return health
    groups = health[rejected].groupby(["feed", "channel", "detail"], sort=False, observed=True)
    for (_, _, found), rows in groups:
        detail = str(found)
        rejections.add(f"decoder: {detail.split(':')[0]}", int(rows["count"].sum()), detail)
    first = groups.head(1)
    summed = first.assign(count=groups["count"].transform("sum"), end_ns=groups["end_ns"].transform("max"))
    return HEALTH.concat([health[~rejected], HEALTH.conform(summed)])


def _venue(path: Path) -> str:
    lowered = path.name.lower()
    for venue in _VENUES:
        if venue in lowered:
            return venue
    with open_bytes(path) as file:
        head = file.read(65_536).lower()
    for venue in _VENUES:
        if venue.encode() in head:
            return venue
    if b'"stream":"' in head:
        return "binance"
    raise FrameError(f"{path.name}: cannot tell the venue; name it with the option feed=")
