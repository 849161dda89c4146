"""Bytes in, rows of a table out: the only rooms that know a venue."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from workstation.feeds.feed import Batch, Capabilities, Feed, Gap, Subscription
from workstation.market.errors import FeedError

FEEDS = {
    "synthetic": "workstation.feeds.synthetic:Synthetic",
    "tape": "workstation.feeds.tape.tape:Tape",
    "deribit": "workstation.feeds.deribit:Deribit",
    "bybit": "workstation.feeds.bybit:Bybit",
    "okx": "workstation.feeds.okx:OKX",
    "binance": "workstation.feeds.binance:Binance",
    "accounts": "workstation.feeds.accounts:Accounts",
    "iqfeed": "workstation.feeds.iqfeed:IQFeed",
}
"""Name -> ``module:class``; a module is imported when its feed is first opened."""


def open_feed(name: str, **options: Any) -> Feed:
    """A feed by its name, made with ``options``.

    Raises
    ------
    FeedError
        ``fatal``, when there is no such feed, what it needs is not installed, or it refuses an option.

    Examples
    --------
    >>> open_feed("synthetic", seed=7).name
    'synthetic'
    """
    try:
        module, _, made = FEEDS[name].partition(":")
    except KeyError:
        raise FeedError(f"no feed {name!r}; known are {', '.join(FEEDS)}", fatal=True) from None
    try:
        factory = getattr(import_module(module), made)
    except ImportError as error:
        raise FeedError(f"feed {name!r} cannot be loaded: {error}", fatal=True) from error
    try:
        feed: Feed = factory(**options)
    except (TypeError, ValueError) as error:
        raise FeedError(f"feed {name!r} refuses its options: {error}", fatal=True) from error
    return feed


__all__ = ["FEEDS", "Batch", "Capabilities", "Feed", "FeedError", "Gap", "Subscription", "open_feed"]
