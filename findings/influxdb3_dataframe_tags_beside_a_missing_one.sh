#!/usr/bin/env bash
# What:     influxdb3-python writes the tags of a DataFrame column without escaping blanks, commas and equal
#           signs as soon as one value of that column is missing: "SPY 260320C500" becomes a tag "SPY" and a
#           field that is none, and the server refuses the line; "A,x=1" becomes two tags in silence.
# Why:      for a tag column with a null (or an infinity) the serializer escapes values as quoted strings
#           (quotes and backslashes), not as keys.
# Bites:    OCC option symbols as tags in any frame in which one row has no instrument: every line of the
#           frame is broken, also those of the rows that have one.
# Instead:  no missing values in tag columns, or an encoder of one's own.
# Versions: influxdb3-python==0.21.0 pandas==3.1.1
# Seen on 2026-11-30:
#   influxdb3-python 0.21.0
#   expected: m,tag=SPY\ 260320C500 f=1.0 0
#   seen, no tag missing:  m,tag=SPY\ 260320C500 f=1.0 0
#   seen, another missing: m,tag=SPY 260320C500 f=1.0 0
#   seen, another missing: m,tag=A,x=1 f=1.0 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check influxdb3-python==0.21.0 pandas==3.1.1
"$work/venv/bin/python" - <<'PY'
import importlib.metadata
import sys

import pandas as pd
from influxdb_client_3.write_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client_3.write_client.client.write_api import PointSettings


def first_line(*tags):
    frame = pd.DataFrame({"tag": tags, "f": 1.0}, index=pd.to_datetime([0] * len(tags)))
    return data_frame_to_list_of_points(
        frame, PointSettings(), data_frame_measurement_name="m", data_frame_tag_columns=["tag"]
    )[0]


print("influxdb3-python", importlib.metadata.version("influxdb3-python"))
print(r"expected: m,tag=SPY\ 260320C500 f=1.0 0")
whole, beside, comma = first_line("SPY 260320C500"), first_line("SPY 260320C500", None), first_line("A,x=1", None)
print("seen, no tag missing: ", whole)
print("seen, another missing:", beside)
print("seen, another missing:", comma)
right = r"m,tag=SPY\ 260320C500 f=1.0 0"
sys.exit(0 if whole == right and beside == "m,tag=SPY 260320C500 f=1.0 0" and comma == "m,tag=A,x=1 f=1.0 0" else 1)
PY
