"""Many processes: one collector publishes numbered rows to Redis Streams, page servers read them as a feed.

Importing the package makes the feed ``bus`` known by its name; the settings do.
"""

from workstation.feeds import register_feed

register_feed("bus", "workstation.bus.feed:Bus")
