"""Tornado routes of the API over one desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tornado.httputil import HTTPServerRequest

from workstation.api.handlers import (
    Backend,
    DocumentHandler,
    Identify,
    MetricsHandler,
    ResourceHandler,
    UnknownPath,
)
from workstation.api.metrics import Metrics
from workstation.api.openapi import document
from workstation.api.resources import RESOURCES
from workstation.api.stream import Fan, StreamHandler
from workstation.desk import Desk

Routes = list[tuple[Any, ...]]


def api_routes(
    desk: Desk,
    identify: Identify,
    same_site: Callable[[HTTPServerRequest], bool],
    refused: Callable[[], Mapping[str, int]] = dict,
) -> tuple[Routes, Callable[[], None]]:
    """Patterns, handlers and their arguments; and what closes the websockets of callers whose session has ended.

    Parameters
    ----------
    desk
        What is told of.
    identify
        Who sends a request; None: nobody known.
    same_site
        Whether a websocket's request comes from a page of this server, or from no page.
    refused
        Logins refused, by reason, for the metrics.
    """
    backend = Backend(desk, identify, Metrics(desk, refused))
    shared = {"backend": backend}
    fan = Fan(desk.hub)
    routes: Routes = [
        *(
            (rf"/api{one.path.replace('{id}', '(.+)')}", ResourceHandler, shared | {"resource": one})
            for one in RESOURCES
        ),
        (r"/api/openapi\.json", DocumentHandler, shared | {"document": document()}),
        (r"/api/stream", StreamHandler, shared | {"fan": fan, "check": same_site}),
        (r"/metrics", MetricsHandler, shared),
        (r"/api(/.*)?", UnknownPath, shared),
    ]
    return routes, fan.end_strangers
