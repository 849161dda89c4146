#!/usr/bin/env bash
# What:     ccxt's parse8601("2026-03-20") is None, without an error, though a date is ISO 8601 and "2026-03-20T00:00:00" works.
# Why:      the pattern wants a time of day; what does not fit it gives None.
# Bites:    fetch_ohlcv(symbol, "1m", since=exchange.parse8601("2026-03-20")): since=None asks for the newest candles instead of that
#           day's, and the venue answers as if all were well. A back-fill keeps the wrong days.
# Instead:  write the time of day, and check for None.
# Versions: ccxt==4.5.90
# Seen on 2026-11-30:
#   ccxt 4.5.90
#   expected: 1773964800000, or an error
#   seen:     parse8601("2026-03-20T00:00:00") = 1773964800000
#   seen:     parse8601("2026-03-20") = None
#   seen:     candles asked of the venue since None: no start in the request (end_timestamp is now)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ccxt==4.5.90
"$work/venv/bin/python" - "$work" <<'PY'
import sys
import time
from importlib.metadata import version

import ccxt

exchange = ccxt.deribit()
exchange.markets = {}
exchange.set_markets(
    [{"id": "BTC-PERPETUAL", "symbol": "BTC/USD:BTC", "base": "BTC", "quote": "USD", "settle": "BTC", "type": "swap",
      "spot": False, "swap": True, "contract": True}]
)
asked = []


def request(path, api="public", method="GET", params={}, *others, **options):
    asked.append(dict(params))
    return {"result": {"ticks": [], "open": [], "high": [], "low": [], "close": [], "volume": [], "status": "ok"}}


exchange.request = request
whole, date = exchange.parse8601("2026-03-20T00:00:00"), exchange.parse8601("2026-03-20")
exchange.fetch_ohlcv("BTC/USD:BTC", "1m", since=whole, limit=60)
exchange.fetch_ohlcv("BTC/USD:BTC", "1m", since=date, limit=60)
now = time.time() * 1000
recent = abs(asked[1]["end_timestamp"] - now) < 120_000
print("ccxt", version("ccxt"))
print("expected: 1773964800000, or an error")
print(f'seen:     parse8601("2026-03-20T00:00:00") = {whole}')
print(f'seen:     parse8601("2026-03-20") = {date}')
print("seen:     candles asked of the venue since None:", "no start in the request (end_timestamp is now)" if recent else asked[1])
sys.exit(0 if whole == 1773964800000 and date is None and asked[0]["start_timestamp"] <= whole + 1 and recent else 1)
PY
