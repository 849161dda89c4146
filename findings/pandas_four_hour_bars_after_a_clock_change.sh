#!/usr/bin/env bash
# What:     4-hour bars of a series in New York time begin at 0, 4, 8, ... until the clocks change, and at 1, 5, 9, ... on all days
#           after that, to the end of the series. The same day taken alone has bars at 0, 4, 8 again.
# Why:      resample() counts hours that passed since the midnight of the series' first day; after the change that is no multiple of
#           four on the wall clock. pyarrow's floor_temporal counts on the wall clock.
# Bites:    a year of bars resampled at once against the same year day by day, or against a venue's: from March to November no two
#           bars meet, and the session's first bar begins before the open.
# Instead:  resample day by day, or origin="epoch" in UTC and say so.
# Versions: pandas==3.1.1, numpy==2.4.6, pyarrow==26.0.1
# Seen on 2026-11-30:
#   pandas 3.1.1, pyarrow 26.0.1
#   expected: bars of 10 March 2026 begin at 00 04 08 12 16 20, whatever stands before that day
#   seen:     pandas, that day alone:           00 04 08 12 16 20
#   seen:     pandas, with the days from 7 March: 01 05 09 13 17 21
#   seen:     pyarrow, with the days from 7 March: 00 04 08 12 16 20
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1 numpy==2.4.6 pyarrow==26.0.1
"$work/venv/bin/python" - "$work" <<'PY'
import sys
from importlib.metadata import version

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

DAY = "2026-03-10"
hours = pd.date_range("2026-03-07", "2026-03-10 23:00", freq="1h", tz="America/New_York")
volume = pd.Series(1.0, index=hours)


def begins(index):
    """Hours at which bars of the day begin."""
    index = pd.DatetimeIndex(index).tz_convert("America/New_York").unique()
    return " ".join(index[index.strftime("%Y-%m-%d") == DAY].strftime("%H"))


alone = begins(volume[DAY].resample("4h").sum().index)
whole = begins(volume.resample("4h").sum().index)
arrow = begins(pc.floor_temporal(pa.array(hours), 4, "hour").to_pandas())
print("pandas {}, pyarrow {}".format(*map(version, ("pandas", "pyarrow"))))
print("expected: bars of 10 March 2026 begin at 00 04 08 12 16 20, whatever stands before that day")
print("seen:     pandas, that day alone:          ", alone)
print("seen:     pandas, with the days from 7 March:", whole)
print("seen:     pyarrow, with the days from 7 March:", arrow)
right = "00 04 08 12 16 20"
sys.exit(0 if alone == right and arrow == right and whole == "01 05 09 13 17 21" else 1)
PY
