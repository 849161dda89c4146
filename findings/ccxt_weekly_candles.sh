#!/usr/bin/env bash
# What:     ccxt builds weekly candles from Thursday to Wednesday and "monthly" ones of 30 days counted from
#           1970, while round_timeframe() of the same library puts a week's start on Monday and a month's on
#           the first.
# Why:      build_ohlcvc() divides the timestamp by parse_timeframe(), and 1970-01-01 was a Thursday.
# Bites:    weekly or monthly candles of one's own trades laid over the venue's (which begin on Monday and
#           on the first): bars do not meet, and a join by time finds none.
# Instead:  build days, and group them by calendar week and month.
# Versions: ccxt==4.5.90
# Seen on 2026-11-30:
#   ccxt 4.5.90, one trade of size 1 each day from Sunday 2026-11-01 to Monday 2026-11-30
#   expected: weeks that begin on Monday, one candle for November
#   seen:     1w Thu 2026-10-29 volume 4, Thu 2026-11-05 volume 7, Thu 2026-11-12 volume 7,
#             Thu 2026-11-19 volume 7, Thu 2026-11-26 volume 5
#   seen:     1M Sun 2026-10-04 volume 2, Tue 2026-11-03 volume 28
#   seen:     round_timeframe of 2026-11-18: 1w Mon 2026-11-16, 1M Sun 2026-11-01
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ccxt==4.5.90
"$work/venv/bin/python" - <<'PY'
import sys
from datetime import datetime, timedelta, timezone

import ccxt


def milliseconds(when):
    return int(when.timestamp() * 1000)


def day(stamp):
    return datetime.fromtimestamp(stamp / 1000, timezone.utc).strftime("%a %Y-%m-%d")


venue = ccxt.Exchange()
first = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
trades = [
    {"timestamp": milliseconds(first + timedelta(days=i)), "price": 100.0 + i, "amount": 1.0} for i in range(30)
]
candles = {frame: venue.build_ohlcvc(trades, frame) for frame in ("1w", "1M")}
wednesday = milliseconds(datetime(2026, 11, 18, tzinfo=timezone.utc))
rounded = {frame: day(venue.round_timeframe(frame, wednesday)) for frame in ("1w", "1M")}

print(f"ccxt {ccxt.__version__}, one trade of size 1 each day from Sunday 2026-11-01 to Monday 2026-11-30")
print("expected: weeks that begin on Monday, one candle for November")
for frame, rows in candles.items():
    print(f"seen:     {frame}", ", ".join(f"{day(row[0])} volume {row[5]:.0f}" for row in rows))
print("seen:     round_timeframe of 2026-11-18:", ", ".join(f"{f} {d}" for f, d in rounded.items()))
seen = (
    all(day(row[0]).startswith("Thu") for row in candles["1w"])
    and [day(row[0]) for row in candles["1M"]] == ["Sun 2026-10-04", "Tue 2026-11-03"]
    and rounded == {"1w": "Mon 2026-11-16", "1M": "Sun 2026-11-01"}
)
sys.exit(0 if seen else 1)
PY
