"""Bytes in, rows of a table out: the only rooms that know a venue."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from workstation.feeds.feed import Batch, Capabilities, Feed, Gap, Subscription
from workstation.market.errors import FeedError, unknown_name

FEEDS = {
    "synthetic": "workstation.feeds.synthetic:Synthetic",
    "tape": "workstation.feeds.tape.tape:Tape",
    "deribit": "workstation.feeds.deribit:Deribit",
    "bybit": "workstation.feeds.bybit:Bybit",
    "okx": "workstation.feeds.okx:OKX",
    "binance": "workstation.feeds.binance:Binance",
    "accounts": "workstation.feeds.accounts:Accounts",
    "iqfeed": "workstation.feeds.iqfeed:IQFeed",
    "alpaca": "workstation.feeds.alpaca:Alpaca",
    "databento": "workstation.feeds.databento:Databento",
    "ibkr": "workstation.feeds.ibkr:IBKR",
}
"""Name -> ``module:class``; a module is imported when its feed is first opened. Those of rooms above this one are registered."""


def register_feed(name: str, made: str) -> None:
    """Have ``open_feed`` know a feed of another package.

    Parameters
    ----------
    name
        How it is asked for.
    made
        ``module:class``; not imported before the feed is first opened.

    Raises
    ------
    ValueError
        Another feed has the name.

    Examples
    --------
    >>> register_feed("synthetic", "workstation.feeds.synthetic:Synthetic")
    >>> register_feed("synthetic", "my.feeds:Invented")
    Traceback (most recent call last):
    ValueError: there is a feed 'synthetic' already: workstation.feeds.synthetic:Synthetic
    """
    if FEEDS.setdefault(name, made) != made:
        raise ValueError(f"there is a feed {name!r} already: {FEEDS[name]}")


def feed_class(name: str) -> type:
    """The class of a feed. Raises ``FeedError``, fatal, when there is none of the name or what it needs is not installed."""
    if name not in FEEDS:
        raise FeedError(unknown_name("feed", name, FEEDS), fatal=True)
    module, _, made = FEEDS[name].partition(":")
    try:
        found: type = getattr(import_module(module), made)
    except ImportError as error:
        raise FeedError(f"feed {name!r} cannot be loaded: {error}", fatal=True) from error
    return found


def feed_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a feed as the types it declares, secrets as ``SecretStr``. Raises ``FeedError``, fatal.

    Examples
    --------
    >>> feed_options("deribit", {"currencies": '["BTC"]', "heartbeat_s": "30", "secret": "s"})
    {'currencies': ['BTC'], 'heartbeat_s': 30, 'secret': SecretStr('**********')}
    """
    from workstation.feeds.options import typed_options

    return typed_options(name, feed_class(name), options)


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
    from workstation.feeds.options import check_names

    factory = feed_class(name)
    check_names(name, factory, options)
    try:
        feed: Feed = factory(**options)
    except (TypeError, ValueError) as error:
        raise FeedError(f"feed {name!r} refuses its options: {error}", fatal=True) from error
    return feed


__all__ = [
    "FEEDS",
    "Batch",
    "Capabilities",
    "Feed",
    "FeedError",
    "Gap",
    "Subscription",
    "feed_options",
    "open_feed",
    "register_feed",
]
