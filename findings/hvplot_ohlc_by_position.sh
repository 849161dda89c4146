#!/usr/bin/env bash
# What:     hvplot.ohlc() takes open, high, low and close by the order of the columns, not by their names: a
#           frame with the columns open, close, high, low gets candles from "high" to "close" with bodies
#           from open to low, and one that begins with the volume gets bodies that start at the volume.
# Why:      the documentation says that y is ["open", "high", "low", "close"] by default; in fact the first four
#           columns that are not x are taken as they stand, and nothing is checked.
# Bites:    tables whose order is open, close, high, low (several data vendors), or with a count or volume
#           first: the chart looks like candles and every candle is wrong.
# Instead:  frame.hvplot.ohlc(x="time", y=["open", "high", "low", "close"])
# Versions: hvplot==0.12.2, holoviews==1.23.2, bokeh==3.9.2, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   hvplot 0.12.2
#   expected: wick from low 9 to high 12, body from open 10 to close 11, whatever the order of the columns
#   seen:     open high low close:           wick 9..12, body 10..11
#   seen:     open close high low:           wick 11..12, body 10..9
#   seen:     volume open high low close:    wick 10..12, body 500..9
#   seen:     the same, columns named:       wick 9..12, body 10..11
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    hvplot==0.12.2 holoviews==1.23.2 bokeh==3.9.2 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys

import holoviews as hv
import hvplot
import hvplot.pandas  # noqa: F401
import pandas as pd

RIGHT = ((9.0, 12.0), (10.0, 11.0))
candles = pd.DataFrame(
    {"volume": [500.0, 500.0], "open": [10.0, 10.0], "high": [12.0, 12.0], "low": [9.0, 9.0], "close": [11.0, 11.0]},
    index=pd.date_range("2026-11-02", periods=2, name="time"),
)


def drawn(columns, **choices):
    """The ends of the first candle's wick (sorted) and its body (from, to), as the plot holds them."""
    plot = candles[columns].hvplot.ohlc(**choices)
    wick = plot.traverse(lambda element: element, [hv.Segments])[0]
    body = plot.traverse(lambda element: element, [hv.Rectangles])[0]
    ends = [float(wick.dimension_values(place)[0]) for place in (1, 3)]
    return tuple(sorted(ends)), tuple(float(body.dimension_values(place)[0]) for place in (1, 3))


def show(name, candle):
    (low, high), (start, end) = candle
    print(f"seen:     {name + ':':<30} wick {low:g}..{high:g}, body {start:g}..{end:g}")


usual = drawn(["open", "high", "low", "close"])
swapped = drawn(["open", "close", "high", "low"])
volume = drawn(["volume", "open", "high", "low", "close"])
named = drawn(["volume", "open", "high", "low", "close"], y=["open", "high", "low", "close"])
print("hvplot", hvplot.__version__)
print("expected: wick from low 9 to high 12, body from open 10 to close 11, whatever the order of the columns")
show("open high low close", usual)
show("open close high low", swapped)
show("volume open high low close", volume)
show("the same, columns named", named)
seen = usual == named == RIGHT and swapped == ((11.0, 12.0), (10.0, 9.0)) and volume[1] == (500.0, 9.0)
sys.exit(0 if seen else 1)
PY
