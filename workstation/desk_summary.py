"""How a desk shows itself in a notebook: its feeds with state and rates, and what has passed its hub."""

from __future__ import annotations

from collections.abc import Sequence

from workstation.board.board import Board
from workstation.market.markup import table
from workstation.streams.hub import Hub

_FEEDS = {
    "feed": "feed", "state": "state", "age_s": "age s", "rows_per_s": "rows/s", "gaps": "gaps", "drops": "drops", "detail": "detail",
}  # fmt: skip


def summary(state: str, board: Board, hub: Hub, feed_names: Sequence[str], recorded: str) -> str:
    """HTML of a desk.

    Parameters
    ----------
    state
        ``running``, ``stopped`` or ``not started``.
    board, hub, feed_names
        The desk's.
    recorded
        Address of its history; empty: nothing is recorded.
    """
    feeds = board.feeds()
    rows = (
        feeds[list(_FEEDS)].to_numpy(dtype=object).tolist() if len(feeds) else [[name] for name in feed_names]
    )
    where = f"recorded into {recorded}" if recorded else "nothing is recorded"
    shown = table(f"Desk, {state}", list(_FEEDS.values()), rows, where)
    counted = [[name, count] for name, count in sorted(hub.rows.items(), key=lambda one: -one[1])]
    failed = [name for name, branch in hub.branches.items() if branch != "running"]
    told = f"failed: {', '.join(failed)}; desk.hub.status(name) says why" if failed else ""
    return shown + table("", ("table", "rows"), counted, told)
