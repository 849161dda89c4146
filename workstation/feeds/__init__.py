"""Bytes in, rows of a table out: the only rooms that know a venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

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


def typed(factory: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options in the types a feed's constructor declares: text of the environment as numbers, a list as a sequence.

    Raises
    ------
    ValueError
        Names the option and what it should be; the value is not shown, it may be a secret.

    Examples
    --------
    >>> from workstation.feeds.bybit import Bybit
    >>> typed(Bybit, {"audit_s": "5", "coins": ["SOL"]})
    {'audit_s': 5.0, 'coins': ['SOL']}
    >>> typed(Bybit, {"audit_s": "often"})
    Traceback (most recent call last):
    ...
    ValueError: audit_s: Input should be a valid number, unable to parse string as a number
    """
    hints = get_type_hints(getattr(factory, "__init__"))  # noqa: B009 - of the class, not of an instance
    found = {}
    for name, value in options.items():
        try:
            found[name] = TypeAdapter(hints[name]).validate_python(value) if name in hints else value
        except PydanticSchemaGenerationError:
            found[name] = value  # a type of ours or of pandas, which the constructor itself looks at
        except ValidationError as error:
            raise ValueError(f"{name}: {error.errors()[0]['msg']}") from None
    return found


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
        feed: Feed = factory(**typed(factory, options))
    except (TypeError, ValueError) as error:
        raise FeedError(f"feed {name!r} refuses its options: {error}", fatal=True) from error
    return feed


__all__ = ["FEEDS", "Batch", "Capabilities", "Feed", "FeedError", "Gap", "Subscription", "open_feed"]
