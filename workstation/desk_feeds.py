"""The feeds of a desk: opened by their names, and whether another hub has numbered their rows already."""

from __future__ import annotations

from collections.abc import Sequence

from workstation.feeds import open_feed
from workstation.feeds.feed import Feed
from workstation.market.errors import FeedError
from workstation.settings import Settings


def follows(feeds: Sequence[Feed]) -> bool:
    """Whether another hub numbers the rows; ``FeedError`` for a mixture, of which nobody could tell the order."""
    numbered = [feed.name for feed in feeds if feed.capabilities.numbered]
    if numbered and len(feeds) > 1:
        raise FeedError(f"feed {numbered[0]!r} brings rows that are numbered; it stands alone", fatal=True)
    return bool(numbered)


def opened_feeds(feeds: Sequence[str | Feed] | None, seed: int | None, settings: Settings) -> list[Feed]:
    """Feeds as they are, and those named with the options that the settings have for them; None takes the settings' own."""
    wanted = settings.feeds if feeds is None else feeds
    seed = settings.seed if seed is None else seed
    return [_opened(feed, seed, settings) if isinstance(feed, str) else feed for feed in wanted]


def _opened(name: str, seed: int | None, settings: Settings) -> Feed:
    options = dict(settings.feed_options.get(name, {}))
    if name == "synthetic" and seed is not None:
        options.setdefault("seed", seed)
    return open_feed(name, **options)
