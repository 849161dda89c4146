"""The login of a served workstation: made of the settings, put before the pages, kept up to date."""

from __future__ import annotations

import secrets
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from workstation.access.credentials import (
    Credentials,
    line_of_password,
    line_of_token,
    new_token,
)
from workstation.access.roles import Role, role_for_path
from workstation.cli.answers import answered, console
from workstation.market.errors import WorkstationError
from workstation.settings import ServerSettings

NOT_IN_TOKENS: dict[str, Any] = {
    "include_cookies": [],
    "exclude_headers": ["Cookie", "Authorization"],
}
"""Bokeh writes a request's cookies and headers into the token that stands in the page: those of the door must not be there."""


def check_public(server: ServerSettings, loopback: bool) -> None:
    """Refuse a login whose cookies no browser would send, and one without anybody who could log in.

    Raises
    ------
    WorkstationError
        Says what to do.
    """
    if server.login == "none":
        return
    parts = urlsplit(server.public_url)
    if server.public_url and (
        parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/")
    ):
        raise WorkstationError(
            f"server.public_url {server.public_url!r} is no address of a server: https://desk.example"
        )
    if not loopback and parts.scheme != "https":
        raise WorkstationError(
            "cookies of a login travel over TLS alone: put a proxy with TLS before the server (docs/deploy/nginx.conf) and set "
            "WORKSTATION_SERVER__PUBLIC_URL=https://..."
        )
    if server.login == "basic" and server.credentials_file is None:
        raise WorkstationError(
            "--login basic needs server.credentials_file; `workstation credential NAME --password` writes its lines"
        )


def make_door(server: ServerSettings, base_url: str) -> Any:
    """The door that the settings ask for; None without a login. ``WorkstationError`` where something is missing."""
    if server.login == "none":
        return None
    try:
        from workstation.access.door import Door
        from workstation.access.oidc import OidcClient
    except ImportError as error:
        raise WorkstationError(f"a login needs {error.name}: pip install 'workstation[door]'") from error
    oidc = OidcClient(server.oidc, f"{base_url}/login/callback") if server.login == "oidc" else None
    return Door(
        Credentials.read(server.credentials_file), oidc, hours=server.session_hours, **_shared(server)
    )


def _shared(server: ServerSettings) -> dict[str, Any]:
    """What several page servers share."""
    url = server.sessions_url.get_secret_value()
    if not url:
        return {}
    try:
        from workstation.access.shared_sessions import SharedLimiter, SharedSessions

        return {"sessions": SharedSessions(url), "limiter": SharedLimiter(url)}
    except ImportError as error:
        raise WorkstationError(
            f"server.sessions_url needs {error.name}: pip install 'workstation[bus]'"
        ) from error
    except ValueError:
        raise WorkstationError(
            "server.sessions_url is no address of Redis: redis://127.0.0.1:6379/0"
        ) from None


def server_options(door: Any) -> dict[str, Any]:
    """Options of Bokeh's server with a login: who is logged in, signed sessions, nothing of the door in a page's token."""
    if door is None:
        return {}
    from workstation.access.provider import DoorProvider

    return {
        "auth_provider": DoorProvider(door),
        "sign_sessions": True,
        "secret_key": secrets.token_urlsafe(32),
        **NOT_IN_TOKENS,
    }


def login_routes(door: Any, base_url: str) -> list[tuple[Any, ...]]:
    """Patterns of login, callback and logout; none without a login."""
    if door is None:
        return []
    from workstation.access.provider import door_routes

    return door_routes(door, base_url)


def put_before(server: Any, door: Any, end_streams: Any) -> None:
    """Have the door asked before any page, and end what is open of sessions that have ended."""
    if door is None:
        return
    from workstation.access.provider import Refused, RefusedHandler
    from workstation.cli.server_guards import admit, end_sockets

    admit(server, Refused(door), RefusedHandler, {"door": door})

    def allowed(request: Any) -> bool:
        caller = door.person(request)
        return caller is not None and caller.role >= role_for_path(request.path)

    door.on_end += [lambda: end_sockets(server, allowed), end_streams]


@answered
def credential(
    name: Annotated[str, typer.Argument(help="Who or what it is of.")],
    role: Annotated[str, typer.Option(help="viewer, trader or admin")] = "viewer",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password instead of making a token.")
    ] = False,
) -> None:
    """Make a machine token for the API, or take a password; prints the line for server.credentials_file."""
    if role.upper() not in Role.__members__:
        raise WorkstationError(f"no role {role!r}; there are viewer, trader, admin")
    held = Role[role.upper()]
    if password:
        line = line_of_password(
            name, held, typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        )
    else:
        token = new_token()
        line = line_of_token(name, held, token)
        console.print(f"Token, shown this once: {token}", soft_wrap=True, highlight=False)
    console.print("Line for the file that server.credentials_file names:")
    console.print(line, soft_wrap=True, highlight=False, markup=False)
