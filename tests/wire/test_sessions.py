"""Sessions that end leave nothing behind: one of each page and the first again are opened and closed, then the documents alive are counted."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.tab import Tab, fetch

pytestmark = pytest.mark.wire
ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "dashboards").glob("*.py") if path.stem != "flow")
"""The flow page has a desk of its own, which draws an options day: minutes of two cores."""
SESSIONS = len(PAGES) + 1
SECONDS = 90.0
PANELS_OWN = 1
"""Panel starts a clean-up task of the process in the first session, whose context holds that one document."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "WORKSTATION_SEED": "7",
        "WORKSTATION_RECORD": "false",
        "WORKSTATION_FEEDS": '["synthetic"]',
        "WORKSTATION_FEED_OPTIONS": '{"synthetic": {"rate": 50}}',
    }
    log = tmp_path_factory.mktemp("sessions") / "server.log"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("counting_server.py")), str(port)],
        cwd=ROOT, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            assert process.poll() is None, log.read_text(errors="replace")[-4000:]
            try:
                fetch(f"{url}/liveness")
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline, "the server did not come up"
                time.sleep(0.1)
        yield url
        told = log.read_text(errors="replace")
        assert "Error running application" not in told, told[-4000:]
    finally:
        process.terminate()
        process.wait(20)


async def visit(url: str, page: str) -> None:
    """Open a page, let it become live, see it change, and leave."""
    tab = await Tab.open(url, page)
    try:
        await tab.hear("PATCH-DOC")
    finally:
        tab.close()


@pytest.mark.thorough
@pytest.mark.timeout(600)
async def test_sessions_that_end_leave_no_document_behind(server: str) -> None:
    for turn in range(SESSIONS):
        await asyncio.wait_for(visit(server, PAGES[turn % len(PAGES)]), SECONDS)
    deadline = time.monotonic() + SECONDS
    alive = json.loads(await asyncio.to_thread(fetch, f"{server}/documents"))
    while len(alive) > PANELS_OWN and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        alive = json.loads(await asyncio.to_thread(fetch, f"{server}/documents"))
    assert len(alive) <= PANELS_OWN, f"{len(alive)} documents of {SESSIONS} sessions are alive: {alive}"
