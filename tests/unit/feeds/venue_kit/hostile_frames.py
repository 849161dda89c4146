"""What any venue may send: bytes, odd fields and cuts, for the decoders of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from workstation.feeds.feed import Batch

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=12),
    st.lists(st.integers(), max_size=2), st.just({}),
    st.sampled_from([0, -1, 2**63, 1e300, "", "inf", "nan", "-1", "1e400", "\u221e", "BTC", "NO-SUCH-1-C"]),
)  # fmt: skip


class Hostile:
    """A venue's decoder between two good prints, which must always come through.

    Parameters
    ----------
    decode
        The decoder.
    good
        Channel and payload of a print whose trade id is ``good``.
    messages
        Channel, message and the path to its items: keys, and 0 for the first of a list.
    encode
        Message -> bytes.
    """

    def __init__(
        self,
        decode: Callable[[pd.DataFrame], list[Batch]],
        good: tuple[str, bytes],
        messages: Sequence[tuple[str, Any, tuple[Any, ...]]],
        encode: Callable[[Any], bytes],
    ) -> None:
        self.decode, self.good, self.messages, self.encode = decode, good, messages, encode

    def survivors(self, payload: bytes, channel: str) -> int:
        """Decode a payload among good ones; how many of the good ones came through."""
        name, good = self.good
        frames = pd.DataFrame({"payload": [good, payload, good], "channel": [name, channel, name]})
        batches = {batch.table: batch.frame for batch in self.decode(frames)}
        return int((batches["trades"]["trade_id"] == "good").sum())

    def bent(self, data: st.DataObject) -> tuple[str, bytes]:
        """A message with one field of any value."""
        channel, message, path = data.draw(st.sampled_from(self.messages))
        whole = copy_of(message)
        item = whole
        for step in path:
            item = item[step]
        item[data.draw(st.sampled_from(sorted(item)))] = data.draw(ODD)
        return channel, self.encode(whole)

    def cut(self, data: st.DataObject) -> tuple[str, bytes]:
        """A message with bytes left out."""
        channel, message, _ = data.draw(st.sampled_from(self.messages))
        payload = self.encode(message)
        start = data.draw(st.integers(0, len(payload)))
        return channel, payload[:start] + payload[data.draw(st.integers(0, len(payload))) :]


def copy_of(value: Any) -> Any:
    """A deep copy of JSON."""
    if isinstance(value, dict):
        return {name: copy_of(each) for name, each in value.items()}
    return [copy_of(each) for each in value] if isinstance(value, list) else value
