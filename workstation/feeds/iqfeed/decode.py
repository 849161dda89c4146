"""IQFeed's raw reads -> batches of tables. Pure: the rows depend on the frames alone.

A frame is what one read of a socket gave, in whole lines; its channel tells the layout of its lines and what its codes
mean (``layout``). Frames of one layout are decoded together, by kernels over their bytes. A line that does not become
rows of a table is

* *rejected*: a ``health`` row says which part is wrong (no message, a field missing or no number, an unknown symbol);
* *refused*: the venue says no: an error, a symbol it does not know, its limit of symbols;
* *kept raw only*: system messages, time stamps, fundamentals, regionals, news.

What has state (duplicates, gaps) is the feed's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.iqfeed import answers, rows, scan
from workstation.feeds.iqfeed.fields import parse
from workstation.feeds.iqfeed.layout import LEVEL1, LOOKUP, ROLES, layout_of
from workstation.feeds.iqfeed.names import NAMES
from workstation.feeds.iqfeed.rows import Lines, Part, Rejection
from workstation.market.errors import FrameError
from workstation.market.tables import table

_ORDER = ("marks", "quotes", "trades", "health")
_SHOWN = 120


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the lines.

    Parameters
    ----------
    frames
        ``payload``, ``channel`` and ``seen_ns``.

    Raises
    ------
    Nothing for what the venue sends: a line that cannot be decoded becomes a ``rejected`` row of ``health``.

    Examples
    --------
    >>> channel = "level1?fields=symbol.contents.price.size.date.time.conditions.id&flags=87:32768"
    >>> payload = b"Q,AAPL,C,182.5,7,11/20/2026,09:30:00.123456,87,4377589,\\r\\n"
    >>> trades = decode(pd.DataFrame({"seen_ns": [0], "channel": channel, "payload": [payload]}))[0].frame
    >>> trades[["instrument", "price", "size", "flags", "trade_id"]].to_dict("records")
    [{'instrument': 'AAPL', 'price': 182.5, 'size': 7.0, 'flags': 32768, 'trade_id': '20261120-4377589'}]
    >>> pd.Timestamp(trades["event_ns"][0]).isoformat()
    '2026-11-20T14:30:00.123456'
    """
    parts: list[Part] = []
    aside: list[Rejection] = []
    payloads = frames["payload"].tolist()
    channels = frames["channel"].tolist()
    seen_ns = frames["seen_ns"].to_numpy(dtype=np.int64)
    for first, last in _runs(channels):
        result, bad = _decode_run(channels[first], payloads[first:last], seen_ns[first:last])
        parts += result
        aside += bad
    batches = [
        Batch(
            name,
            of_table[0].frame
            if len(of_table) == 1
            else table(name).concat([part.frame for part in of_table]),
        )
        for name in _ORDER
        if (of_table := [part for part in parts if part.table == name])
    ]
    if aside:
        batches.append(Batch("health", rows.health(aside)))
    return batches


@lru_cache(maxsize=1)
def warm() -> None:
    """Have the kernels compiled (some seconds, once on a machine), so that no socket waits for it meanwhile."""
    line = {"seen_ns": [0], "channel": "level1?fields=symbol.contents", "payload": [b"Q,@,C,\r\n"]}
    decode(pd.DataFrame(line))


def _runs(channels: Sequence[str]) -> list[tuple[int, int]]:
    """Begin and end of runs of frames of one channel."""
    starts = [at for at in range(len(channels)) if at == 0 or channels[at] != channels[at - 1]]
    return list(zip(starts, [*starts[1:], len(channels)], strict=True))


def _decode_run(
    channel: str, payloads: Sequence[bytes], seen_ns: npt.NDArray[np.int64]
) -> tuple[list[Part], list[Rejection]]:
    path = channel.partition("?")[0]
    try:
        if path == f"{LOOKUP}/ticks":
            return answers.ticks(channel, payloads, seen_ns)
        if path == LEVEL1:
            return _level1(channel, payloads, seen_ns)
        if path.startswith(LOOKUP):
            return [], []
        raise FrameError(f"channel: {channel[:_SHOWN]!r} is not known")
    except FrameError as error:
        return [], [Rejection(int(at), path, "rejected", str(error)) for at in seen_ns]


def _level1(
    channel: str, payloads: Sequence[bytes], seen_ns: npt.NDArray[np.int64]
) -> tuple[list[Part], list[Rejection]]:
    """Lines of a level 1 socket.

    Raw messages, in the layout of ``level1?fields=symbol.contents.price.size.date.time.bid.bid_time.ask.ask_time``::

        Q,AAPL,Cba,182.51,100,11/20/2026,09:30:00.123456,182.5,09:30:00.1,182.52,09:30:00.2,
        Q,AAPL,b,182.51,100,11/20/2026,09:30:00.123456,182.49,09:30:00.3,182.52,09:30:00.2,
        S,SYMBOL LIMIT REACHED,MSFT,

    The first is a print that came with a quote, the second a quote alone.
    """
    layout = layout_of(channel)
    data, ends = joined(payloads)
    symbol_at, contents_at = layout.place("symbol"), layout.place("contents")
    found = scan.scan(data, symbol_at, contents_at, NAMES.table)
    if (unknown := (found.symbol < 0) & updates(found)).any():
        NAMES.learn(_symbols(data, found, np.flatnonzero(unknown), symbol_at))
        found = scan.scan(data, symbol_at, contents_at, NAMES.table)
    lines = Lines(data, found.start, found.end, found.kind, found.symbol, seen_ns, ends)
    at = np.flatnonzero(updates(found))
    at, aside = _named(lines, at)
    fields = parse(data, found.start[at], found.end[at], layout.roles)
    wrong = fields.bad >= 0
    for line, role in zip(at[wrong].tolist(), fields.bad[wrong].tolist(), strict=True):
        aside[line] = f"field: {ROLES[role]} of {lines.text(line)!r}"
    parts, unpriced = rows.of_updates(lines, at, fields, layout)
    for line in unpriced.tolist():
        aside[line] = f"field: price or size of {lines.text(line)!r}"
    for line in np.flatnonzero(found.kind == scan.GARBAGE).tolist():
        aside[line] = f"line: no message of level 1, or cut short: {lines.text(line)!r}"
    reported = {
        line: Rejection(lines.seen_at(line), LEVEL1, "rejected", words) for line, words in aside.items()
    }
    for line in np.flatnonzero(found.kind == scan.CONTROL).tolist():
        if said := refusal(lines.text(line)):
            reported[line] = Rejection(lines.seen_at(line), said[0], "refused", said[1])
    return parts, [reported[line] for line in sorted(reported)]


def updates(found: scan.Lines) -> npt.NDArray[np.bool_]:
    """Which lines are updates or summaries."""
    return (found.kind >= scan.PRINT) & (found.kind <= scan.SUMMARY)


def joined(payloads: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Payloads as one buffer, each ended by a newline, and where each ends."""
    ended = [each if each.endswith(b"\n") else each + b"\n" for each in payloads]
    ends = np.cumsum([len(each) for each in ended], dtype=np.int64)
    return np.frombuffer(b"".join(ended), dtype=np.uint8), ends


def refusal(line: str) -> tuple[str, str] | None:
    """Channel and words of what the venue refuses in a line; None when it refuses nothing.

    Examples
    --------
    >>> refusal("n,NOSUCH,"), refusal("S,SYMBOL LIMIT REACHED,MSFT,")[0], refusal("S,KEYOK")
    (('level1.NOSUCH', 'no such symbol'), 'level1.MSFT', None)
    """
    if line.startswith("n,"):
        return f"{LEVEL1}.{line[2:].rstrip(',')}", "no such symbol"
    if line.startswith("S,SYMBOL LIMIT REACHED"):
        symbol = line.removeprefix("S,SYMBOL LIMIT REACHED").strip(",")
        return f"{LEVEL1}.{symbol}", "the subscription's limit of symbols is reached"
    if line.startswith("E,"):
        return LEVEL1, f"venue error: {line[2:].rstrip(',')}"
    return None


def _symbols(
    data: npt.NDArray[np.uint8], found: scan.Lines, at: npt.NDArray[np.intp], place: int
) -> list[str]:
    texts = (data[found.start[line] : found.end[line]].tobytes().decode("latin-1") for line in at)
    return list(dict.fromkeys(text.split(",", place + 1)[place] for text in texts))


def _named(lines: Lines, at: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], dict[int, str]]:
    """Lines whose symbol is an instrument; why the others are set aside."""
    known = NAMES.code[lines.symbol[at]] >= 0
    reasons = {line: f"symbol: {NAMES.reasons[int(lines.symbol[line])]}" for line in at[~known].tolist()}
    return at[known], reasons
