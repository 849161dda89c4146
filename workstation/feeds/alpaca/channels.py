"""Names of Alpaca's channels, and small readings of what comes by them."""

from __future__ import annotations

import numpy as np

from workstation.feeds.alpaca import decode as answers
from workstation.feeds.alpaca.wire import KINDS
from workstation.feeds.feed import Batch
from workstation.market.errors import SymbolError
from workstation.market.symbology import venue_symbol

STREAMS = {"option": answers.OPTION_TRADES, "stock": answers.STOCK_TRADES}
"""Stream -> where REST gives its past prints."""
ALL = "*"


def is_print(channel: str) -> bool:
    """Whether a channel, or a frame's, carries prints."""
    return "/trades" in channel


def parts(channel: str) -> tuple[str, str, str]:
    """Stream, kind and symbol; empty where the channel has none.

    Examples
    --------
    >>> parts("option/quotes.SPY261218C00600000")
    ('option', 'quotes', 'SPY261218C00600000')
    """
    stream, _, rest = channel.partition("/")
    kind, _, symbol = rest.partition(".")
    return stream, kind, symbol


def unfit(channel: str, known: set[str]) -> str:
    """Why a channel cannot be asked for; empty when it can."""
    stream, kind, symbol = parts(channel)
    if stream not in STREAMS or kind not in KINDS or not symbol:
        return "channels are stream/kind.SYMBOL: option or stock, trades or quotes, as in option/trades.SPY261218C00600000"
    if symbol == ALL:
        return "" if (stream, kind) == ("option", "trades") else "the venue takes * for options' prints alone"
    if symbol not in known:
        return f"{symbol} is not among the instruments listed (underlyings, listed_days)"
    return ""


def prints_of(name: str) -> str:
    """The channel of an instrument's prints; empty where the venue has none."""
    try:
        symbol = venue_symbol(name, "alpaca")
    except SymbolError:
        return ""
    return f"{'option' if len(symbol) >= 16 else 'stock'}/trades.{symbol}"


def rfc3339(time_ns: int) -> str:
    """An instant as REST takes it.

    Examples
    --------
    >>> rfc3339(1_710_164_135_133_122_560)
    '2024-03-11T13:35:35.133122560Z'
    """
    return f"{np.datetime64(max(time_ns, 0), 'ns')}Z"


def middles(batches: list[Batch]) -> dict[str, float]:
    """Underlying -> middle of its quote, else what is there of it."""
    found: dict[str, float] = {}
    for frame in (batch.frame for batch in batches if batch.table == "quotes"):
        middle = frame[["bid", "ask"]].mean(axis=1)
        found |= {
            str(name): float(price)
            for name, price in zip(frame["instrument"], middle, strict=True)
            if price > 0
        }
    return found
