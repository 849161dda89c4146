"""Serve the dashboards over a running desk."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workstation.cli.compiling import KernelCache, ParallelCompilation
from workstation.cli.ending import ended_by_signals
from workstation.desk import Desk
from workstation.market.errors import WorkstationError
from workstation.process import release, share, spare_collections, stop_shared
from workstation.settings import ServerSettings

FIRST_PAGE = "exposure"
PORTS_TRIED = 20


def dashboards() -> dict[str, str]:
    """Route -> file of every dashboard: of the working directory, else of the checkout, else of the installed package."""
    package = Path(__file__).parents[1]
    for folder in (Path.cwd() / "dashboards", package.parent / "dashboards", package / "dashboards"):
        files = sorted(file for file in folder.glob("*.py") if not file.stem.startswith("_"))
        if files:
            return {file.stem: str(file) for file in files}
    raise WorkstationError("the dashboards are not installed; install the workstation again")


def free_port(address: str, wanted: int) -> int:
    """The wanted port when it is free, else the next free one of the following twenty; 0 takes any.

    Raises
    ------
    WorkstationError
        The address is none of this machine's, the ports are taken, or may not be bound.
    """
    if not 0 <= wanted <= 65_535:
        raise WorkstationError(f"port {wanted} is none: ports are 0 (any free one) to 65535")
    family = _family(address)
    last = min(wanted + PORTS_TRIED, 65_536)
    for port in range(wanted, last) if wanted else (0,):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise WorkstationError(_unbindable(address, port, error)) from error
            return int(probe.getsockname()[1])
    raise WorkstationError(f"ports {wanted} to {last - 1} of {address} are taken; name another with --port")


def _family(address: str) -> socket.AddressFamily:
    try:
        return socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise WorkstationError(f"--address {address!r} is no address: {error}") from error


def _unbindable(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"port {port} needs rights this user does not have; name one from 1024 on with --port"
    return f"--address {address}: cannot be bound on this machine: {error.strerror or error}"


def check_exposed(address: str, without_login: bool) -> None:
    """Refuse to serve beyond this machine without a login, unless that is asked for in so many words.

    Raises
    ------
    WorkstationError
        Says what to do.
    """
    from workstation.cli.server_guards import is_loopback

    _family(address)
    if not is_loopback(address) and not without_login:
        raise WorkstationError(
            f"--address {address} opens every page, portfolio and accounts included, to whoever reaches this machine; serve "
            "on 127.0.0.1 (an SSH tunnel reaches it), or add --without-login if that is meant"
        )


def _hosts(address: str, port: int) -> list[str]:
    names = {"localhost", "127.0.0.1", "[::1]", f"[{address}]" if ":" in address else address}
    if address in ("0.0.0.0", "::"):
        names |= {socket.gethostname(), *(info[4][0] for info in _own_addresses())}
    return sorted({f"{name}:{port}" for name in names} | ({*names} if port == 80 else set()))


def _own_addresses() -> list[Any]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET)
    except OSError:
        return []  # a machine without a name of its own is reached by localhost


def serve(desk: Desk, server: ServerSettings, *, without_login: bool = False) -> None:
    """Serve every dashboard over the desk until a signal asks for the end; the desk is stopped at the end."""
    from tornado.ioloop import IOLoop

    check_exposed(server.address, without_login)
    port = free_port(server.address, server.port)
    loop = IOLoop.current()
    with ended_by_signals(lambda: loop.add_callback_from_signal(loop.stop)):
        kernels = KernelCache()
        compiling = None if kernels.complete() else ParallelCompilation(kernels)
        try:
            share(desk if compiling else desk.start(), held=compiling is not None)
            _listen(server.address, port, loop.add_callback)
            if compiling:
                threading.Thread(target=_start_when_compiled, args=(compiling,), daemon=True).start()
            loop.start()
        finally:
            if compiling:
                compiling.cancel()
            stop_shared()


def _start_when_compiled(compiling: ParallelCompilation) -> None:
    """The first start on a machine: pages are up while the kernels are compiled, the market follows."""
    print("Compiling the numerical kernels, once: the market starts in a minute", flush=True)
    try:
        compiling.run()
    except WorkstationError as error:
        print(f"{error}; they are compiled as they are needed", flush=True)
    if not compiling.cancelled:
        release()


def _listen(address: str, port: int, once_it_listens: Callable[..., None]) -> None:
    import panel as pn
    from tornado.web import RedirectHandler

    from workstation.cli.server_guards import guard, hide_tracebacks
    from workstation.views.shell import page_opening
    from workstation.views.widgets.uploads import MESSAGE_LIMIT

    page_opening.install()
    hide_tracebacks()
    pages = dashboards()
    first = FIRST_PAGE if FIRST_PAGE in pages else next(iter(pages))
    shown = f"[{address}]" if ":" in address else address
    print("Opening the workstation: every page is built once before the first visit", flush=True)
    hosts = _hosts(address, port)
    result = pn.io.server.get_server(
        pages,
        port=port,
        address=address,
        # Bokeh's own list knows no IPv6 addresses; the guard checks host and origin of every request
        websocket_origin=["*"] if ":" in address else [host for host in hosts if not host.startswith("[")],
        liveness=True,
        warm=True,
        websocket_max_message_size=MESSAGE_LIMIT,
        extra_patterns=[(r"/", RedirectHandler, {"url": f"/{first}", "permanent": False})],
    )
    guard(result, hosts)
    result.start()
    once_it_listens(
        print, f"The workstation is at http://{shown}:{port}/{first}  (Ctrl-C stops it)", flush=True
    )
    once_it_listens(spare_collections)
