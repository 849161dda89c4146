"""Prints that came over the stream, so that an answer of REST gives only the others.

An option's print has no id, and several alike may come in one instant: they are counted, not named. Times are compared to the
millisecond, since the venue may round the nanoseconds of the two ways differently.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import msgspec
import pandas as pd

from workstation.feeds.alpaca import messages, rows
from workstation.feeds.venue_kit.frame_queue import RawFrame
from workstation.market.errors import FeedError
from workstation.market.instants import MILLISECOND_NS
from workstation.market.instruments import REGISTRY

REMEMBERED = 200_000
Key = tuple[Any, ...]
_ANSWER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRADES = msgspec.json.Decoder(dict[str, list[msgspec.Raw]] | None)
_PRINT = msgspec.json.Decoder(messages.RestPrint)
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SeenPrints:
    """Counts prints, the newest ``REMEMBERED`` of them.

    Examples
    --------
    >>> seen = SeenPrints()
    >>> one, other = ("A", 1, 2.0, 1.0, "N", "I", ""), ("A", 1, 2.0, 5.0, "N", "I", "")
    >>> seen.take([one, one])
    >>> seen.others([one, one, one, other])
    [False, False, True, True]
    >>> seen.others([one, one, one, other], waiting=[other])
    [False, False, True, False]
    """

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()
        self._order: deque[Key] = deque()

    def take(self, keys: Sequence[Key]) -> None:
        """Prints that came."""
        self._counts.update(keys)
        self._order.extend(keys)
        while len(self._order) > REMEMBERED:
            gone = self._order.popleft()
            self._counts[gone] -= 1
            if not self._counts[gone]:
                del self._counts[gone]

    def others(self, keys: Sequence[Key], waiting: Sequence[Key] = ()) -> list[bool]:
        """Whether each print is one more than those that came, or came and wait to be read."""
        asked = Counter[Key]()
        asked.subtract(waiting)
        found = []
        for key in keys:
            asked[key] += 1
            found.append(asked[key] > self._counts[key])
        return found


def keys_of(trades: pd.DataFrame) -> list[Key]:
    """All that tells a print apart, of rows of ``trades``."""
    texts = [
        trades[name].astype("str").tolist() for name in ("instrument", "exchange", "condition", "trade_id")
    ]
    numbers = [trades[name].tolist() for name in ("price", "size")]
    times = (trades["event_ns"] // MILLISECOND_NS).tolist()
    return list(zip(texts[0], times, *numbers, *texts[1:], strict=True))


def _keys_of_answer(symbol: str, prints: Sequence[messages.RestPrint]) -> list[Key]:
    code = rows.SYMBOLS.code[rows.SYMBOLS.ids([symbol])]
    name = str(REGISTRY.names(code)[0]) if code[0] >= 0 else symbol
    event_ns = rows.text_ns([each.t for each in prints])
    ids = rows.trade_ids(event_ns, [each.x for each in prints], [each.i for each in prints])
    texts = rows.joined([each.c for each in prints])
    return [
        (name, at // MILLISECOND_NS, each.p, each.s, each.x, text, number)
        for at, each, text, number in zip(event_ns.tolist(), prints, texts, ids, strict=True)
    ]


def reduced(answer: RawFrame, seen: SeenPrints, waiting: Sequence[Key] = ()) -> tuple[RawFrame, list[Key]]:
    """An answer of past trades less the prints that came, and the keys of those that are left.

    The answer is kept so, since a replay of frames must give each print once. Prints that cannot be read stay: ``decode`` tells of
    them. Raises ``FeedError``.
    """
    try:
        by_symbol = _TRADES.decode(_ANSWER.decode(answer.payload).get("trades", msgspec.Raw(b"null"))) or {}
    except _FAILURES as error:
        raise FeedError(f"alpaca: {answer.channel[:80]} cannot be read: {error}") from error
    left: dict[str, list[msgspec.Raw]] = {}
    keys: list[Key] = []
    for symbol, raws in by_symbol.items():
        read, bad = [], []
        for raw in raws:
            try:
                read.append((raw, _PRINT.decode(raw)))
            except _FAILURES:
                bad.append(raw)
        told = _keys_of_answer(symbol, [each for _, each in read])
        others = seen.others(told, waiting)
        keep = [raw for (raw, _), other in zip(read, others, strict=True) if other]
        keys += [key for key, other in zip(told, others, strict=True) if other]
        if keep or bad:
            left[symbol] = [*keep, *bad]
    return answer._replace(payload=msgspec.json.encode({"trades": left})), keys
