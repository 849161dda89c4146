"""Logs: one line a record, as text or JSON, to a file that is turned over or to the terminal; no secret in them.

What the desk has to tell of its feeds and engines, the rows of ``health``, is logged too.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from logging.handlers import RotatingFileHandler
from typing import Any

import pandas as pd
from pydantic import BaseModel, SecretStr

from workstation.market.errors import WorkstationError
from workstation.settings import Settings
from workstation.streams.sinks import FunctionSink

log = logging.getLogger("workstation.health")
HIDDEN = "***"
_SHORTEST = 4
"""Secrets of fewer characters are not looked for: they would blot out half of every line."""
_TOLD = (
    (re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:bearer|basic)\s+)[^\s'\",]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(\w://[^:/@\s]*:)[^@/\s]+(?=@)"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)([?&](?:code|state|nonce|[a-z_]*(?:token|secret|password|key|signature|hint))=)[^&\s'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(__Host-[\w-]+=)[^;\s'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\bws_[\w-]{40,}"), HIDDEN),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), HIDDEN),
)  # fmt: skip
"""Credentials by their looks: headers, addresses, queries, cookies, machine tokens, signed tokens."""
LEVELS = {
    "failed": logging.ERROR, "refused": logging.ERROR, "rejected": logging.WARNING, "gap": logging.WARNING, "dropped": logging.WARNING,
    "stale": logging.WARNING, "late": logging.WARNING, "disconnected": logging.WARNING,
}  # fmt: skip
"""Of the events of ``health``; all others are information."""


def secrets_of(held: Any) -> Iterator[str]:
    """Every secret in settings, at any depth.

    >>> list(secrets_of({"a": [SecretStr("one")], "b": {"c": SecretStr("two")}, "d": "three"}))
    ['one', 'two']
    """
    if isinstance(held, SecretStr):
        yield held.get_secret_value()
    elif isinstance(held, BaseModel):
        for name in type(held).model_fields:
            yield from secrets_of(getattr(held, name))
    elif is_dataclass(held) and not isinstance(held, type):
        for one in fields(held):
            yield from secrets_of(getattr(held, one.name))
    elif isinstance(held, Mapping):
        for value in held.values():
            yield from secrets_of(value)
    elif isinstance(held, list | tuple | set | frozenset):
        for value in held:
            yield from secrets_of(value)


class Line(logging.Formatter):
    """One record as one line.

    Parameters
    ----------
    as_json
        An object per line, else text.
    secrets
        Texts that are hidden wherever they stand, in messages and tracebacks.

    Examples
    --------
    >>> record = logging.LogRecord("a.b", logging.INFO, "", 0, "to redis://u:%s@host\\nnow", ("pw",), None)
    >>> Line(as_json=False, secrets=["host"]).format(record).split(" ", 1)[1]
    'INFO a.b: to redis://u:***@***\\\\nnow'
    """

    converter = staticmethod(time.gmtime)
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def __init__(self, *, as_json: bool, secrets: list[str]) -> None:
        super().__init__()
        self._as_json = as_json
        known = sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": self._hidden(record.getMessage()),
        }
        if record.exc_info:
            told["error"] = self._hidden(self.formatException(record.exc_info))
        if self._as_json:
            own = getattr(record, "health", {})
            told |= {
                name: self._hidden(value) if isinstance(value, str) else value for name, value in own.items()
            }
            return json.dumps(told | {"thread": record.threadName}, ensure_ascii=False)
        rest = "".join("\n    " + line for line in told.get("error", "").splitlines())
        message = told["message"].replace("\r", "\\r").replace("\n", "\\n")
        return f"{told['time']} {told['level']} {told['logger']}: {message}{rest}"

    def _hidden(self, text: str) -> str:
        for looks, instead in _TOLD:
            text = looks.sub(instead, text)
        return self._known.sub(HIDDEN, text) if self._known else text


def start_logging(settings: Settings) -> logging.Handler:
    """Log as the settings say, in place of what was set up before; gives what writes.

    Raises
    ------
    WorkstationError
        The file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler()
    if settings.log_file is not None:
        try:
            settings.log_file.parent.mkdir(parents=True, exist_ok=True)
            handler = RotatingFileHandler(
                settings.log_file, maxBytes=int(settings.log_file_mb * 1e6), backupCount=settings.log_files_kept,
                encoding="utf-8",
            )  # fmt: skip
        except OSError as error:
            raise WorkstationError(f"log_file {settings.log_file}: {error.strerror or error}") from error
    oidc = settings.server.oidc
    secrets = [*secrets_of(settings), *([oidc.secret()] if oidc.client_secret_file else [])]
    handler.setFormatter(Line(as_json=settings.log_format == "json", secrets=secrets))
    root = logging.getLogger()
    for before in [one for one in root.handlers if getattr(one, "ours", False)]:
        root.removeHandler(before)
        before.close()
    handler.ours = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(True)
    return handler


def health_log() -> FunctionSink:
    """A sink that logs what feeds, engines and the recorder report."""
    return FunctionSink("log", ("health",), _log_health)


def _log_health(table: str, frame: pd.DataFrame) -> None:
    for row in frame.to_dict("records"):
        told = {name: row[name] for name in ("event", "feed", "channel", "count", "detail")}
        told = {name: int(value) if name == "count" else str(value) for name, value in told.items()}
        level = LEVELS.get(told["event"], logging.INFO)
        words = " ".join(str(value) for value in told.values() if value)
        log.log(level, "%s", words, extra={"health": told})
