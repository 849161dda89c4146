"""Alpaca's raw frames -> batches of tables. Pure: the rows depend on the frames alone.

Pushed frames are msgpack, each a list of messages; REST answers are JSON and named by their channel (``GET path?query``).
What cannot be read becomes a ``rejected`` row of ``health`` and costs no neighbour; an error of the venue a ``refused`` one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from workstation.feeds.alpaca import messages, rows
from workstation.feeds.alpaca.rows import SYMBOLS, VENUE
from workstation.feeds.feed import Batch
from workstation.feeds.venue_kit.columns import Times, columns_of
from workstation.feeds.venue_kit.frame_decoding import (
    GET,
    Found,
    FrameDecoder,
    Group,
    Kind,
    Part,
    Positions,
    Rejection,
    set_aside,
)
from workstation.feeds.venue_kit.symbol_table import OPTION
from workstation.market.errors import FrameError

CONTRACTS = "v2/options/contracts"
OPTION_SNAPSHOTS, STOCK_SNAPSHOTS = "v1beta1/options/snapshots", "v2/stocks/snapshots"
OPTION_TRADES, STOCK_TRADES = "v1beta1/options/trades", "v2/stocks/trades"
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PUSHED = msgspec.msgpack.Decoder(list[messages.Message])
_ONE = msgspec.msgpack.Decoder(messages.Message)
_PARTS = msgspec.msgpack.Decoder(list[msgspec.Raw])
Made = tuple[list[Part], list[Rejection]]


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    One raw message, written as JSON (its time is a timestamp of msgpack)::

        [{"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35.13312256Z","p":2.84,"s":1,"x":"N","c":"S"}]

    Parameters
    ----------
    frames
        Needs ``payload``; ``seen_ns`` and ``channel`` where known. A frame whose channel does not begin with ``GET`` is msgpack.

    Raises
    ------
    Nothing for what the venue sends.

    Examples
    --------
    >>> stamp = msgspec.msgpack.Ext(-1, (133_122_560 << 34 | 1_710_164_135).to_bytes(8, "big"))
    >>> message = {"T": "t", "S": "AAPL240315C00172500", "t": stamp, "p": 2.84, "s": 1, "x": "N", "c": "S"}
    >>> frame = pd.DataFrame({"payload": [msgspec.msgpack.encode([message])], "channel": ["option/trades"]})
    >>> decode(frame)[0].frame[["instrument", "price", "size", "exchange", "event_ns"]].values.tolist()
    [['AAPL  240315C00172500', 2.84, 1.0, 'N', 1710164135133122560]]
    """
    return _DECODER.decode(frames)


class Packed(Kind):
    """Frames of msgpack: a list of messages of any type."""

    def __init__(self, rows_of: Callable[[Group], Made]) -> None:
        super().__init__(dict[str, Any], rows_of, path=(), either=True)

    def decode(self, payloads: Sequence[bytes], places: list[int]) -> tuple[Found, list[Rejection]]:
        """The messages of each payload that can be read, and why the others cannot."""
        kept, items, bad = [], [], list[Rejection]()
        for place in places:
            try:
                found = _PUSHED.decode(payloads[place])
            except _FAILURES:
                found, aside = _salvaged(payloads[place], place)
                bad += aside
            if found:
                kept.append(place)
                items.append(found)
        return Found(kept, items, [0] * len(kept)), bad


def _salvaged(payload: bytes, place: int) -> tuple[list[Any], list[Rejection]]:
    """Of a frame that fails as a whole the messages that do not."""
    try:
        parts = _PARTS.decode(payload)
    except _FAILURES as error:
        return [], [Rejection(place, "rejected", f"msgpack: {error}")]
    good, bad = [], []
    for number, part in enumerate(parts):
        try:
            good.append(_ONE.decode(part))
        except _FAILURES as error:
            bad.append(Rejection(place, "rejected", f"field: {error} (message {number})"))
    return good, bad


def _of_type(group: Group, kind: type) -> Group:
    kinds = list(map(type, group.items))
    if kinds.count(kind) == len(kinds):
        return group
    return group.take(np.array([row for row, each in enumerate(kinds) if each is kind], dtype=np.intp))


def _pushed(group: Group) -> Made:
    """Rows of pushed messages, type by type."""
    parts: list[Part] = []
    aside: list[Rejection] = []
    kinds = set(map(type, group.items))
    for kind, made in (
        (messages.Print, partial(_ticks, "trades", rows.trades)),
        (messages.Quote, partial(_ticks, "quotes", rows.quotes)),
        (messages.Cancel, partial(_ticks, "trades", rows.taken_back)),
        (messages.Correction, _corrections),
    ):
        if kind in kinds:
            found, bad = made(_of_type(group, kind))
            parts += found
            aside += bad
    if messages.Refused in kinds:
        aside += [
            Rejection(at, "refused", f"venue error {each.code}: {each.msg or 'without a reason'}")
            for at, each in zip(group.at.tolist(), group.items, strict=True)
            if type(each) is messages.Refused
        ]
    return parts, aside


def _known(
    group: Group, names: Sequence[str], event_ns: Times
) -> tuple[Positions, rows.Ids, list[Rejection]]:
    """Rows with a symbol that can be read and a time, their ids, and why the others are set aside."""
    ids = SYMBOLS.ids(names)
    good = (SYMBOLS.code[ids] >= 0) & (event_ns > 0)

    def reason(row: int) -> str:
        return (
            SYMBOLS.reasons[int(ids[row])] if SYMBOLS.code[ids[row]] < 0 else f"time: {names[row]} has none"
        )

    kept = np.flatnonzero(good)
    return kept, ids[kept], [] if good.all() else set_aside(group, good, reason)


def _ticks(
    table: str,
    columns: Callable[..., dict[str, Any]],
    group: Group,
    times: Times | None = None,
    symbols: Sequence[str] | None = None,
) -> Made:
    """Rows of messages that carry a symbol and a time each."""
    names = symbols if symbols is not None else group.told["S"]
    event_ns = times if times is not None else rows.extension_ns(group.told["t"])
    kept, ids, aside = _known(group, names, event_ns)
    if not kept.size:
        return [], aside
    good = group.take(kept) if aside else group
    return [Part(table, good.at, columns(ids, event_ns[kept], good.seen_ns, good.told))], aside


def _corrections(group: Group) -> Made:
    """A correction takes the original back and prints what stands for it."""
    back = [messages.Cancel(each.S, each.t, each.op, each.os, each.oi, each.x) for each in group.items]
    again = [
        messages.Print(each.S, each.t, each.cp, each.cs, each.x, each.cc, each.ci, each.z)
        for each in group.items
    ]
    first, aside = _ticks("trades", rows.taken_back, group.of(back))
    second, _ = _ticks("trades", rows.trades, group.of(again))
    return first + second, aside


# -- REST ---------------------------------------------------------------------------------------------------


def _contracts(group: Group) -> Made:
    """Terms and open interest of a page of contracts."""
    symbols = [each.symbol for each in group.items]
    kept, ids, aside = _known(group, symbols, np.maximum(group.seen_ns, 1))
    if not kept.size:
        return [], aside
    good = group.take(kept)
    listed = rows.instruments(ids, good.seen_ns, good.items, [symbols[row] for row in kept.tolist()])
    told = np.array([each.open_interest is not None for each in good.items])
    parts = [Part("instruments", good.at, listed)]
    if told.any():
        at = np.flatnonzero(told)
        counted = good.take(at)
        parts.append(Part("marks", counted.at, rows.interest(ids[at], counted.seen_ns, counted.items)))
    return parts, aside


def _each(group: Group, kind: Any) -> tuple[Group, list[str], list[Rejection]]:
    """Values of answers that are objects by symbol: one item each, decoded alone."""
    decoder = msgspec.json.Decoder(kind)
    items, symbols, places, seen = [], [], [], []
    bad: list[Rejection] = []
    for answer, at, seen_ns in zip(group.items, group.at.tolist(), group.seen_ns.tolist(), strict=True):
        for symbol, raw in (answer or {}).items():
            try:
                items.append(decoder.decode(raw))
            except _FAILURES as error:
                bad.append(Rejection(at, "rejected", f"field: {error} of {symbol[:40]}"))
                continue
            symbols.append(symbol)
            places.append(at)
            seen.append(seen_ns)
    made = Group(
        items, np.array(places, dtype=np.intp), np.array(seen, dtype=np.int64), np.zeros(len(items), np.int64)
    )
    return made, symbols, bad


def _snapshots(group: Group) -> Made:
    """Quotes of a page of snapshots; of options a row of marks, of stocks their terms."""
    found, symbols, bad = _each(group, messages.Snapshot)
    if not symbols:
        return [], bad
    latest = [each.latestQuote for each in found.items]
    quote_ns = rows.text_ns([each.t if each else "" for each in latest])
    kept, ids, aside = _known(found, symbols, np.where(quote_ns > 0, quote_ns, np.maximum(found.seen_ns, 1)))
    parts = _of_snapshots(found.take(kept), ids, quote_ns[kept], [symbols[row] for row in kept.tolist()])
    return parts, bad + aside


def _of_snapshots(good: Group, ids: rows.Ids, quote_ns: Times, symbols: list[str]) -> list[Part]:
    parts: list[Part] = []
    option = (SYMBOLS.traits[ids] & OPTION) != 0
    quoted = np.flatnonzero(quote_ns > 0)
    if quoted.size:
        told = columns_of([good.items[row].latestQuote for row in quoted.tolist()])
        columns = rows.quotes(ids[quoted], quote_ns[quoted], good.seen_ns[quoted], told)
        parts.append(Part("quotes", good.at[quoted], columns))
    at = np.flatnonzero(option)
    if at.size:
        state = good.take(at)
        event_ns = np.where(quote_ns[at] > 0, quote_ns[at], state.seen_ns)
        parts.append(Part("marks", state.at, rows.marks(ids[at], state.seen_ns, state.items, event_ns)))
    at = np.flatnonzero(~option)
    if at.size:
        terms = rows.instruments(ids[at], good.seen_ns[at], None, [symbols[row] for row in at.tolist()])
        parts.append(Part("instruments", good.at[at], terms))
    return parts


def _past(group: Group) -> Made:
    """Prints of a page of past trades, by symbol."""
    lists, symbols, bad = _each(group, list[msgspec.Raw])
    decoder = msgspec.json.Decoder(messages.RestPrint)
    items, names, places, seen = [], [], [], []
    for prints, symbol, at, seen_ns in zip(
        lists.items, symbols, lists.at.tolist(), lists.seen_ns.tolist(), strict=True
    ):
        for raw in prints:
            try:
                items.append(decoder.decode(raw))
            except _FAILURES as error:
                bad.append(Rejection(at, "rejected", f"field: {error} of {symbol[:40]}"))
                continue
            names.append(symbol)
            places.append(at)
            seen.append(seen_ns)
    if not items:
        return [], bad
    found = Group(
        items, np.array(places, dtype=np.intp), np.array(seen, dtype=np.int64), np.zeros(len(items), np.int64)
    )
    times = rows.text_ns([each.t for each in items])
    parts, aside = _ticks("trades", rows.trades, found, times, names)
    return parts, bad + aside


_OBJECT = dict[str, msgspec.Raw]
_PACKED = Packed(_pushed)
_ANSWERS = {
    CONTRACTS: Kind(messages.Contract, _contracts, path=("option_contracts",), first=True),
    OPTION_SNAPSHOTS: Kind(_OBJECT | None, _snapshots, path=("snapshots",), many=False),
    STOCK_SNAPSHOTS: Kind(_OBJECT, _snapshots, path=(), many=False),
    OPTION_TRADES: Kind(_OBJECT | None, _past, path=("trades",), many=False),
    STOCK_TRADES: Kind(_OBJECT | None, _past, path=("trades",), many=False),
}


def _answered(channel: str, payload: bytes) -> Kind | None:
    path = channel.removeprefix(GET).partition("?")[0]
    if path.startswith(OPTION_SNAPSHOTS):
        path = OPTION_SNAPSHOTS
    if path not in _ANSWERS:
        raise FrameError(f"channel: no answer of {VENUE} comes by {channel[:60]!r}")
    return _ANSWERS[path]


def _pushed_kind(channel: str) -> Kind:
    if channel and channel.partition("/")[0] not in ("option", "stock"):
        raise FrameError(f"channel: no frame of {VENUE} comes by {channel[:60]!r}")
    return _PACKED


_DECODER = FrameDecoder(VENUE, pushed=_pushed_kind, answered=_answered, channel_of=lambda payload: "option")
