#!/usr/bin/env bash
# What:     the CME calendar (CMES) of exchange_calendars has the futures market open in the hour from 16:00
#           to 17:00 Chicago time, when Globex is halted each day. pandas_market_calendars lists that calendar
#           beside its own "CME Globex Equity", which closes at 16:00: two answers from one library.
# Why:      CMES runs from 17:00 to 17:00, sessions without a gap or a break.
# Bites:    "open now, no tick for 60 minutes" alarms every evening, one hour too many in each day's
#           annualisation of intraday variance, and 60 empty minutes a session in minute grids.
# Instead:  the product's own calendar of pandas_market_calendars.
# Versions: exchange_calendars==4.13.2, pandas_market_calendars==5.5.0, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30, for the session of Wednesday 2026-11-18:
#   exchange_calendars 4.13.2, pandas_market_calendars 5.5.0
#   expected: closed at 16:30 Chicago time, a session of 23 hours in both
#   seen:     exchange_calendars CMES: open at 16:30, 1440 minutes
#   seen:     pandas_market_calendars CMES: open at 16:30, 1440 minutes
#   seen:     pandas_market_calendars CME Globex Equity: closed at 16:30, 1380 minutes
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    exchange_calendars==4.13.2 pandas_market_calendars==5.5.0 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import exchange_calendars
import pandas as pd
import pandas_market_calendars

DAY = "2026-11-18"
HALT = pd.Timestamp(f"{DAY} 16:30", tz="America/Chicago").tz_convert("UTC")
calendar = exchange_calendars.get_calendar("CMES", start="2026-11-02", end="2026-11-30")
answers = {
    "exchange_calendars CMES": (calendar.is_open_on_minute(HALT), len(calendar.session_minutes(DAY)))
}
for name in ("CMES", "CME Globex Equity"):
    market = pandas_market_calendars.get_calendar(name)
    schedule = market.schedule("2026-11-02", "2026-11-30")
    session = schedule.loc[DAY]
    minutes = int((session["market_close"] - session["market_open"]).total_seconds() // 60)
    answers[f"pandas_market_calendars {name}"] = (market.open_at_time(schedule, HALT), minutes)

names = ("exchange_calendars", "pandas_market_calendars")
print(", ".join(f"{name} {version(name)}" for name in names))
print("expected: closed at 16:30 Chicago time, a session of 23 hours in both")
for name, (is_open, minutes) in answers.items():
    print(f"seen:     {name}: {'open' if is_open else 'closed'} at 16:30, {minutes} minutes")
sys.exit(0 if [tuple(a) for a in answers.values()] == [(True, 1440), (True, 1440), (False, 1380)] else 1)
PY
