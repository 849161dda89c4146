"""Where an InfluxDB 3 database is, and how its history behaves."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import platformdirs
from pydantic import SecretStr

from workstation.history.influx.names import MAX_REQUEST, database
from workstation.market.errors import HistoryError, unknown_name

TOKEN_VARIABLE = "INFLUXDB3_AUTH_TOKEN"  # noqa: S105 - the name of a variable # nosec


@dataclass(frozen=True)
class InfluxOptions:
    """Options of an InfluxDB 3 history, by keyword or in the address's query.

    Attributes
    ----------
    token
        Of the server; without one that of the environment variable ``INFLUXDB3_AUTH_TOKEN``.
    tls
        Whether the server is spoken to over TLS.
    query_port
        Port of Flight where it is not that of writes (a proxy); 0 is the same.
    no_sync
        Answered before the server's log is on its disk: faster, and a crash of the server may cost the last second.
    request_bytes
        Size of a write request before compression, at most the server's 10 MiB.
    gzip_level
        0 sends plain text.
    timeout_seconds
        For a connection and for an answer.
    queue_folder, queue_bytes
        Where writes wait while the server is down, and how many bytes of them.
    retry_seconds
        First and longest pause of the queue between two tries; doubles in between.
    window_hours
        A query reads at most so much time: Core opens at most 432 files of 10 minutes.
    retention
        How long the server keeps rows (``30d``), when the database is made by this history; Core cannot change it later.
    """

    token: SecretStr | None = None
    tls: bool = False
    query_port: int = 0
    no_sync: bool = False
    request_bytes: int = 4 << 20
    gzip_level: int = 1
    timeout_seconds: float = 30.0
    queue_folder: Path | None = None
    queue_bytes: int = 1 << 30
    retry_seconds: tuple[float, float] = (0.1, 10.0)
    window_hours: float = 71.0
    retention: str = ""


@dataclass(frozen=True)
class Address:
    """Host, port and database; ``queue`` is where writes wait."""

    host: str
    port: int
    database: str
    options: InfluxOptions

    @property
    def server(self) -> str:
        """The server's address for HTTP."""
        return f"{'https' if self.options.tls else 'http'}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The history's address, without the token."""
        return f"influxdb3://{self.host}:{self.port}/{self.database}"

    @property
    def queue(self) -> Path:
        """The folder where writes wait."""
        if self.options.queue_folder is not None:
            return self.options.queue_folder
        name = f"{self.host}-{self.port}-{self.database.replace('/', '-')}"
        return platformdirs.user_data_path("workstation") / "influx-queue" / name

    @property
    def token(self) -> str:
        """The token in clear, for a request; empty when there is none."""
        held = self.options.token
        return held.get_secret_value() if held is not None else os.environ.get(TOKEN_VARIABLE, "")


def address(place: str, **options: object) -> Address:
    """What an address says: ``host:port/database?option=value``.

    Raises
    ------
    HistoryError
        The host or the database is missing, or an option is not known or not understood.

    Examples
    --------
    >>> one = address("localhost:8181/market?no_sync=true&token=secret")
    >>> one.url, one.options.no_sync, "secret" in repr(one)
    ('influxdb3://localhost:8181/market', True, False)
    """
    parts = urlsplit(f"//{place}")
    name = parts.path.strip("/")
    try:
        port = parts.port or 8181
    except ValueError as error:
        raise HistoryError(f"the port of an InfluxDB 3 address is no number: {error}") from error
    if not parts.hostname or not name:
        raise HistoryError("an InfluxDB 3 history is influxdb3://host:port/database")
    known = [field.name for field in fields(InfluxOptions)]
    values: dict[str, object] = dict(parse_qsl(parts.query, keep_blank_values=True)) | options
    for key in values:
        if key not in known:
            raise HistoryError(unknown_name("option of an InfluxDB 3 history", key, known))
    made = InfluxOptions(**{key: _option(key, value) for key, value in values.items()})  # type: ignore[arg-type]
    if not 1024 <= made.request_bytes <= MAX_REQUEST:
        raise HistoryError(f"request_bytes is {made.request_bytes}; the server takes at most {MAX_REQUEST}")
    return Address(parts.hostname, port, database(name), made)


def _option(name: str, value: object) -> object:
    kind = type(getattr(InfluxOptions, name))
    if name == "token":
        return SecretStr(value) if isinstance(value, str) else value
    if name == "queue_folder":
        return Path(str(value)).expanduser().absolute() if value is not None else None
    if not isinstance(value, str) or kind is str:
        return value
    try:
        if kind is bool:
            return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
        if kind is tuple:
            first, longest = value.split(",")
            return float(first), float(longest)
        return kind(value)
    except (ValueError, KeyError) as error:
        raise HistoryError(f"{name}={value!r} is no {kind.__name__}") from error
