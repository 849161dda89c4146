#!/usr/bin/env bash
# What:     HoloViews' rolling() of a price curve is centred: each point averages ticks that come after it. The plain call of the
#           operation that is named for pandas' rolling gives an average that turns before the price does.
# Why:      the parameter center is True by default; in pandas it is False.
# Bites:    a moving average drawn over live prices: crossings are shown half a window early, and its newest half window is
#           missing; rolling_outlier_std, which looks for outliers with it, judges a tick by its future.
# Instead:  rolling(curve, rolling_window=n, center=False).
# Versions: holoviews==1.23.2, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   holoviews 1.23.2; price 1 1 1 1 10 10 10, window 3
#   expected: at the last tick before the jump the average is 1
#   seen:     pandas rolling(3):         nan nan 1 1 4 7 10
#   seen:     holoviews rolling, plain:  nan 1 1 4 7 10 nan
#   seen:     holoviews, center=False:   nan nan 1 1 4 7 10
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check holoviews==1.23.2 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import holoviews as hv
import numpy as np
import pandas as pd
from holoviews.operation.timeseries import rolling

prices = [1.0, 1.0, 1.0, 1.0, 10.0, 10.0, 10.0]
curve = hv.Curve((pd.date_range("2026-03-20 09:30", periods=7, freq="1s"), prices))


def text(values):
    return " ".join(f"{value:g}" for value in np.asarray(values))


trailing = text(pd.Series(prices).rolling(3).mean())
plain = text(rolling(curve, rolling_window=3).dimension_values(1))
told = text(rolling(curve, rolling_window=3, center=False).dimension_values(1))
print("holoviews", version("holoviews") + "; price 1 1 1 1 10 10 10, window 3")
print("expected: at the last tick before the jump the average is 1")
print("seen:     pandas rolling(3):        ", trailing)
print("seen:     holoviews rolling, plain: ", plain)
print("seen:     holoviews, center=False:  ", told)
sys.exit(0 if plain == "nan 1 1 4 7 10 nan" and told == trailing == "nan nan 1 1 4 7 10" else 1)
PY
