"""From a thread back to the page that asked."""

from __future__ import annotations

from collections.abc import Callable

from bokeh.document import Document


def hand_over(document: Document, take: Callable[[], None]) -> None:
    """Let a page take what another thread has read, unless it was closed meanwhile."""
    session = document.session_context
    if session is not None and not session.destroyed:
        document.add_next_tick_callback(take)
