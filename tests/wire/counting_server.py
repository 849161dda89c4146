"""Serves every dashboard on the synthetic market and tells which sessions' documents are alive.

Usage: python counting_server.py PORT
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import panel as pn
from bokeh.document import Document
from bokeh.io.state import curstate
from tornado.web import RequestHandler

DASHBOARDS = Path(__file__).parents[2] / "dashboards"


def route_of(document: Document) -> str:
    """The dashboard a document is of: its page's title, which outlives the session."""
    page = document.template_variables.get("meta")
    return str(getattr(page, "title", "")) if page else "destroyed"


class Documents(RequestHandler):
    """Titles of the sessions' documents alive; the process's own empty one is not counted."""

    def get(self) -> None:
        gc.collect()
        own = curstate().document
        alive = [found for found in gc.get_objects() if isinstance(found, Document) and found is not own]
        self.write(json.dumps([route_of(document) for document in alive]))


if __name__ == "__main__":
    from workstation.process import shared_desk

    shared_desk()
    pn.serve(
        {path.stem: str(path) for path in sorted(DASHBOARDS.glob("*.py"))},
        port=int(sys.argv[1]), address="127.0.0.1", show=False, liveness=True,
        extra_patterns=[("/documents", Documents)],
        check_unused_sessions_milliseconds=500, unused_session_lifetime_milliseconds=3_000,
    )  # fmt: skip
