"""Reading one JSON frame: its whole as a message, or only the name of what it carries."""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from workstation.feeds.venue_kit.frame_decoding import words
from workstation.market.errors import FrameError

Message = TypeVar("Message", covariant=True)


class Reads(Protocol[Message]):
    """A decoder of one type of message."""

    def decode(self, buf: bytes, /) -> Message:
        """The message."""


def message(reader: Reads[Message], payload: bytes) -> Message:
    """A frame as a message.

    Raises
    ------
    FrameError
        It is no JSON, or a field of it is wrong; says which.

    Examples
    --------
    >>> message(msgspec.json.Decoder(dict[str, int]), b'{"id":7}')
    {'id': 7}
    """
    try:
        return reader.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(words(error)) from error


def told_name(payload: bytes, key: bytes) -> str | None:
    """The text after a key such as ``"topic":"``, without reading the rest of the frame; None where the key is not there.

    Raises
    ------
    FrameError
        The frame ends within it.

    Examples
    --------
    >>> told_name(b'{"topic":"tickers.BTCUSDT","ts":1}', b'"topic":"')
    'tickers.BTCUSDT'
    """
    start = payload.find(key)
    if start < 0:
        return None
    start += len(key)
    end = payload.find(b'"', start)
    if end < 0:
        raise FrameError(f"json: the frame ends within its {key.decode().strip(chr(34) + ':')}")
    return payload[start:end].decode("utf-8", "replace")
