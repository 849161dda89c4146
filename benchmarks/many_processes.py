"""One collector, four page servers and forty sessions of the exposure page: tick to message, and what each process takes.

Run ``python benchmarks/many_processes.py [--servers 4] [--sessions 40] [--seconds 30] [--rate 500]``. A tick's time is the event time of the
newest price in a message; the synthetic market keeps wall time, so it may be subtracted from the time at which a session gets
the message (a browser adds its drawing). Then one whole desk serves the sessions of one page server, for the ratio of CPU. At the
end the newest state is read from Redis as page servers read it, a thousand times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import redis

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.conftest import free_port, wait_until_alive
from tests.wire.redis_server import RedisServer
from tests.wire.tab import Tab
from workstation.bus.entries import READ_BYTES
from workstation.bus.priced import received

ROOT = Path(__file__).parents[1]
PAGE, QUERY = "exposure", ""
READS, STARTING_S = 1_000, 900.0


class TimedTab(Tab):
    """A session that notes how old the newest price of each message is, in ms."""

    ages: list[float]

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self.ages = []

    async def _heed(self, content: Any) -> None:
        now_ms = time.time() * 1_000.0
        for event in content.get("events", ()) if isinstance(content, dict) else ():
            newest = _newest_ms(event.get("data") or event.get("new"))
            if newest is not None:
                self.ages.append(now_ms - newest)
        await super()._heed(content)


def _newest_ms(data: Any) -> float | None:
    entries = data.get("entries", ()) if isinstance(data, dict) else ()
    held = dict(entries) if all(isinstance(one, list) and len(one) == 2 for one in entries) else {}
    values = held.get("event_ms")
    return float(values[-1]) if isinstance(values, list) and values else None


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours, ended at the end."""
    with log.open("ab") as told:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=told, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def page_server(port: int, environment: dict[str, str], log: Path) -> Any:
    """A page server, not yet alive."""
    command = [sys.executable, "-m", "panel", "serve", str(ROOT / "dashboards" / f"{PAGE}.py"), "--port", str(port), "--address",
               "127.0.0.1", "--allow-websocket-origin", f"127.0.0.1:{port}", "--liveness", "--warm"]  # fmt: skip
    return running(command, environment | {"WORKSTATION_RECORD": "false", "WORKSTATION_SEED": "7"}, log)


async def sessions(
    ports: list[int], each: int, seconds: float, watched: dict[str, psutil.Process]
) -> tuple[Any, dict[str, float]]:
    """Ages of messages over so many seconds of live sessions, and the cores that each process took."""
    tabs = [
        await TimedTab.open(f"http://127.0.0.1:{port}", PAGE, QUERY) for port in ports for _ in range(each)
    ]
    heard = [asyncio.create_task(tab.listen()) for tab in tabs]
    await asyncio.sleep(10.0)
    for tab in tabs:
        tab.ages.clear()
    before, began = {name: sum(one.cpu_times()[:2]) for name, one in watched.items()}, time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    cores = {name: (sum(one.cpu_times()[:2]) - before[name]) / took for name, one in watched.items()}
    lost = sum(one.done() for one in heard)
    for one in heard:
        one.cancel()
    await asyncio.gather(*heard, return_exceptions=True)
    silent = sum(not tab.ages for tab in tabs)
    ages = np.concatenate([tab.ages for tab in tabs])
    for tab in tabs:
        tab.close()
    print(
        f"{len(tabs)} sessions, {lost} lost, {silent} without a price, {len(ages) / seconds:.0f} messages/s with one"
    )
    return ages, cores


def told(what: str, ages: Any, cores: dict[str, float]) -> None:
    """Print percentiles and cores."""
    p50, p99 = np.percentile(ages, [50, 99]) if len(ages) else (np.nan, np.nan)
    print(f"{what}: tick to message p50 {p50:.0f} ms, p99 {p99:.0f} ms; cores " + ", ".join(f"{name} {one:.3f}" for name, one in cores.items()), flush=True)  # fmt: skip


def state_reads(port: int) -> None:
    """Read and decode the newest chain as a page server does."""
    client = redis.Redis(port=port, socket_read_size=READ_BYTES)
    key = next(iter(client.scan_iter("workstation:newest:chain:*", count=1_000)))
    spans, cpu = np.empty(READS), np.empty(READS)
    for one in range(READS):
        began, used = time.perf_counter(), time.process_time()
        message = client.get(key)
        chain = received(message, lambda _: None)
        spans[one], cpu[one] = time.perf_counter() - began, time.process_time() - used
    p50, p99 = np.percentile(spans * 1e3, [50, 99])
    print(f"newest chain of {len(chain.contracts)} contracts, {len(message):,} bytes, read and decoded: p50 {p50:.2f} ms, p99 {p99:.2f} ms, CPU p50 {np.percentile(cpu * 1e3, 50):.2f} ms, p99 {np.percentile(cpu * 1e3, 99):.2f} ms")  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--servers", type=int, default=4)
    options.add_argument("--sessions", type=int, default=40)
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--rate", type=int, default=500)
    chosen = options.parse_args()
    each = chosen.sessions // chosen.servers
    market = {
        "WORKSTATION_FEED_OPTIONS": json.dumps({"synthetic": {"rate": chosen.rate}}),
        "WORKSTATION_SEED": "7",
    }
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {chosen.rate} ticks/s")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as started:
        log = Path(folder) / "log.txt"
        server = RedisServer(Path(folder)).start()
        started.callback(server.stop)
        collect = [sys.executable, "-m", "workstation.cli", "collect", "synthetic", "--bus", server.url, "--history", str(Path(folder) / "history")]  # fmt: skip
        with ExitStack() as many:
            watched = {"collector": psutil.Process(many.enter_context(running(collect, market, log)).pid)}
            follow = {
                "WORKSTATION_FEEDS": '["bus"]',
                "WORKSTATION_FEED_OPTIONS": json.dumps({"bus": {"url": server.url}}),
            }
            ports = [free_port() for _ in range(chosen.servers)]
            servers = [many.enter_context(page_server(port, follow, log)) for port in ports]
            for at, (port, process) in enumerate(zip(ports, servers, strict=True), 1):
                wait_until_alive(f"http://127.0.0.1:{port}", process, STARTING_S)
                watched[f"page server {at}"] = psutil.Process(process.pid)
            watched["redis"] = psutil.Process(server.pid)
            ages, cores = asyncio.run(sessions(ports, each, chosen.seconds, watched))
            told("many processes", ages, cores)
            state_reads(server.port)
        port = free_port()
        with page_server(port, market | {"WORKSTATION_FEEDS": '["synthetic"]'}, log) as desk:
            wait_until_alive(f"http://127.0.0.1:{port}", desk, STARTING_S)
            ages, alone = asyncio.run(
                sessions([port], each, chosen.seconds, {"desk": psutil.Process(desk.pid)})
            )
            told("whole desk", ages, alone)
        followers = np.mean([one for name, one in cores.items() if name.startswith("page server")])
        print(f"page server's cores of a whole desk's: {followers / alone['desk']:.2f}")
        if os.environ.get("SHOW_LOG"):
            print(log.read_text()[-5_000:])


if __name__ == "__main__":
    main()
