"""Deribit's raw frames -> batches of tables. Pure: the rows depend on the frames alone.

Frames are grouped by what they carry and each group is decoded in one call; only when a group fails is it halved,
to find the bad frame. A frame or row that does not become rows of a table is

* *rejected*: a ``health`` row says which part is wrong (bad JSON, a missing field, a combo, an unknown symbol);
* *refused*: a JSON-RPC error of the venue, a ``health`` row with its code and words;
* *kept raw only*: replies, heartbeats and channels of no table (``KEPT_RAW``); no row.

What has state (duplicates, gaps) is the sequence's, see ``sequence``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.deribit import decoders, messages
from workstation.feeds.deribit.decoders import Kind, Part, Rejection
from workstation.feeds.feed import Batch
from workstation.feeds.venue_kit.frame_reading import message, told_name
from workstation.market.errors import FrameError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import table

KEPT_RAW = {
    "book": "incremental order book; `book.{instrument}.{group}.{depth}.{interval}` is decoded",
    "incremental_ticker": "ticker changes; `ticker.{instrument}.{interval}` is decoded",
    "deribit_volatility_index": "volatility index, no table",
    "deribit_price_ranking": "sources of an index, no table",
    "deribit_price_statistics": "statistics of an index, no table",
    "estimated_expiration_price": "settlement estimate, no table",
    "perpetual": "interest of a perpetual, no table",
    "chart": "the venue's candles; ours come from trades",
    "instrument": "state of instruments, no table",
    "platform_state": "state of the platform, no table",
    "block_rfq": "requests for quotes, no table",
    "block_trade_confirmations": "private, no table",
    "user": "private, no table",
}
"""Channels (first part) and why no row is made of them."""

_CHANNELS = {
    "trades": decoders.TRADES,
    "ticker": decoders.TICKERS,
    "quote": decoders.QUOTES,
    "markprice": decoders.MARK_PRICES,
    "deribit_price_index": decoders.INDEX_PRICES,
}
_ANSWERS = {
    "get_instruments": decoders.LISTINGS,
    "get_book_summary_by_currency": decoders.SUMMARIES,
    "get_book_summary_by_instrument": decoders.SUMMARIES,
    "ticker": decoders.TICKERS,
    "get_order_book": decoders.TICKERS,
    "get_last_trades_by_instrument": decoders.PAST_TRADES,
    "get_last_trades_by_instrument_and_time": decoders.PAST_TRADES,
    "get_last_trades_by_currency": decoders.PAST_TRADES,
    "get_last_trades_by_currency_and_time": decoders.PAST_TRADES,
}
_ORDER = ("instruments", "marks", "quotes", "trades", "liquidations", "health")
_ENVELOPE = msgspec.json.Decoder(messages.Envelope)
_CHANNEL = b'"channel":"'
_PUBLIC = "public/"


def decode(frames: pd.DataFrame) -> list[Batch]:
    """Batches decoded from rows of the ``frames`` table, at most one per table, rows in the order of the frames.

    Parameters
    ----------
    frames
        Needs ``payload``; ``seen_ns`` and ``channel`` where known. A REST answer is told by a channel that
        names its method (``public/get_instruments?...``), whole or its ``result`` alone.

    Raises
    ------
    Nothing for what the venue sends: a frame that cannot be decoded becomes a ``rejected`` row of ``health``.

    Examples
    --------
    >>> payload = (b'{"jsonrpc":"2.0","method":"subscription","params":{"channel":"quote.BTC-PERPETUAL","data":{'
    ...            b'"timestamp":1567296000183,"instrument_name":"BTC-PERPETUAL","best_bid_price":9600.0,'
    ...            b'"best_bid_amount":96000,"best_ask_price":9601,"best_ask_amount":0}}}')
    >>> quotes = decode(pd.DataFrame({"payload": [payload]}))[0].frame
    >>> quotes[["bid", "bid_size", "ask_size"]].to_dict("records")
    [{'bid': 9600.0, 'bid_size': 10.0, 'ask_size': nan}]
    """
    payloads = frames["payload"].tolist()
    seen_ns = (
        frames["seen_ns"].to_numpy(dtype=np.int64)
        if "seen_ns" in frames.columns
        else np.zeros(len(payloads), dtype=np.int64)
    )
    groups, rejections = _sort(payloads, _methods(frames))
    parts: list[Part] = []
    for (kind, answers), at in groups.items():
        found, bad = _decode_group(kind, answers, payloads, at)
        rejections += bad
        if found:
            data, where = [each for _, each in found], np.array([place for place, _ in found], dtype=np.intp)
            result, aside = kind.rows_of(kind.flat(data, where, seen_ns[where]))
            parts += result
            rejections += aside
    batches = [
        Batch(name, _merge(name, of_table))
        for name in _ORDER
        if (of_table := [p for p in parts if p.table == name])
    ]
    if rejections:
        batches.append(Batch("health", _health(rejections, payloads, seen_ns)))
    return batches


def channel_of(payload: bytes) -> str:
    """The channel a notification names; empty for any other frame. Raises ``FrameError`` for what is no JSON-RPC.

    Examples
    --------
    >>> channel_of(b'{"params":{"channel":"quote.BTC-PERPETUAL","data":{}}}'), channel_of(b'{"id":1,"result":"ok"}')
    ('quote.BTC-PERPETUAL', '')
    """
    name = told_name(payload, _CHANNEL)
    if name is not None:
        return name
    envelope = envelope_of(payload)
    return envelope.params.channel if envelope.params is not None else ""


def envelope_of(payload: bytes) -> messages.Envelope:
    """The outer part of a frame. Raises ``FrameError``."""
    return message(_ENVELOPE, payload)


@lru_cache(maxsize=65_536)
def kind_of(channel: str) -> Kind | None:
    """How frames of a channel are decoded; None when they are kept raw only. Raises ``FrameError`` if unknown.

    Examples
    --------
    >>> kind_of("book.BTC-PERPETUAL.raw") is None
    True
    """
    first = channel.split(".", 1)[0]
    if first == "book" and channel.count(".") >= 4:
        return decoders.DEPTHS
    if first in _CHANNELS:
        return _CHANNELS[first]
    if first in KEPT_RAW:
        return None
    raise FrameError(f"channel: {channel[:80]!r} is not known")


def _methods(frames: pd.DataFrame) -> list[str] | None:
    """The REST method of each frame, empty for pushed ones; None when all are pushed."""
    if "channel" not in frames.columns:
        return None
    channels = frames["channel"]
    known = channels.cat.categories if isinstance(channels.dtype, pd.CategoricalDtype) else channels.unique()
    method = {
        name: str(name).partition(_PUBLIC)[2].partition("?")[0] for name in known if _PUBLIC in str(name)
    }
    return [method.get(name, "") for name in channels] if method else None


def _sort(
    payloads: Sequence[bytes], methods: list[str] | None
) -> tuple[dict[tuple[Kind, bool], list[int]], list[Rejection]]:
    groups: dict[tuple[Kind, bool], list[int]] = {}
    rejections: list[Rejection] = []
    members: dict[bytes, list[int] | None] = {}
    for at, payload in enumerate(payloads):
        answers = methods is not None and bool(methods[at])
        start = -1 if answers else payload.find(_CHANNEL)
        name = payload[start : payload.find(b'"', start + len(_CHANNEL))] if start >= 0 else b""
        if name not in members:
            try:
                kind = _answer_kind(methods[at], payload) if answers and methods else _pushed_kind(payload)
            except FrameError as error:
                event = "refused" if isinstance(error, _Refusal) else "rejected"
                rejections.append(Rejection(at, event, str(error)))
                continue
            members[name] = groups.setdefault((kind, answers), []) if kind is not None else None
        group = members[name] if name else members.pop(name)
        if group is not None:
            group.append(at)
    return groups, rejections


class _Refusal(FrameError):
    """The venue answered with an error."""


def refusal(failure: messages.Failure) -> str:
    """A JSON-RPC error in words: code, message and the venue's reason."""
    reason = failure.data if isinstance(failure.data, str) else ""
    if isinstance(failure.data, dict):
        reason = ", ".join(f"{key} {value}" for key, value in failure.data.items())
    return f"venue error: {failure.code} {failure.message}" + (f" ({reason})" if reason else "")


def _pushed_kind(payload: bytes) -> Kind | None:
    channel = channel_of(payload)
    if channel:
        return kind_of(channel)
    envelope = envelope_of(payload)
    if envelope.error is not None:
        raise _Refusal(refusal(envelope.error))
    if envelope.id is None and envelope.method != "heartbeat":
        raise FrameError("frame: neither a notification with a channel, nor a reply, nor a heartbeat")
    return None


def _answer_kind(method: str, payload: bytes) -> Kind | None:
    if b'"error"' in payload:
        envelope = envelope_of(payload)
        if envelope.error is not None:
            raise _Refusal(refusal(envelope.error))
    return _ANSWERS.get(method)


def _decode_group(
    kind: Kind, answers: bool, payloads: Sequence[bytes], at: list[int]
) -> tuple[list[tuple[int, Any]], list[Rejection]]:
    try:
        found = kind.messages([payloads[place] for place in at], answers=answers)
        return list(zip(at, found, strict=True)), []
    except FrameError as error:
        if len(at) == 1:
            return [], [Rejection(at[0], "rejected", str(error))]
    middle = len(at) // 2
    head, bad = _decode_group(kind, answers, payloads, at[:middle])
    tail, worse = _decode_group(kind, answers, payloads, at[middle:])
    return head + tail, bad + worse


def _merge(name: str, parts: list[Part]) -> pd.DataFrame:
    schema = table(name)
    batches = []
    for part in parts:
        instrument = REGISTRY.categorical(part.columns["instrument"])
        batches.append(schema.batch(part.columns | {"instrument": instrument}))
    if len(batches) == 1:
        return batches[0]
    order = np.argsort(np.concatenate([part.at for part in parts]), kind="stable")
    return schema.conform(schema.concat(batches).iloc[order].reset_index(drop=True))


def _health(
    rejections: list[Rejection], payloads: Sequence[bytes], seen_ns: npt.NDArray[np.int64]
) -> pd.DataFrame:
    rejections = sorted(rejections, key=lambda rejection: rejection.at)
    times = seen_ns[[rejection.at for rejection in rejections]]
    columns = {
        "event_ns": times,
        "seen_ns": times,
        "feed": "deribit",
        "channel": [_channel_or_none(payloads[rejection.at]) for rejection in rejections],
        "event": [rejection.event for rejection in rejections],
        "start_ns": times,
        "end_ns": times,
        "count": [rejection.repeats for rejection in rejections],
        "detail": [rejection.detail[:400] for rejection in rejections],
    }
    return table("health").batch(columns)


def _channel_or_none(payload: bytes) -> str:
    try:
        return channel_of(payload)[:80]
    except FrameError:
        return ""
