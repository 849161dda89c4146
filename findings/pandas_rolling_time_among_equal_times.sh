#!/usr/bin/env bash
# What:     rolling("1s") over ticks with the same time gives each of them another sum: the first of a burst does not see the others,
#           though they are within its second. polars gives all of them the whole burst, as SQL's RANGE does.
# Why:      pandas' window ends at the row, not at the row's time.
# Bites:    volume or count "in the last second" at a sweep of many prints in one nanosecond: the numbers depend on the order of
#           rows that have none, and the same code in polars or SQL gives others.
# Instead:  take the last row of each time (groupby(level=0).last()), or say that the order of rows counts.
# Versions: pandas==3.1.1, numpy==2.4.6, polars==2.1.0
# Seen on 2026-11-30:
#   pandas 3.1.1, polars 2.1.0; sizes 1 2 4 at 09:30:00, 8 at 09:30:02
#   expected: 7 7 7 8, the sizes of the last second at each print
#   seen:     pandas 1 3 7 8
#   seen:     polars 7 7 7 8
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6 polars==2.1.0
"$work/venv/bin/python" - "$work" <<'PY'
import sys
from importlib.metadata import version

import pandas as pd
import polars as pl

times = pd.to_datetime(["2026-03-20 09:30:00"] * 3 + ["2026-03-20 09:30:02"])
sizes = [1.0, 2.0, 4.0, 8.0]
ours = pd.Series(sizes, index=times).rolling("1s").sum().tolist()
frame = pl.DataFrame({"time": times.to_pydatetime().tolist(), "size": sizes})
theirs = frame.select(pl.col("size").rolling_sum_by("time", "1s"))["size"].to_list()


def text(values):
    return " ".join(f"{value:.0f}" for value in values)


print("pandas {}, polars {}; sizes 1 2 4 at 09:30:00, 8 at 09:30:02".format(*map(version, ("pandas", "polars"))))
print("expected: 7 7 7 8, the sizes of the last second at each print")
print("seen:     pandas", text(ours))
print("seen:     polars", text(theirs))
sys.exit(0 if text(ours) == "1 3 7 8" and text(theirs) == "7 7 7 8" else 1)
PY
