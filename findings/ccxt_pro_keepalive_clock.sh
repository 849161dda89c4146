#!/usr/bin/env bash
# What:     a step of the machine's clock ends a healthy ccxt.pro websocket with "timed out due to a
#           ping-pong keepalive missing on time", although every ping was answered at once.
# Why:      the client dates each pong with the wall clock and compares it with the wall clock at the next
#           ping. A step forward of more than maxPingPongMisses * keepAlive looks like silence. (A step back
#           hides real silence for as long.)
# Bites:    time synchronisation after boot, a virtual machine resumed, a clock set by hand: all streams of
#           all venues end at the same moment, and the message blames the network.
# Instead:  expect RequestTimeout on every stream at once, and watch again; slew the clock, do not step it.
# Versions: ccxt==4.5.90, aiohttp==3.14.5
# Seen on 2026-11-30 (one server on the loopback address; keepAlive 300 ms, a message each 50 ms):
#   ccxt 4.5.90, aiohttp 3.14.5
#   expected: both connections still deliver after 3 s
#   seen:     clock left alone: 3 s without an error
#   seen:     clock put forward by 60 s: RequestTimeout ... ping-pong keepalive missing on time
#   seen:     longest real wait for a message before it ended: under 1 s
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ccxt==4.5.90 aiohttp==3.14.5
"$work/venv/bin/python" - <<'PY'
import asyncio
import sys
import time

import aiohttp
import ccxt.pro
from aiohttp import web

REAL_CLOCK = time.time_ns


async def stream(request):
    """A venue that answers pings (aiohttp does so by itself) and sends a message each 50 ms."""
    socket = web.WebSocketResponse(autoping=True)
    await socket.prepare(request)

    async def send():
        number = 0
        while not socket.closed:
            await socket.send_str(f'{{"topic": "tick", "number": {number}}}')
            number += 1
            await asyncio.sleep(0.05)

    sender = asyncio.create_task(send())
    async for _ in socket:
        pass
    sender.cancel()
    return socket


class Venue(ccxt.pro.Exchange):
    def handle_message(self, client, message):
        client.resolve(message, message["topic"])


async def watch(url, step_seconds):
    """Watches for 3 s, steps the clock after 1 s; returns the error, if any, and the longest wait."""
    venue = Venue({"id": "local", "streaming": {"keepAlive": 300}})
    begin = last = time.monotonic()
    longest, error = 0.0, None
    try:
        while time.monotonic() - begin < 3:
            if time.monotonic() - begin > 1:
                time.time_ns = lambda: REAL_CLOCK() + int(step_seconds * 1e9)
            await venue.watch(url, "tick")
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    except ccxt.pro.RequestTimeout as caught:
        error = f"{type(caught).__name__} ... {str(caught).split(' a ', 1)[-1]}"
        longest = max(longest, time.monotonic() - last)
    finally:
        time.time_ns = REAL_CLOCK
        await venue.close()
    return error, longest


async def main():
    application = web.Application()
    application.router.add_get("/", stream)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    calm, _ = await watch(url, 0)
    stepped, wait = await watch(url, 60)
    await runner.cleanup()
    return calm, stepped, wait


print(f"ccxt {ccxt.__version__}, aiohttp {aiohttp.__version__}")
print("expected: both connections still deliver after 3 s")
calm, stepped, wait = asyncio.run(main())
print(f"seen:     clock left alone: {calm or '3 s without an error'}")
print(f"seen:     clock put forward by 60 s: {stepped or '3 s without an error'}")
print(f"seen:     longest real wait for a message before it ended: {'under' if wait < 1 else 'over'} 1 s")
sys.exit(0 if calm is None and stepped and "keepalive" in stepped and wait < 1 else 1)
PY
