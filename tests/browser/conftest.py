"""A served synthetic market and a Chromium that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    return (
        os.environ.get("WORKSTATION_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_alive(url: str, server: subprocess.Popen[bytes], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.poll() is None, f"the server ended with {server.returncode}"
        try:
            with urllib.request.urlopen(f"{url}/liveness", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {seconds} s")


def start_server(port: int, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "WORKSTATION_SEED": "7",
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_FEEDS": '["synthetic"]',
    }
    pages = [str(path) for path in sorted((ROOT / "dashboards").glob("*.py"))]
    server = subprocess.Popen(
        [sys.executable, "-m", "panel", "serve", *pages, "--port", str(port), "--address", "127.0.0.1",
         "--allow-websocket-origin", f"127.0.0.1:{port}", "--liveness", "--warm"],
        cwd=ROOT, env=environment, stdout=log.open("ab"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_until_alive(f"http://127.0.0.1:{port}", server)
    return server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if chromium() is None:
        pytest.skip("no Chromium: install Debian's chromium or name one with WORKSTATION_CHROMIUM")
    port = free_port()
    log = tmp_path_factory.mktemp("served") / "server.log"
    server = start_server(port, log)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(20)
    told = log.read_text(errors="replace")
    assert "/workstation/" not in told, told[-4000:]
    assert "Error running application" not in told, told[-4000:]


@pytest.fixture(scope="session")
def browser(served: str) -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield made
        made.close()
