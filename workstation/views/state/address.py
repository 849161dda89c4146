"""The page's address, where a session has one."""

from __future__ import annotations

from typing import Any

import panel as pn


def address() -> Any | None:
    """What keeps a session's choices in the address of its page; None in a notebook, whose address is not ours."""
    return pn.state.location if pn.state.curdoc is not None else None
