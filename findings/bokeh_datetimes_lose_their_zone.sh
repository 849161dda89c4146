#!/usr/bin/env bash
# What:     Bokeh draws one instant at two places: a pandas Timestamp of 09:30 New York time at 13:30, which is its UTC, a Python
#           datetime of the same instant at 09:30, its wall clock.
# Why:      convert_datetime_type() takes the zone off a datetime (replace(tzinfo=None)) and converts a Timestamp by its value.
# Bites:    candles from a frame with marks, spans or a range from datetimes (a session's open from zoneinfo, "now" in the local
#           zone): they lie 4 or 5 hours beside the candles they are about, without a warning.
# Instead:  naive UTC, or pandas Timestamps, everywhere.
# Versions: bokeh==3.9.2, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   bokeh 3.9.2
#   expected: 2026-03-20 09:30 New York time at one place, however it is written
#   seen:     Timestamp at 13:30, datetime at 09:30, the same datetime in UTC at 13:30
#   seen:     a span at the datetime is drawn at 09:30 (1773999000000 ms)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check bokeh==3.9.2 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import datetime as dt
import sys
from importlib.metadata import version
from zoneinfo import ZoneInfo

import pandas as pd
from bokeh.core.serialization import Serializer
from bokeh.models import Span
from bokeh.util.serialization import convert_datetime_type

opened = dt.datetime(2026, 3, 20, 9, 30, tzinfo=ZoneInfo("America/New_York"))
assert pd.Timestamp(opened) == opened


def clock(ms):
    return pd.Timestamp(int(ms), unit="ms").strftime("%H:%M")


frame = convert_datetime_type(pd.Timestamp(opened))
plain = convert_datetime_type(opened)
utc = convert_datetime_type(opened.astimezone(dt.timezone.utc))
span = Serializer().encode(Span(location=opened, dimension="height"))["attributes"]["location"]
print("bokeh", version("bokeh"))
print("expected: 2026-03-20 09:30 New York time at one place, however it is written")
print(f"seen:     Timestamp at {clock(frame)}, datetime at {clock(plain)}, the same datetime in UTC at {clock(utc)}")
print(f"seen:     a span at the datetime is drawn at {clock(span)} ({span:.0f} ms)")
seen = (clock(frame), clock(plain), clock(utc), clock(span)) == ("13:30", "09:30", "13:30", "09:30")
sys.exit(0 if seen else 1)
PY
