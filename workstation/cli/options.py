"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workstation.settings import ServerSettings, Settings

HistoryOption = Annotated[
    str, typer.Option(help="Store: a path or a URL (embedded://, influxdb3://). Default: the settings'.")
]
PortOption = Annotated[
    int | None, typer.Option(help="Port; the next free one is taken when it is not free, 0 takes any.")
]
AddressOption = Annotated[str | None, typer.Option(help="Address to serve on.")]
DashboardsOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of your own dashboards, served beside the workstation's. They are programs: name only what you trust."
    ),
]
LoginOption = Annotated[
    bool,
    typer.Option(
        "--without-login", help="Serve beyond this machine although anybody who reaches it sees all."
    ),
]


def server_of(
    settings: Settings, port: int | None, address: str | None, login: str | None = None
) -> ServerSettings:
    """The settings' server with what a command line gives in its place."""
    given = {"port": port, "address": address, "login": login}
    return settings.server.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
