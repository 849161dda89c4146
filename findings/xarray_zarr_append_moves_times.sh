#!/usr/bin/env bash
# What:     appending to a Zarr store along time moves the appended times: 06:00 of 21 March behind two days becomes 19 April,
#           09:31:30 behind two minutes becomes 11:00. A warning says that they were kept faithfully.
# Why:      the store's times count whole days (or minutes) since the first, the appended ones are encoded by themselves, in hours
#           (or seconds) where they need it, and the numbers are written beside the old ones under the old unit.
# Bites:    surfaces or chains appended as they come: the first that is not on the store's own grid is put weeks ahead, and the
#           axis no longer rises. The one warning says the opposite of what happened: that hours are counted "instead".
# Instead:  fix a fine unit at the first write, encoding={"time": {"units": "seconds since 1970-01-01", "dtype": "float64"}}.
# Versions: xarray==2026.9.0, zarr==3.1.6, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   xarray 2026.9.0, zarr 3.1.6
#   expected: appended 2026-03-21T06:00, read back 2026-03-21T06:00
#   seen:     appended 2026-03-21T06:00:00 behind days, read back 2026-04-19T00:00:00
#   seen:     appended 2026-03-20T09:31:30 behind minutes, read back 2026-03-20T11:00:00
#   seen:     warned: Times can't be serialized faithfully to int64 with requested units 'days since 2026-03-20'. Serializing with
#             units 'hours since 2026-03-20' instead.
#   seen:     the unit fixed at the first write: read back 2026-03-21T06:00:00
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import xarray as xr

FIXED = {"time": {"units": "seconds since 1970-01-01", "dtype": "float64"}}


def made(*times):
    return xr.Dataset({"vol": ("time", np.ones(len(times)))}, coords={"time": pd.to_datetime(list(times))})


def appended(store, first, then, **options):
    """The last time after an append, and what was warned."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made(*first).to_zarr(store, **options)
        made(then).to_zarr(store, append_dim="time")
        last = xr.open_zarr(store)["time"].values[-1]
    words = [str(each.message) for each in told if "serialized" in str(each.message)]
    return str(last.astype("M8[s]")), "".join(words).partition(" Set encoding")[0]


folder = sys.argv[1]
days = appended(f"{folder}/days", ("2026-03-20", "2026-03-21"), "2026-03-21 06:00")
minutes = appended(f"{folder}/minutes", ("2026-03-20 09:30", "2026-03-20 09:31"), "2026-03-20 09:31:30")
fixed = appended(f"{folder}/fixed", ("2026-03-20", "2026-03-21"), "2026-03-21 06:00", encoding=FIXED)
print("xarray {}, zarr {}".format(*map(version, ("xarray", "zarr"))))
print("expected: appended 2026-03-21T06:00, read back 2026-03-21T06:00")
print(f"seen:     appended 2026-03-21T06:00:00 behind days, read back {days[0]}")
print(f"seen:     appended 2026-03-20T09:31:30 behind minutes, read back {minutes[0]}")
print("seen:     warned:", days[1])
print(f"seen:     the unit fixed at the first write: read back {fixed[0]}")
seen = days[0] == "2026-04-19T00:00:00" and minutes[0] == "2026-03-20T11:00:00" and "'hours since" in days[1]
sys.exit(0 if seen and fixed[0] == "2026-03-21T06:00:00" else 1)
PY
