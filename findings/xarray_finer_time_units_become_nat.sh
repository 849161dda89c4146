#!/usr/bin/env bash
# What:     a Dataset whose times are of pandas 3's default unit (microseconds), written with encoding "nanoseconds since 1970-01-01",
#           comes back with NaT at every time, from netCDF and Zarr alike. No error and no warning. With nanosecond times the same
#           call is right.
# Why:      the numbers are made in the unit of the coordinate; asked for a finer one, they become NaT's own number.
# Bites:    the advice to fix units by encoding (as for appending to a store), after an upgrade to pandas 3: the axis of a saved
#           surface or chain is gone, and the original is often not kept.
# Instead:  .as_unit("ns") on the index before, or units no finer than the coordinate's.
# Versions: xarray==2026.9.0, zarr==3.1.6, netCDF4==1.7.5.1.post1, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   xarray 2026.9.0, pandas 3.1.1
#   expected: read back 2026-03-20T09:30:00
#   seen:     datetime64[s]: zarr NaT, netCDF NaT; warnings: none
#   seen:     datetime64[us]: zarr NaT, netCDF NaT; warnings: none
#   seen:     datetime64[ns]: zarr 2026-03-20T09:30:00, netCDF 2026-03-20T09:30:00; warnings: none
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 netCDF4==1.7.5.1.post1 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd
import xarray as xr

ENCODING = {"time": {"units": "nanoseconds since 1970-01-01", "dtype": "int64"}}
SENT = "2026-03-20T09:30:00"
print("xarray {}, pandas {}".format(*map(version, ("xarray", "pandas"))))
print("expected: read back", SENT)
found = {}
for unit in ("s", "us", "ns"):
    times = pd.DatetimeIndex([SENT, "2026-03-20T09:31:00"]).as_unit(unit)
    data = xr.Dataset({"vol": ("time", [0.5, 0.6])}, coords={"time": times})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data.to_zarr(f"{sys.argv[1]}/{unit}.zarr", encoding=ENCODING)
        data.to_netcdf(f"{sys.argv[1]}/{unit}.nc", encoding=ENCODING)
        back = [xr.open_zarr(f"{sys.argv[1]}/{unit}.zarr"), xr.open_dataset(f"{sys.argv[1]}/{unit}.nc")]
        found[unit] = [str(each["time"].values[0].astype("M8[s]")) for each in back]
    words = [str(each.message) for each in told if "time" in str(each.message).lower()]
    kind = data["time"].dtype
    print(f"seen:     {kind}: zarr {found[unit][0]}, netCDF {found[unit][1]}; warnings: {'; '.join(words) or 'none'}")
default = pd.to_datetime([SENT]).unit == "us"
sys.exit(0 if default and found == {"s": ["NaT"] * 2, "us": ["NaT"] * 2, "ns": [SENT] * 2} else 1)
PY
