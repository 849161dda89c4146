"""Raw JSON frames -> batches: grouped by kind, each group decoded in one call, what is bad set aside alone.

Frames of one kind are joined and decoded together; only when that fails are they halved to find the bad frame, and of that
frame each item is tried by itself: a bad item costs neither its frame's others nor another frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.venue_kit.columns import Times, columns_of
from workstation.market.errors import FrameError
from workstation.market.instruments import REGISTRY
from workstation.market.tables import table

Positions = npt.NDArray[np.intp]
DETAIL, CHANNEL = 400, 80
"""Characters kept of a reason and of a channel."""
GET = "GET "
"""What the channel of a REST answer begins with."""
_LATEST_MS = 9_000_000_000_000
_ORDER = ("instruments", "marks", "quotes", "trades", "liquidations", "health")
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class Refusal(FrameError):
    """The venue answered with an error."""


class Rejection(NamedTuple):
    """A row of ``health`` about one frame."""

    at: int
    event: str
    detail: str
    repeats: int = 1


class Part(NamedTuple):
    """Columns of a table and the frame each row comes from."""

    table: str
    at: Positions
    columns: dict[str, Any]


class Group:
    """Items of messages of one kind, with the frame, the seen time (ns) and the message's own time (ms, 0: none) of each."""

    def __init__(self, items: list[Any], at: Positions, seen_ns: Times, sent_ms: Times) -> None:
        self.items, self.at, self.seen_ns, self.sent_ms = items, at, seen_ns, sent_ms

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def told(self) -> dict[str, tuple[Any, ...]]:
        """Every field as a column; there must be an item."""
        return columns_of(self.items)

    def of(self, items: list[Any]) -> Group:
        """The same places with other items."""
        return Group(items, self.at, self.seen_ns, self.sent_ms)

    def take(self, rows: npt.NDArray[Any]) -> Group:
        """Some of the items."""
        items = [self.items[row] for row in rows.tolist()]
        return Group(items, self.at[rows], self.seen_ns[rows], self.sent_ms[rows])


class Found(NamedTuple):
    """Messages of one kind that could be read: frame, items and own time (ms) of each."""

    places: list[int]
    items: list[Any]
    sent_ms: list[int]

    def and_(self, other: Found) -> Found:
        """Both, in order."""
        return Found(self.places + other.places, self.items + other.items, self.sent_ms + other.sent_ms)


RowsOf = Callable[[Group], tuple[list[Part], list[Rejection]]]


class Kind:
    """How frames of one kind are decoded: the message, where its items stand, and the rows of them.

    Parameters
    ----------
    item
        Struct of one item. Numbers may be written as text; an empty text is none.
    rows_of
        Items -> columns of tables, and what is set aside.
    path
        Names on the way to the items, a list or one of them: ``("data",)``, ``("result", "list")``; none: the message is it.
    sent
        Name of the message's own time in ms, when it has one.
    first
        Whether others of the same batch need to know what these say: lists of instruments, which tell contract sizes.
    either
        Whether one item may stand without its list.
    """

    def __init__(
        self,
        item: Any,
        rows_of: RowsOf,
        *,
        path: Sequence[str] = ("data",),
        many: bool = True,
        sent: str = "",
        first: bool = False,
        either: bool = False,
    ) -> None:
        self.rows_of, self.first = rows_of, first
        many = many or either
        self._path, self._many, self._either, self._sent = tuple(path), many, either, sent
        whole: Any = list[item] | item if either else list[item] if many else item
        for depth, name in enumerate(reversed(self._path)):
            fields: list[Any] = [(name, whole)]
            if sent and depth == len(self._path) - 1:
                fields.append((sent, int, 0))
            whole = msgspec.defstruct("Message", fields, gc=False)
        self._all: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[whole], strict=False)
        self._item: msgspec.json.Decoder[Any] = msgspec.json.Decoder(item, strict=False)

    @property
    def lists(self) -> bool:
        """Whether the items of a message are a list, which may be empty."""
        return self._many

    def decode(self, payloads: Sequence[bytes], places: list[int]) -> tuple[Found, list[Rejection]]:
        """The items of each payload that can be read, and why the others cannot."""
        try:
            return self._whole(payloads, places), []
        except FrameError as error:
            if len(places) == 1:
                return self._salvaged(payloads[places[0]], places[0], str(error))
        middle = len(places) // 2
        head, bad = self.decode(payloads, places[:middle])
        tail, worse = self.decode(payloads, places[middle:])
        return head.and_(tail), bad + worse

    def _whole(self, payloads: Sequence[bytes], places: list[int]) -> Found:
        joined = b"[" + b",".join([payloads[place] for place in places]) + b"]"
        try:
            messages = _decoded(self._all, joined)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(words(error)) from error
        if len(messages) != len(places):
            raise FrameError("json: more or fewer messages than frames")
        items = messages
        for name in self._path:
            items = list(map(attrgetter(name), items))
        if self._either:
            items = [each if isinstance(each, list) else [each] for each in items]
        sent = list(map(attrgetter(self._sent), messages)) if self._sent else [0] * len(places)
        return Found(places, items, sent)

    def _salvaged(self, payload: bytes, place: int, reason: str) -> tuple[Found, list[Rejection]]:
        """Of a frame that fails as a whole the items that do not."""
        nothing = Found([], [], [])
        try:
            part, sent = msgspec.Raw(payload), 0
            for depth, name in enumerate(self._path):
                fields = _RAW.decode(part)
                if depth == 0 and self._sent in fields:
                    sent = msgspec.json.decode(fields[self._sent], type=int, strict=False)
                part = fields[name]
            items = _RAW_LIST.decode(part) if self._many else []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return nothing, [Rejection(place, "rejected", reason)]
        good, bad = [], list[Rejection]()
        for number, item in enumerate(items):
            try:
                good.append(_decoded(self._item, bytes(item)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                bad.append(Rejection(place, "rejected", f"{words(error)} (item {number})"))
        bad = bad or [Rejection(place, "rejected", reason)]
        return (Found([place], [good], [sent]) if good else nothing), bad

    def group(self, found: Found, seen_ns: Times) -> Group:
        """Items of all frames in one list."""
        at = np.array(found.places, dtype=np.intp)
        sent = np.clip(np.array(found.sent_ms, dtype=np.int64), 0, _LATEST_MS)
        if not self._many:
            return Group(found.items, at, seen_ns[at], sent)
        counts = list(map(len, found.items))
        if max(counts) > 1 or min(counts) < 1:
            at, sent = np.repeat(at, counts), np.repeat(sent, counts)
        return Group(list(chain.from_iterable(found.items)), at, seen_ns[at], sent)


def _decoded(decoder: msgspec.json.Decoder[Any], payload: bytes) -> Any:
    """What a payload says; an empty text where a number belongs is none."""
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError:
        plain = payload.replace(b':""', b":null").replace(b': ""', b":null")
        if plain == payload:
            raise
        return decoder.decode(plain)


class FrameDecoder:
    """Batches of a venue's raw frames. Pure: what it knows between calls is what the venue's lists of instruments say.

    Parameters
    ----------
    feed
        Its name, written into rows of ``health``.
    pushed
        Kind of a channel's frames; None for what is kept raw only. Raises ``FrameError`` for a channel that is not known.
    answered
        Kind of a REST answer, by its channel (``GET path?query``) and payload; None for what is kept raw only. Raises
        ``Refusal`` for an error of the venue.
    channel_of
        Channel of a payload that came without one; empty for a control frame (answers, pongs). Raises ``FrameError`` for what is no
        message and ``Refusal`` for an error of the venue.
    """

    def __init__(
        self,
        feed: str,
        *,
        pushed: Callable[[str], Kind | None],
        answered: Callable[[str, bytes], Kind | None],
        channel_of: Callable[[bytes], str],
    ) -> None:
        self._feed, self._pushed, self._answered, self._channel_of = feed, pushed, answered, channel_of

    def decode(self, frames: pd.DataFrame) -> list[Batch]:
        """Batches, at most one per table, rows in the order of the frames; never raises for what a venue sends."""
        payloads = frames["payload"].tolist()
        seen_ns = (
            frames["seen_ns"].to_numpy(dtype=np.int64)
            if "seen_ns" in frames.columns
            else np.zeros(len(payloads), dtype=np.int64)
        )
        names, codes = _channels(frames)
        groups, rejections = self._grouped(payloads, names, codes)
        parts: list[Part] = []
        for kind, places in sorted(groups.items(), key=lambda group: not group[0].first):
            found, bad = kind.decode(payloads, places)
            rejections += bad
            if any(map(len, found.items)) if kind.lists else found.items:
                made, aside = kind.rows_of(kind.group(found, seen_ns))
                parts += made
                rejections += aside
        batches = merged(parts)
        if rejections:
            told = [names[codes[rejection.at]] for rejection in rejections]
            batches.append(health_batch(self._feed, rejections, told, seen_ns))
        return batches

    def _grouped(
        self, payloads: Sequence[bytes], names: list[str], codes: Positions
    ) -> tuple[dict[Kind, list[int]], list[Rejection]]:
        """Places of the frames of each kind: by the channel where one push is like another, else frame by frame."""
        rejections: list[Rejection] = []
        kinds: list[Kind] = []
        kind_of_code = np.full(len(names), -1, dtype=np.intp)
        one_by_one = np.zeros(len(names), dtype=bool)
        for code in np.unique(codes).tolist():
            name = names[code]
            one_by_one[code] = not name or name.startswith(GET)
            if not one_by_one[code]:
                try:
                    kind = self._pushed(name)
                except FrameError as error:
                    rejections += [
                        Rejection(at, "rejected", str(error)) for at in np.flatnonzero(codes == code).tolist()
                    ]
                    continue
                if kind is not None:
                    kind_of_code[code] = _numbered(kinds, kind)
        kind_of_frame = kind_of_code[codes]
        for at in np.flatnonzero(one_by_one[codes]).tolist():
            try:
                kind = self._kind(names[codes[at]], payloads[at])
            except FrameError as error:
                event = "refused" if isinstance(error, Refusal) else "rejected"
                rejections.append(Rejection(at, event, str(error)))
                continue
            if kind is not None:
                kind_of_frame[at] = _numbered(kinds, kind)
        return {
            kind: np.flatnonzero(kind_of_frame == number).tolist() for number, kind in enumerate(kinds)
        }, rejections

    def _kind(self, name: str, payload: bytes) -> Kind | None:
        if name:
            return self._answered(name, payload)
        channel = self._channel_of(payload)
        return self._pushed(channel) if channel else None


def _numbered(kinds: list[Kind], kind: Kind) -> int:
    if kind not in kinds:
        kinds.append(kind)
    return kinds.index(kind)


def _channels(frames: pd.DataFrame) -> tuple[list[str], Positions]:
    """Names of channels, and which of them each frame came by."""
    if "channel" not in frames.columns:
        return [""], np.zeros(len(frames), dtype=np.intp)
    channels = frames["channel"].astype("category")
    codes: Positions = np.asarray(channels.cat.codes, dtype=np.intp)
    return [*map(str, channels.cat.categories), ""], codes


def merged(parts: Sequence[Part]) -> list[Batch]:
    """Parts of one table as one batch, rows in the order of the frames."""
    batches = []
    for name in _ORDER:
        mine = [part for part in parts if part.table == name and len(part.at)]
        if not mine:
            continue
        schema = table(name)
        made = [
            schema.batch(part.columns | {"instrument": REGISTRY.categorical(part.columns["instrument"])})
            for part in mine
        ]
        if len(made) == 1:
            batches.append(Batch(name, made[0]))
            continue
        order = np.argsort(np.concatenate([part.at for part in mine]), kind="stable")
        batches.append(Batch(name, schema.take(schema.concat(made), order)))
    return batches


def health_batch(
    feed: str, rejections: Sequence[Rejection], channels: Sequence[str], seen_ns: Times
) -> Batch:
    """Rows of ``health`` about frames that became no rows, and the channels they came by."""
    order = sorted(range(len(rejections)), key=lambda row: rejections[row].at)
    told = [rejections[row] for row in order]
    times = seen_ns[[rejection.at for rejection in told]]
    columns = {
        "event_ns": times,
        "seen_ns": times,
        "feed": feed,
        "channel": [channels[row][:CHANNEL] for row in order],
        "event": [rejection.event for rejection in told],
        "start_ns": times,
        "end_ns": times,
        "count": [rejection.repeats for rejection in told],
        "detail": [rejection.detail[:DETAIL] for rejection in told],
    }
    return Batch("health", table("health").batch(columns))


def set_aside(group: Group, good: npt.NDArray[np.bool_], reasons: Callable[[int], str]) -> list[Rejection]:
    """One rejection per frame and reason for the items that are not good; ``reasons`` is asked by row."""
    aside: dict[tuple[int, str], int] = {}
    for row in np.flatnonzero(~good):
        key = (int(group.at[row]), reasons(int(row)))
        aside[key] = aside.get(key, 0) + 1
    return [Rejection(at, "rejected", reason, count) for (at, reason), count in aside.items()]


def words(error: Exception) -> str:
    """A decoding error, told apart: a field that is wrong, or bytes that are no JSON."""
    kind = "field" if isinstance(error, msgspec.ValidationError) else "json"
    return f"{kind}: {error}"
