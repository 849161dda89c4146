"""Serve the dashboards of the checkout over a running desk."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

from workstation.desk import Desk, share, spare_collections
from workstation.market.errors import WorkstationError
from workstation.settings import ServerSettings

FIRST_PAGE = "exposure"


def dashboards() -> dict[str, str]:
    """Route -> file of every dashboard: in the working directory, else beside the installed package."""
    for root in (Path.cwd(), Path(__file__).parents[2]):
        files = sorted((root / "dashboards").glob("*.py"))
        if files:
            return {file.stem: str(file) for file in files}
    raise WorkstationError("no dashboards/*.py here; run the command in a checkout of the project")


def free_port(address: str, wanted: int) -> int:
    """The wanted port when it is free, else the next free one of the following twenty; 0 takes any."""
    if wanted == 0:
        with socket.socket() as probe:
            probe.bind((address, 0))
            return int(probe.getsockname()[1])
    for port in range(wanted, wanted + 20):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise WorkstationError(
        f"ports {wanted} to {wanted + 19} of {address} are taken; name another with --port"
    )


def serve(desk: Desk, server: ServerSettings) -> None:
    """Serve every dashboard over the desk until interrupted; the desk is stopped at the end."""
    import panel as pn
    from tornado.ioloop import IOLoop
    from tornado.web import RedirectHandler

    from workstation.views.shell import page_opening

    page_opening.install()
    share(desk.start())
    pages = dashboards()
    port = free_port(server.address, server.port)
    first = FIRST_PAGE if FIRST_PAGE in pages else next(iter(pages))
    opened = f"The workstation is at http://{server.address}:{port}/{first}  (Ctrl-C stops it)"
    print("Opening the workstation: every page is built once before the first visit", flush=True)
    for once_it_listens in (partial(print, opened, flush=True), spare_collections):
        IOLoop.current().add_callback(once_it_listens)
    try:
        pn.serve(
            pages,
            port=port,
            address=server.address,
            websocket_origin=[f"{server.address}:{port}", f"localhost:{port}", f"127.0.0.1:{port}"],
            show=False,
            verbose=False,
            liveness=True,
            warm=True,
            extra_patterns=[(r"/", RedirectHandler, {"url": f"/{first}", "permanent": False})],
            on_server_loaded=None,
        )
    finally:
        desk.stop()
