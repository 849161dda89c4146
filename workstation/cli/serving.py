"""Serve the dashboards over a running desk."""

from __future__ import annotations

import errno
import socket
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workstation.cli.compiling import KernelCache, ParallelCompilation
from workstation.cli.ending import ended_by_signals
from workstation.desk import Desk, open_desk
from workstation.desk_health import OK, WATCH, Part
from workstation.market.errors import WorkstationError
from workstation.process import release, share, spare_collections, stop_shared
from workstation.settings import ServerSettings

FIRST_PAGE = "exposure"
PORTS_TRIED = 20


def dashboards(own: Path | None = None) -> dict[str, str]:
    """Route -> file of every dashboard: the workstation's, and those of a folder of one's own, which win where names are the same.

    Dashboards are programs, and serving runs them: nothing is taken from the working directory unless it is named.

    Parameters
    ----------
    own
        Folder whose files are trusted. Tests of dashboards (``test_*.py``) and files whose names begin with an underscore are no pages.

    Raises
    ------
    WorkstationError
        The folder is none, holds no dashboard, or anybody may write to it.
    """
    package = Path(__file__).parents[1]
    shipped = next(filter(None, map(_pages_of, (package.parent / "dashboards", package / "dashboards"))), {})
    if not shipped:
        raise WorkstationError("the dashboards are not installed; install the workstation again")
    return shipped if own is None else shipped | _own_pages(own.expanduser().resolve())


def _pages_of(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.glob("*.py") if not file.stem.startswith(("_", "test_")))
    return {file.stem: str(file) for file in files}


def _own_pages(folder: Path) -> dict[str, str]:
    pages = _pages_of(folder)
    if not pages:
        raise WorkstationError(
            f"--dashboards {folder}: no dashboard there; `workstation new dashboard NAME` writes one"
        )
    for path in (folder, *map(Path, pages.values())):
        if path.stat().st_mode & stat.S_IWOTH:
            raise WorkstationError(
                f"--dashboards: anybody may write to {path}, and it would be run; chmod o-w it"
            )
    return pages


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


def check_exposed(server: ServerSettings, without_login: bool) -> None:
    """Refuse to serve beyond this machine without a login, unless that is asked for in so many words; and a login that cannot work.

    Raises
    ------
    WorkstationError
        Says what to do.
    """
    from workstation.cli.login import check_public
    from workstation.cli.server_guards import is_loopback

    address = server.address
    _family(address)
    check_public(server, is_loopback(address))
    if not is_loopback(address) and not without_login and server.login == "none":
        raise WorkstationError(
            f"--address {address} opens every page, portfolio and accounts included, to whoever reaches this machine; serve "
            "on 127.0.0.1 (an SSH tunnel reaches it), with --login basic or oidc, or add --without-login if that is meant"
        )


def _hosts(address: str, port: int) -> list[str]:
    names = {"localhost", "127.0.0.1", "[::1]", f"[{address}]" if ":" in address else address}
    if address in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound # nosec
        names |= {socket.gethostname(), *(info[4][0] for info in _own_addresses())}
    return sorted({f"{name}:{port}" for name in names} | ({*names} if port == 80 else set()))


def _own_addresses() -> list[Any]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET)
    except OSError:
        return []  # a machine without a name of its own is reached by localhost


def open_and_serve(
    asked: Callable[[], bool],
    make_desk: Callable[[Callable[..., Desk]], Desk],
    server: ServerSettings,
    without_login: bool,
    own: Path | None = None,
) -> None:
    """Make the desk and serve it, unless a signal asked for the end while something swallowed the interrupt.

    Parameters
    ----------
    asked
        As ``interrupted_by_signals`` yields it.
    make_desk
        Makes the desk with ``open_desk``.
    server, without_login
        As for ``serve``.
    own
        Folder of dashboards of one's own. No setting names it, since settings are read from the working directory too.
    """
    pages = dashboards(own)
    check_exposed(server, without_login)
    free_port(server.address, server.port)
    if asked():
        return
    desk = make_desk(open_desk)
    if asked():
        desk.stop()
        return
    serve(desk, server, without_login=without_login, pages=pages)


def serve(desk: Desk, server: ServerSettings, *, pages: dict[str, str], without_login: bool = False) -> None:
    """Serve dashboards over the desk until a signal asks for the end; the desk is stopped at the end.

    Parameters
    ----------
    desk, server
        What is shown, and where.
    pages
        As ``dashboards`` gives them.
    without_login
        Serve beyond this machine although anybody who reaches it sees all.
    """
    from tornado.ioloop import IOLoop

    check_exposed(server, without_login)
    port = free_port(server.address, server.port)
    loop = IOLoop.current()
    with ended_by_signals(lambda: loop.add_callback_from_signal(loop.stop)) as asked:
        kernels = KernelCache()
        compiling = None if kernels.complete() else ParallelCompilation(kernels)
        try:
            share(desk if compiling else desk.start(), held=compiling is not None)
            _listen(desk, server, port, pages, loop.add_callback)
            if compiling:
                threading.Thread(target=_start_when_compiled, args=(compiling,), daemon=True).start()
            if not asked():  # a page that ran the loop while it was built has used up the call to stop
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


def _listen(
    desk: Desk, server: ServerSettings, port: int, pages: dict[str, str], once_it_listens: Callable[..., None]
) -> None:
    print("Opening the workstation: every page is built once before the first visit", flush=True)
    result, door = page_server(desk, server, port, pages)
    result.start()
    if door is not None:
        once_it_listens(door.keep)
    told = f"The workstation is at {_base_url(server, port)}/{_first(pages)}  (Ctrl-C stops it)"
    once_it_listens(print, told, flush=True)
    once_it_listens(spare_collections)


def _first(pages: Iterable[str]) -> str:
    return FIRST_PAGE if FIRST_PAGE in pages else next(iter(pages))


def _base_url(server: ServerSettings, port: int) -> str:
    """Address of the server as browsers see it."""
    shown = f"[{server.address}]" if ":" in server.address else server.address
    return server.public_url.rstrip("/") or f"http://{shown}:{port}"


def page_server(
    desk: Desk, server: ServerSettings, port: int, pages: dict[str, Any], *, warm: bool = True
) -> tuple[Any, Any]:
    """Bokeh's server of pages and API behind guard and door, on the current loop, not started yet; and the door, None without login.

    Parameters
    ----------
    desk
        What the API tells of.
    server, port
        Where and for whom; the port is free.
    pages
        Route -> what Panel serves there.
    warm
        Build every page once.
    """
    import panel as pn
    from tornado.web import RedirectHandler

    from workstation.access.roles import EVERYBODY
    from workstation.api.routes import api_routes
    from workstation.cli.login import login_routes, make_door, put_before, server_options
    from workstation.cli.server_guards import guard, hide_tracebacks, same_site
    from workstation.views.shell import page_opening
    from workstation.views.widgets.uploads import MESSAGE_LIMIT

    page_opening.install()
    hide_tracebacks()
    base_url = _base_url(server, port)
    hosts = [*_hosts(server.address, port), urlsplit(base_url).netloc]
    ours = frozenset(host.lower() for host in hosts)
    door = make_door(server, base_url)
    routes, end_streams = api_routes(
        desk,
        door.identify if door else lambda _: EVERYBODY,
        lambda request: same_site(request, ours),
        lambda: door.refused if door else {},
    )
    result = pn.io.server.get_server(
        pages,
        port=port,
        address=server.address,
        # Bokeh's own list knows no IPv6 addresses; the guard checks host and origin of every request
        websocket_origin=["*"]
        if ":" in server.address
        else [host for host in hosts if not host.startswith("[")],
        liveness=True,
        warm=warm,
        websocket_max_message_size=MESSAGE_LIMIT,
        extra_patterns=[
            (r"/", RedirectHandler, {"url": f"/{_first(pages)}", "permanent": False}),
            *routes,
            *login_routes(door, base_url),
        ],
        use_xheaders=bool(server.public_url),
        **server_options(door),
    )
    guard(result, hosts)
    put_before(result, door, end_streams)
    desk.told_by.append(lambda: _server_parts(result, door))
    return result, door


def _server_parts(server: Any, door: Any) -> list[Part]:
    """Sessions of the pages, and what the door refused, for the health page."""
    from workstation.cli.server_guards import open_sockets

    parts = [Part("server", "pages", OK, f"{open_sockets(server)} sessions open")]
    if door is not None:
        reasons = ", ".join(f"{reason} {count}" for reason, count in door.refused.most_common(5))
        words = f"{door.refused.total()} refused" + (f": {reasons}" if reasons else "")
        parts.append(Part("server", "door", WATCH if door.refused["rate_limit"] else OK, words))
    return parts
