"""What the workstation needs from its machine."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workstation.cli.login import make_door
from workstation.cli.serving import check_exposed, dashboards, free_port
from workstation.settings import Settings

PACKAGES = (
    "panel",
    "panel-material-ui",
    "holoviews",
    "bokeh",
    "streamz",
    "pandas",
    "numba",
    "xarray",
    "ccxt",
    "datafusion",
    "intake",
)
ENOUGH_DISK_GIB = 5.0


class Finding(NamedTuple):
    """One thing looked at: whether it is right, and what to do when it is not."""

    what: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order a newcomer would meet its failure."""
    checks: list[Callable[[Settings], Finding]] = [
        _python,
        _packages,
        _history,
        _disk,
        _feeds,
        _engines,
        _pages,
        _server,
        _login,
        _redis,
        _chromium,
        _sample,
    ]
    findings = []
    for check in checks:
        try:
            findings.append(check(settings))
        except Exception as error:  # noqa: BLE001 - a check that fails is itself the finding
            findings.append(Finding(check.__name__.lstrip("_"), False, f"{type(error).__name__}: {error}"))
    return findings + _venues(settings)


def _venues(settings: Settings) -> list[Finding]:
    """Reachability, clock and keys of every venue among the settings' feeds; a feed that cannot be made is `_feeds`' to tell."""
    from workstation.feeds import FeedError, open_feed

    findings = []
    for name in settings.feeds:
        try:
            feed = open_feed(name, **settings.feed_options.get(name, {}))
        except FeedError:
            continue
        findings += [
            Finding(f"venue {found.what}", found.ok, found.detail) for found in asyncio.run(feed.reach())
        ]
    return findings


def _python(settings: Settings) -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, sys.version.split()[0] + ("" if ok else "; 3.11 or newer is needed"))


def _packages(settings: Settings) -> Finding:
    missing, found = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    return Finding(
        "packages",
        not missing,
        f"missing: {', '.join(missing)}; run make setup" if missing else ", ".join(found),
    )


def _history(settings: Settings) -> Finding:
    from workstation.history import folder_of, open_history

    folder = folder_of(settings.history)
    if folder is not None and not folder.exists():
        return Finding("history", True, f"{settings.history}: none yet")
    options = {"upkeep": False} if folder is not None else {}
    with open_history(settings.history, **options) as store:
        tables = store.tables()
        problems = len(store.problems())
    detail = f"{settings.history}: {int(tables['rows'].sum()):,} rows in {len(tables)} tables"
    return Finding(
        "history",
        problems == 0,
        detail + (f"; {problems} problems: see `workstation history problems`" if problems else ""),
    )


def _disk(settings: Settings) -> Finding:
    from workstation.history import folder_of

    folder = folder_of(settings.history) or Path.home()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Finding("disk", free >= ENOUGH_DISK_GIB, f"{free:,.0f} GiB free at {folder}")


def _feeds(settings: Settings) -> Finding:
    from workstation.feeds import open_feed

    for name in settings.feeds:
        open_feed(name, **settings.feed_options.get(name, {}))
    unused = sorted(set(settings.feed_options) - set(settings.feeds))
    detail = ", ".join(settings.feeds) or "none"
    return Finding(
        "feeds", True, detail + (f"; options of {', '.join(unused)} are not used" if unused else "")
    )


def _engines(settings: Settings) -> Finding:
    from workstation.desk import open_desk

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        desk = open_desk([], folder, settings=settings)
        row = {"event_ns": [time.time_ns()], "instrument": ["BTC/USD:BTC"], "price": [1.0], "size": [1.0]}
        desk.hub.publish("trades", pd.DataFrame(row))
        failed = [name for name, state in desk.hub.branches.items() if "failed" in str(state)]
    took = time.perf_counter() - started
    return Finding(
        "engines",
        not failed,
        f"failed: {', '.join(failed)}" if failed else f"compiled and ran in {took:.1f} s",
    )


def _pages(settings: Settings) -> Finding:
    return Finding("dashboards", True, ", ".join(dashboards()))


def _server(settings: Settings) -> Finding:
    server = settings.server
    check_exposed(server, without_login=False)
    port = free_port(server.address, server.port)
    moved = (
        "" if port == server.port or not server.port else f"; {server.port} is taken, {port} would be used"
    )
    return Finding("server", True, f"{server.address}:{port}{moved}")


def _login(settings: Settings) -> Finding:
    server = settings.server
    door = make_door(server, server.public_url or "http://127.0.0.1")
    if door is None:
        return Finding("login", True, "none: this machine alone is served")
    told = f"{len(door.credentials.tokens)} machine tokens, {len(door.credentials.passwords)} passwords"
    provider = asyncio.run(door.oidc.reach()) if door.oidc else "no provider"
    return Finding("login", True, f"{server.login}; {provider}; {told}")


def _redis(settings: Settings) -> Finding:
    found = shutil.which("redis-server")
    detail = found or "none here: needed for `collect --bus` on this machine alone, and by tests of the bus"
    return Finding("redis-server", True, detail)


def _chromium(settings: Settings) -> Finding:
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        None,
    )
    return Finding(
        "browser for tests", found is not None, found or "no Chromium; run scripts/system_packages.sh"
    )


def _sample(settings: Settings) -> Finding:
    folder = settings.sample_data
    if folder is None:
        return Finding(
            "recorded data", True, "not set (WORKSTATION_SAMPLE_DATA); tests on recorded data skip"
        )
    return Finding(
        "recorded data", folder.is_dir(), str(folder) if folder.is_dir() else f"{folder} is no folder"
    )
