"""A tape of a few rows: no socket, so only the laws about rows, channels and life apply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pandas as pd

from tests.wire.feed_case import Case, Stage
from workstation.feeds.tape.tape import Tape

START_NS = 1_790_000_000_000_000_000


class TapeStage(Stage):
    channels = ("trades", "quotes")
    unknown = "books"

    def __init__(self) -> None:
        at = np.arange(50)
        trades = pd.DataFrame(
            {
                "seq": 2 * at + 2, "event_ns": START_NS + at * 10**8, "instrument": "BTC/USD", "price": 100.0, "size": 1.0,
                "trade_id": [f"t{n}" for n in at],
            }
        )  # fmt: skip
        quotes = trades[["seq", "event_ns", "instrument"]].assign(seq=2 * at + 1, bid=99.5, ask=100.5)
        terms = pd.DataFrame({"event_ns": [START_NS - 1], "instrument": ["BTC/USD"], "kind": ["spot"]})
        self.feed = Tape({"trades": trades, "quotes": quotes, "instruments": terms}, speed="max")


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Five seconds of trades and quotes."""
    yield TapeStage()


CASE = Case(stage, {})
