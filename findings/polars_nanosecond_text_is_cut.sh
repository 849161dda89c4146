#!/usr/bin/env bash
# What:     polars reads times with nine digits of a second as microseconds: read_csv(try_parse_dates=True) and str.to_datetime() drop
#           the last three without an error, so ticks 123 ns apart have one time.
# Why:      without a unit the parsed column is Datetime("us"), and digits beyond it are cut, not counted.
# Bites:    exchange timestamps in CSV: an as-of join at equal times takes another quote, duplicates by time are dropped. pandas and
#           pyarrow keep the same text whole.
# Instead:  str.to_datetime(time_unit="ns"), after reading the column as text.
# Versions: polars==2.1.0, pyarrow==26.0.1
# Seen on 2026-11-30:
#   polars 2.1.0, pyarrow 26.0.1
#   expected: two times, ...123456001 and ...123456124 ns
#   seen:     polars read_csv: Datetime(time_unit='us', time_zone=None), 1 distinct time
#   seen:     polars str.to_datetime(): Datetime(time_unit='us', time_zone=None), 1 distinct time
#   seen:     polars str.to_datetime(time_unit="ns"): 2 distinct times
#   seen:     pyarrow read_csv: timestamp[ns], 2 distinct times
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 pyarrow==26.0.1
"$work/venv/bin/python" - "$work" <<'PY'
import io
import sys
from importlib.metadata import version

import polars as pl
import pyarrow.csv

TEXT = b"time,price\n2026-03-20T09:30:00.123456001,1\n2026-03-20T09:30:00.123456124,2\n"


def told(name, kind, count):
    print(f"seen:     {name}: {kind}, {count} distinct time{'s' if count > 1 else ''}")
    return count


read = pl.read_csv(io.BytesIO(TEXT), try_parse_dates=True)["time"]
words = pl.read_csv(io.BytesIO(TEXT))["time"]
parsed, whole = words.str.to_datetime(), words.str.to_datetime(time_unit="ns")
arrow = pyarrow.csv.read_csv(io.BytesIO(TEXT))["time"]
print("polars {}, pyarrow {}".format(*map(version, ("polars", "pyarrow"))))
print("expected: two times, ...123456001 and ...123456124 ns")
counts = [
    told("polars read_csv", read.dtype, read.n_unique()),
    told("polars str.to_datetime()", parsed.dtype, parsed.n_unique()),
]
print(f'seen:     polars str.to_datetime(time_unit="ns"): {whole.n_unique()} distinct times')
counts += [whole.n_unique(), told("pyarrow read_csv", arrow.type, len(arrow.unique()))]
sys.exit(0 if counts == [1, 1, 2, 2] else 1)
PY
