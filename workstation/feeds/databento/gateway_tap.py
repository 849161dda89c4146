"""The vendor's live protocol with its records left as bytes: the client logs in and subscribes, we decode.

The vendor's client makes a Python object of each record. Its protocol class is public; the method that is replaced here
(``_process_dbn``, which takes what comes once the session has begun) is not, nor is the address of its history; whether both are there is
checked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import databento
from databento.common.error import BentoError
from databento.live.protocol import DatabentoLiveProtocol
from pydantic import SecretStr

from workstation.market.errors import FeedError

KNOWN_VERSIONS = ("0.87",)
"""Of ``databento``, with which the replaced method was tried."""


class _NoCredentials(logging.Filter):
    """The vendor logs its answer to the login's challenge at level DEBUG; the end of the key is part of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may be logged."""
        return "CRAM challenge" not in str(record.msg)


logging.getLogger("databento.live.protocol").addFilter(_NoCredentials())


def historical(key: SecretStr, url: str) -> Any:
    """The vendor's client of history, at an address of ours where one is given.

    The client writes ``https://`` before any address; an ``http://`` one, a local server's, is put in its place.
    """
    client = databento.Historical(
        key.get_secret_value(), **({"gateway": url} if url.startswith("https://") else {})
    )
    if url.startswith("http://"):
        if not hasattr(client.timeseries, "_base_url"):
            raise FeedError(f"databento {version('databento')} takes no http:// address", fatal=True)
        client.timeseries._base_url = f"{url.rstrip('/')}/v0/timeseries"
    return client


class GatewayTap(DatabentoLiveProtocol):
    """One session.

    Parameters
    ----------
    key, dataset
        Of the session.
    heartbeat_s
        After how long a silence the gateway sends a heartbeat.
    on_bytes
        Takes what comes once the session is authenticated.
    on_lost
        Called once, with the reason, when the connection is gone.
    """

    def __init__(
        self,
        key: SecretStr,
        dataset: str,
        *,
        heartbeat_s: int,
        on_bytes: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        if not hasattr(DatabentoLiveProtocol, "_process_dbn"):
            raise FeedError(
                f"databento {version('databento')} keeps its records elsewhere; versions {', '.join(KNOWN_VERSIONS)} are known",
                fatal=True,
            )
        super().__init__(key.get_secret_value(), dataset, heartbeat_interval_s=heartbeat_s)
        self._on_bytes, self._on_lost = on_bytes, on_lost

    def _process_dbn(self, data: bytes) -> None:
        self._on_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone: tell it once."""
        if not self.authenticated.done():
            self.authenticated.set_exception(BentoError("the gateway closed the connection before the login"))
        super().connection_lost(exc)
        if self.disconnected.done() and not self.disconnected.cancelled():
            self.disconnected.exception()  # looked at, so that asyncio does not report it again
        self._on_lost(str(exc) if exc else "closed by the gateway")
