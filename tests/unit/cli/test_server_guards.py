"""What a served page answers to strangers, and how every signal ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workstation.cli import app
from workstation.cli.server_guards import HEADERS, guard, hide_tracebacks
from workstation.cli.serving import check_exposed, free_port
from workstation.market.errors import WorkstationError
from workstation.settings import ServerSettings


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A page of one line on a guarded server in a thread of its own."""
    from bokeh.server.server import Server
    from tornado.ioloop import IOLoop

    port, ready, loops = free_port("127.0.0.1", 0), threading.Event(), []

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        loops.append(IOLoop.current())
        server = Server({"/page": lambda doc: None}, port=port, address="127.0.0.1", io_loop=loops[0])
        guard(server, [f"127.0.0.1:{port}"])
        server.start()
        loops[0].add_callback(ready.set)
        loops[0].start()
        server.stop()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{port}"
    loops[0].add_callback(loops[0].stop)
    thread.join(30)


def test_every_answer_has_the_security_headers(address: str) -> None:
    with urllib.request.urlopen(f"{address}/page", timeout=30) as answer:
        assert answer.status == 200
        own = answer.headers["Content-Security-Policy"]  # a page's own where pages are opened our way
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS | {"Content-Security-Policy": own}
        assert "default-src 'none'" in own and "frame-ancestors 'self'" in own
        assert "Server" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1"])
def test_another_host_is_not_served(address: str, host: str) -> None:
    asked = urllib.request.Request(f"{address}/page", headers={"Host": host})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    assert refused.value.code == 421


@pytest.mark.parametrize(("origin", "status"), [("https://evil.example", 421), ("null", 421), ("", 200)])
def test_another_origin_is_not_served(address: str, origin: str, status: int) -> None:
    asked = urllib.request.Request(f"{address}/page", headers={"Origin": origin or address})
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == status
    except urllib.error.HTTPError as refused:
        assert refused.code == status


def test_errors_over_the_websocket_carry_no_paths() -> None:
    from bokeh.protocol import Protocol

    hide_tracebacks()
    try:
        raise RuntimeError("it broke")
    except RuntimeError as error:
        message = Protocol().create("ERROR", "1", str(error))
    assert "it broke" in str(message.content) and "Traceback" not in str(message.content)
    assert __file__ not in str(message.content)


@pytest.mark.parametrize("wide", ["0.0.0.0", "::", "192.0.2.7"])
def test_serving_beyond_this_machine_must_be_meant(wide: str) -> None:
    with pytest.raises(WorkstationError, match="--without-login"):
        check_exposed(ServerSettings(address=wide), without_login=False)
    check_exposed(ServerSettings(address=wide), without_login=True)


@pytest.mark.parametrize("near", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_may_be_served(near: str) -> None:
    check_exposed(ServerSettings(address=near), without_login=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--port", "70000"], "port 70000 is none"),
        (["demo", "--address", "192.0.2.7", "--without-login"], "cannot be bound on this machine"),
        (["demo", "--address", "0.0.0.0"], "--without-login"),
        (["demo", "--address", "no such address"], "is no address"),
        (["demo", "--flavour", "tulips"], "no flavour 'tulips'; known are"),
        (["collect", "nasdaq"], "no feed 'nasdaq'; known are"),
    ],
)
def test_mistakes_are_answered_in_a_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, arguments, env={"WORKSTATION_HISTORY": str(tmp_path), "COLUMNS": "300"})
    assert result.exit_code == 1 and said in result.output
    assert "Traceback" not in result.output and len(result.output.splitlines()) <= 3


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORKSTATION_SURFACE__EVERY", "soon", "surface"),
        ("WORKSTATION_FEEDS", "deribit", "feeds"),
        ("WORKSTATION_FEED_OPTIONS", '{"deribit": {"colour": 1}}', "feed 'deribit' refuses its options"),
        ("WORKSTATION_LARGE_TRADES__BLOK_USD", "1", "no parameter 'blok_usd'"),
    ],
)
def test_wrong_settings_are_named(name: str, value: str, said: str, tmp_path: Path) -> None:
    environment = {name: value, "WORKSTATION_HISTORY": str(tmp_path), "COLUMNS": "300"}
    arguments = ["collect", "deribit"] if "OPTIONS" in name else ["collect"]
    result = CliRunner().invoke(app, arguments, env=environment)
    assert result.exit_code == 1 and said in result.output and "Traceback" not in result.output


def test_doctor_names_an_unknown_feed(tmp_path: Path) -> None:
    environment = {"WORKSTATION_HISTORY": str(tmp_path), "WORKSTATION_FEEDS": '["nasdaq"]', "COLUMNS": "300"}
    result = CliRunner().invoke(app, ["doctor"], env=environment)
    assert result.exit_code == 1 and "no feed 'nasdaq'" in result.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_every_signal_ends_the_demo_in_order(number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "workstation.cli", "demo", "--port", "0", "--rate", "100"]
    log = tmp_path.parent / f"{tmp_path.name}.log"
    server = subprocess.Popen(command, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("workstation-demo-*/history.sqlite")) and time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        time.sleep(0.05)
    server.send_signal(number)
    assert server.wait(120) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert not list(tmp_path.glob("workstation-demo-*")), "the demo's folder stays"


def test_free_port_knows_ipv6() -> None:
    try:
        assert free_port("::1", 0) > 0
    except WorkstationError as refused:
        assert "cannot be bound" in str(refused) or "is no address" in str(refused)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WORKSTATION_SERVER__LOGIN", "basic", "credentials_file"),
        ("WORKSTATION_SERVER__ADDRESS", "0.0.0.0", "--without-login"),
    ],
)
def test_doctor_tells_a_login_that_cannot_work(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workstation.cli import doctor
    from workstation.settings import Settings

    monkeypatch.setenv(name, value)
    with pytest.raises(WorkstationError, match=said):
        doctor._server(Settings())


def test_doctor_counts_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workstation.access.credentials import line_of_token, new_token
    from workstation.access.roles import Role
    from workstation.cli import doctor
    from workstation.settings import Settings

    (tmp_path / "kept").write_text(line_of_token("grafana", Role.VIEWER, new_token()))
    monkeypatch.setenv("WORKSTATION_SERVER__LOGIN", "basic")
    monkeypatch.setenv("WORKSTATION_SERVER__CREDENTIALS_FILE", str(tmp_path / "kept"))
    assert "1 machine tokens, 0 passwords" in doctor._login(Settings()).detail
