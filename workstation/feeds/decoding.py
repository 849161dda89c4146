"""Which decoder turns a feed's raw frames into rows."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

import pandas as pd

from workstation.feeds.feed import Batch

Decoder = Callable[[pd.DataFrame], list[Batch]]
"""Rows of the ``frames`` table in, batches of the tables decoded from them out; pure."""

_DECODERS: Mapping[str, str] = {
    "deribit": "workstation.feeds.deribit.decode:decode",
    "bybit": "workstation.feeds.bybit.decode:decode",
    "okx": "workstation.feeds.okx.decode:decode",
    "binance": "workstation.feeds.binance.decode:decode",
    "iqfeed": "workstation.feeds.iqfeed.decode:decode",
    "alpaca": "workstation.feeds.alpaca.decode:decode",
    "databento": "workstation.feeds.databento.decode:decode",
    "ibkr": "workstation.feeds.ibkr.decode:decode",
}


def decoder_of(feed: str) -> Decoder | None:
    """The decoder of a feed's frames; None when its frames are kept raw only."""
    if feed not in _DECODERS:
        return None
    module, _, name = _DECODERS[feed].partition(":")
    decoder: Decoder = getattr(importlib.import_module(module), name)
    return decoder
