#!/usr/bin/env bash
# What:     Of quotes with the same time, DuckDB's ASOF JOIN takes the first for up to 63 rows on the left, the last for 64 and more.
# Why:      below asof_loop_join_threshold (64) the join is a nested loop, above it a sorted merge; the two settle ties differently,
#           and SQL promises no order among equal times.
# Bites:    prints joined to their quotes: several quotes of one nanosecond (a burst of one venue, or stamps cut to microseconds) are
#           usual. A query tried on a few prints gives other bids than the same query over the day; pandas.merge_asof and polars'
#           join_asof always take the last.
# Instead:  keep one quote per time (QUALIFY row_number() OVER (PARTITION BY time ORDER BY seq DESC) = 1), or join by a sequence number.
# Versions: duckdb==2.0.1, pandas==3.1.1, polars==2.1.0
# Seen on 2026-12-01:
#   duckdb 2.0.1
#   expected: the same of three quotes of one time for 63 and for 64 prints
#   seen:     63 prints get bid 1, 64 prints get bid 3; pandas 3 and 3, polars 3 and 3
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 pandas==3.1.1 polars==2.1.0 pyarrow
"$work/venv/bin/python" - <<'PY'
import sys

import duckdb
import pandas as pd
import polars as pl

quotes = pd.DataFrame({"time": [10, 10, 10], "bid": [1, 2, 3]})


def one(values):
    (found,) = {int(value) for value in values}
    return found


def joined(count):
    prints = pd.DataFrame({"time": [10] * count})
    sql = duckdb.sql("SELECT bid FROM prints ASOF JOIN quotes ON prints.time >= quotes.time").fetchall()
    pandas = pd.merge_asof(prints, quotes, on="time")["bid"]
    polars = pl.from_pandas(prints).join_asof(pl.from_pandas(quotes), on="time")["bid"]
    return one(row[0] for row in sql), one(pandas), one(polars)


few, many = joined(63), joined(64)
print("duckdb", duckdb.__version__)
print("expected: the same of three quotes of one time for 63 and for 64 prints")
print(
    f"seen:     63 prints get bid {few[0]}, 64 prints get bid {many[0]}; pandas {few[1]} and {many[1]}, polars {few[2]} and {many[2]}"
)
sys.exit(0 if (few, many) == ((1, 3, 3), (3, 3, 3)) else 1)
PY
