"""Machine tokens and passwords, kept as hashes in a file: one a line, ``kind name role hash``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from workstation.access.roles import Caller, Role
from workstation.market.errors import WorkstationError

TOKEN, PASSWORD = "token", "password"
TOKEN_MARK = "ws_"  # noqa: S105 - how a token begins # nosec
_COST = {"n": 2**14, "r": 8, "p": 1}
_LEAST_PASSWORD, _MOST_PASSWORD = 12, 1_000


def new_token() -> str:
    """A machine token of 256 random bits."""
    return TOKEN_MARK + secrets.token_urlsafe(32)


def line_of_token(name: str, role: Role, token: str) -> str:
    """The line of a machine token; the token cannot be told from it."""
    return f"{TOKEN} {_checked(name)} {role.name.lower()} {_digest(token)}"


def line_of_password(name: str, role: Role, password: str) -> str:
    """The line of a password: salted scrypt. ``WorkstationError`` for a short one."""
    if not _LEAST_PASSWORD <= len(password) <= _MOST_PASSWORD:
        raise WorkstationError(f"a password has {_LEAST_PASSWORD} to {_MOST_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    kept = base64.urlsafe_b64encode(salt + _scrypt(password, salt)).decode()
    return f"{PASSWORD} {_checked(name)} {role.name.lower()} {kept}"


def _checked(name: str) -> str:
    if not name or len(name) > 64 or not all(sign.isalnum() or sign in "._@-" for sign in name):
        raise WorkstationError(f"{name!r} is no name: letters, digits and . _ @ -, at most 64 of them")
    return name


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_COST)


@dataclass(frozen=True, repr=False)
class Credentials:
    """The machine tokens and passwords of a file.

    Examples
    --------
    >>> token = new_token()
    >>> held = Credentials.parse(line_of_token("grafana", Role.VIEWER, token))
    >>> held.of_token(token), held.of_token(token + "x") is None
    (Caller(name='grafana', role=<Role.VIEWER: 1>), True)
    """

    tokens: dict[str, Caller] = field(default_factory=dict)
    passwords: dict[str, tuple[Role, bytes]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> Credentials:
        """Those of a file; none without one. ``WorkstationError`` names the line that is none, never what it holds."""
        if path is None:
            return cls()
        try:
            return cls.parse(path.read_text())
        except OSError as error:
            raise WorkstationError(f"server.credentials_file: {error}") from error

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Those of a file's text; empty lines and lines that begin with ``#`` are left out."""
        made = cls()
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    made._take(line.split())
                except (ValueError, KeyError):
                    raise WorkstationError(
                        f"line {number} of the credentials is none; `workstation credential` writes them"
                    ) from None
        return made

    def _take(self, parts: list[str]) -> None:
        kind, name, role, kept = parts
        if kind == TOKEN and len(kept) == 64:
            self.tokens[kept] = Caller(_checked(name), Role[role.upper()])
        elif kind == PASSWORD:
            raw = base64.b64decode(kept, altchars=b"-_", validate=True)
            if len(raw) != 48:
                raise ValueError
            self.passwords[_checked(name)] = Role[role.upper()], raw
        else:
            raise ValueError

    def of_token(self, token: str) -> Caller | None:
        """Whose machine token it is."""
        return self.tokens.get(_digest(token))

    def of_password(self, name: str, password: str) -> Caller | None:
        """Whose password it is; takes as long for a name that is not known. Some 50 ms: call it in a thread."""
        role, raw = self.passwords.get(name, (None, bytes(48)))
        right = hmac.compare_digest(_scrypt(password[:_MOST_PASSWORD], raw[:16]), raw[16:])
        return Caller(name, role) if right and role is not None else None
