"""The demo: an invented market whose sample book is traded once."""

from __future__ import annotations

import pandas as pd

from workstation.desk import Desk
from workstation.portfolio.sample import sample_fills

SAMPLE_BOOK = "sample book"
"""Branch of the hub that trades it."""


def trade_sample_book(desk: Desk) -> None:
    """Have the desk of an invented market trade the sample paper book once, as soon as it has levels.

    Does nothing for a desk with any other feed, or one that holds something already.
    """
    if set(desk.feed_names) != {"synthetic"}:
        return
    traded = False

    def trade(table: str, frame: pd.DataFrame) -> None:
        nonlocal traded
        if not traded:
            traded = True
            if not len(desk.board.latest("fills")) and not len(desk.board.latest("positions")):
                fills = sample_fills(desk.board.latest("marks"), desk.board.latest("trades"))
                desk.hub.publish("fills", fills)

    if SAMPLE_BOOK not in desk.hub.branches:
        desk.hub.attach(SAMPLE_BOOK, ("levels",), trade)
