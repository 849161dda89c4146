#!/usr/bin/env bash
# ccxt 4.5.90 (2026-11-30): the keepalive of ccxt.pro's sockets measures silence by the wall clock.
# One would guess: a monotonic clock, as aiohttp's own heartbeat uses; a corrected system clock is no silence.
# Seen: the server answers every ping at once, the wall clock is set one minute forward, and ccxt ends the healthy socket
# with "RequestTimeout ... ping-pong keepalive missing on time".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ccxt==4.5.90 aiohttp==3.14.5
cat > "$folder/show.py" <<'PY'
import asyncio
import ccxt
import ccxt.pro
from aiohttp import web

offset_ms = 0
milliseconds = ccxt.Exchange.milliseconds
ccxt.Exchange.milliseconds = staticmethod(lambda: milliseconds() + offset_ms)


async def talk(request):
    socket = web.WebSocketResponse()  # answers pings by itself
    await socket.prepare(request)
    async for _ in socket:
        pass
    return socket


async def lives(seconds, step_ms):
    """Whether a socket with a ping every 0.2 s still lives after so long, the wall clock set on by step_ms meanwhile."""
    global offset_ms
    offset_ms = 0
    app = web.Application()
    app.router.add_get("/ws", talk)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    exchange = ccxt.pro.deribit({"streaming": {"keepAlive": 200}})
    errors = []
    exchange.on_error = lambda client, error: errors.append(error)
    exchange.open()
    client = exchange.client(f"ws://127.0.0.1:{port}/ws")
    await client.connect(exchange.session)
    await asyncio.sleep(seconds / 2)
    offset_ms = step_ms
    await asyncio.sleep(seconds / 2)
    try:
        await exchange.close()
    except asyncio.CancelledError:
        pass
    await runner.cleanup()
    return errors


async def main():
    steady, stepped = await lives(2.0, 0), await lives(2.0, 60_000)
    print("ccxt", ccxt.__version__)
    print("clock left alone:        ", steady or "lives")
    print("clock set on by a minute:", [f"{type(e).__name__}: {str(e)[-50:]}" for e in stepped[:1]] or "lives")
    raise SystemExit(0 if not steady and stepped else 1)


asyncio.run(main())
PY
"$folder/venv/bin/python" -W ignore "$folder/show.py"
