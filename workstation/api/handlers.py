"""Tornado handlers of the API: who asks, what is asked, the answer in the media type wanted, mistakes in words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler

from workstation.access.roles import Caller, Role
from workstation.api.encoding import ARROW, accepted, as_arrow, as_json
from workstation.api.metrics import Metrics
from workstation.api.parameters import RequestError, read_query
from workstation.api.resources import Answer, Resource
from workstation.desk import Desk
from workstation.market.errors import HistoryError

log = logging.getLogger(__name__)
THREADS, WAITING = 2, 32
"""Answers that are made at once, and requests that may wait for their turn."""

_REFUSAL_HEADERS = {
    401: {"WWW-Authenticate": 'Bearer realm="workstation"'},
    405: {"Allow": "GET"},
    429: {"Retry-After": "1"},
}

Identify = Callable[[HTTPServerRequest], Caller | None]


@dataclass
class Backend:
    """What all handlers share: the desk, who is who, threads that answer, counts."""

    desk: Desk
    identify: Identify
    metrics: Metrics
    waiting: int = 0
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="api")
    )

    async def run(self, function: Callable[[], Any]) -> Any:
        """Answer in a thread, so that no page waits; ``RequestError`` 429 when too many wait already."""
        if self.waiting >= WAITING:
            raise RequestError(429, "", "too many requests wait; try again in a second")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function)
        finally:
            self.waiting -= 1


class ApiHandler(RequestHandler):
    """What is common to all paths of the API: JSON errors, no caching, a caller of a sufficient role."""

    backend: Backend
    role = Role.VIEWER

    def initialize(self, backend: Backend) -> None:
        """Take what all handlers share."""
        self.backend = backend

    def set_default_headers(self) -> None:
        """Answers are of this moment and of this caller."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept, Authorization, Cookie")

    def prepare(self) -> None:
        """Refuse whoever is unknown or of too low a role."""
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(405)
        caller = self.backend.identify(self.request)
        if caller is None:
            raise RequestError(401, "", "send a machine token as `Authorization: Bearer ...`, or log in")
        if caller.role < self.role:
            raise RequestError(403, "", f"this needs the role {self.role.name.lower()}")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The mistake as JSON: status, parameter, message."""
        error = kwargs.get("exc_info", (None, None))[1]
        parameter, message = "", HTTPStatus(status_code).phrase
        if isinstance(error, RequestError):
            status_code, parameter, message = error.status, error.parameter, error.reason_text
        elif isinstance(error, HistoryError):
            status_code, message = 503, "the history does not answer; the server's log says why"
        self.set_status(status_code)
        for name, value in _REFUSAL_HEADERS.get(status_code, {}).items():
            self.set_header(name, value)
        self.set_header("Content-Type", "application/json")
        self.finish(as_json({"error": {"status": status_code, "parameter": parameter, "message": message}}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Mistakes of callers are no news; all else is."""
        if isinstance(value, HistoryError):
            log.error("the history does not answer: %s", value)
        elif not isinstance(value, RequestError):
            super().log_exception(typ, value, tb)

    def on_finish(self) -> None:
        """Count the answer."""
        self.backend.metrics.answered(self._shown_path(), self.get_status())

    def _shown_path(self) -> str:
        return "other"


class ResourceHandler(ApiHandler):
    """One declared resource."""

    resource: Resource

    def initialize(self, backend: Backend, resource: Resource) -> None:  # type: ignore[override]
        """Take the resource."""
        super().initialize(backend)
        self.resource, self.role = resource, resource.role

    async def get(self, *parts: str) -> None:
        """Answer."""
        media = accepted(self.request.headers.get("Accept", ""), self.resource.media)
        if media is None:
            raise RequestError(406, "", f"is given as {' or '.join(self.resource.media)}")
        given = dict(self.request.query_arguments)
        if parts:
            given["id"] = [parts[0].encode()]
        values = read_query(self.resource.parameters, given)
        desk = self.backend.desk

        def made() -> tuple[bytes, str]:
            answer = self.resource.answer(desk, values)
            return _body(answer, media), answer.next or ""

        body, following = await self.backend.run(made)
        self.set_header("Content-Type", media)
        if following:
            self.set_header("X-Next-Cursor", following)
        self.write(body)

    def _shown_path(self) -> str:
        return self.resource.path


def _body(answer: Answer, media: str) -> bytes:
    if media == ARROW and answer.rows is not None:
        told = {
            name: str(value) for name, value in answer.facts.items() if isinstance(value, str | int | float)
        }
        return as_arrow(answer.rows, answer.units or {}, told | {"next": answer.next or ""})
    body = dict(answer.facts)
    if answer.rows is not None:
        body |= {"rows": answer.rows, "units": dict(answer.units or {})}
    if answer.next is not None:
        body["next"] = answer.next or None
    return as_json(body)


class DocumentHandler(ApiHandler):
    """The OpenAPI document."""

    document: bytes

    def initialize(self, backend: Backend, document: dict[str, Any]) -> None:  # type: ignore[override]
        """Take the document."""
        super().initialize(backend)
        self.document = as_json(document)

    def get(self) -> None:
        """Answer."""
        self.set_header("Content-Type", "application/json")
        self.write(self.document)

    def _shown_path(self) -> str:
        return "/openapi.json"


class MetricsHandler(ApiHandler):
    """Counts in the text format of Prometheus."""

    async def get(self) -> None:
        """Answer."""
        text, kind = await self.backend.run(self.backend.metrics.text)
        self.set_header("Content-Type", kind)
        self.write(text)

    def _shown_path(self) -> str:
        return "/metrics"


class UnknownPath(ApiHandler):
    """Whatever else is asked below /api."""

    def get(self, *_: str) -> NoReturn:
        """There is nothing."""
        raise RequestError(404, "", "there is no such path; /api/openapi.json lists them")
