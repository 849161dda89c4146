#!/usr/bin/env bash
# What:     once numbagg is installed, xarray's rolling mean and sum of a series with one huge or infinite
#           value are wrong for every later window, not only for the windows that hold it.
# Why:      xarray hands rolling windows to numbagg whenever it can be imported (option use_numbagg, on by
#           default). numbagg keeps one running total: what a huge value rounded away never comes back, and
#           inf - inf stays nan. The same call without numbagg is right; so is pandas. bottleneck, behind
#           xarray's option use_bottleneck, does the same as numbagg.
# Bites:    an undefined quantity kept as 2**63 - 1, or the infinite log return of a price from zero: one
#           bad row spoils the rest of the session, and only where an optional package is installed.
# Instead:  xarray.set_options(use_numbagg=False, use_bottleneck=False), or make such values missing first.
# Versions: xarray==2026.9.0, numbagg==0.9.6, bottleneck==1.6.0, numba==0.68.1, numpy==2.4.6, pandas==3.1.1
# Seen on 2026-11-30:
#   xarray 2026.9.0, numbagg 0.9.6, bottleneck 1.6.0
#   expected: means of two, after the bad row has left: sizes 11.5 10.5 10.5 11, returns 0.03 0.03 0.03 0.05
#   seen:     sizes: plain call 6 5 5 5.5, bottleneck 0 -1 -1 -0.5, neither 11.5 10.5 10.5 11
#   seen:     returns: plain call nan nan nan nan, bottleneck nan nan nan nan, neither 0.03 0.03 0.03 0.05
#   seen:     returns: pandas 0.03 0.03 0.03 0.05
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    xarray==2026.9.0 numbagg==0.9.6 bottleneck==1.6.0 numba==0.68.1 numpy==2.4.6 pandas==3.1.1
"$work/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pandas as pd
import xarray as xr

series = {
    "sizes": np.array([10, 12, 2**63 - 1, 11, 12, 9, 12, 10], dtype=np.int64),
    "returns": np.array([0.01, 0.02, np.inf, 0.01, 0.05, 0.01, 0.05, 0.05]),
}
right = {"sizes": [11.5, 10.5, 10.5, 11.0], "returns": [0.03, 0.03, 0.03, 0.05]}
seen = True


def text(values):
    return " ".join(f"{value:.3g}" for value in values)


def tail(values, **options):
    """Means of two of the last four windows, which do not hold the bad row at place 2."""
    with xr.set_options(**options):
        return xr.DataArray(values, dims="time").rolling(time=2).mean().to_numpy()[4:]


print("xarray {}, numbagg {}, bottleneck {}".format(*map(version, ("xarray", "numbagg", "bottleneck"))))
print("expected: means of two, after the bad row has left: sizes", text(right["sizes"]) + ", returns",
      text(right["returns"]))
for name, values in series.items():
    plain = tail(values)
    moved = tail(values, use_numbagg=False, use_bottleneck=True)
    neither = tail(values, use_numbagg=False, use_bottleneck=False)
    print(f"seen:     {name}: plain call {text(plain)}, bottleneck {text(moved)}, neither {text(neither)}")
    seen &= np.allclose(neither, right[name])
    seen &= not np.isclose(plain, right[name]).any() and not np.isclose(moved, right[name]).any()
frame = pd.Series(series["returns"]).rolling(2).mean().to_numpy()[4:]
print("seen:     returns: pandas", text(frame))
seen &= np.allclose(frame, right["returns"])
sys.exit(0 if seen else 1)
PY
