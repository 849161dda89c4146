"""What is wrong with a store, as rows of the ``health`` table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from workstation.history.embedded.segments import footer_of
from workstation.market.tables import NO_TIME


def problem(
    channel: str,
    rows: int,
    first_ns: int,
    last_ns: int,
    detail: str,
    recoverable: bool = False,
    found_ns: int | None = None,
) -> dict[str, Any]:
    """A row of ``health``: the table or file it is about, the rows and times concerned, and what to do."""
    return {
        "event_ns": time.time_ns() if found_ns is None else found_ns,
        "feed": "history",
        "channel": channel,
        "event": "failed",
        "start_ns": first_ns,
        "end_ns": last_ns,
        "count": rows,
        "recoverable": recoverable,
        "detail": detail,
    }


def unknown_segment(folder: Path, path: Path) -> dict[str, Any]:
    """The row of a segment file that the manifest does not know."""
    try:
        footer = footer_of(path)
        bounds = (footer.rows, footer.first_ns, footer.last_ns) if footer else (0, NO_TIME, NO_TIME)
    except (pa.ArrowException, OSError):
        bounds = (0, NO_TIME, NO_TIME)
    detail = (
        f"{path.parent.name}/{path.name}: not in the manifest, left where it is; "
        f"`workstation history repair {folder}` takes it in"
    )
    return problem(path.parent.name, *bounds, detail, True)
