#!/usr/bin/env bash
# datafusion 55.0.0, pyarrow 26.0.1 (2026-11-30): a Parquet column of one number and NaN is read as that number in every row.
# One would guess: SELECT gives the stored values, NaN where a volatility is not known.
# Seen: Parquet's statistics leave NaN out, so minimum and maximum are equal and no null is counted; the column is taken for a
# constant, and the row that holds NaN comes out as 0.4. With statistics off the values are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datafusion==55.0.0 pyarrow==26.0.1
cat > "$folder/show.py" <<'PY'
import math
import sys
import datafusion
import pyarrow as pa
import pyarrow.parquet as pq

path = sys.argv[1] + "/marks.parquet"
stored = [0.4, float("nan"), 0.4]
pq.write_table(pa.table({"strike": [90.0, 100.0, 110.0], "mark_iv": stored}), path)


def read(collect):
    config = datafusion.SessionConfig().set("datafusion.execution.collect_statistics", collect)
    context = datafusion.SessionContext(config)
    context.register_parquet("marks", path)
    return context.sql("SELECT strike, mark_iv FROM marks ORDER BY strike").to_pydict()["mark_iv"]


with_statistics, without = read("true"), read("false")
print("datafusion", datafusion.__version__, "pyarrow", pa.__version__)
print("stored:            ", stored)
print("statistics (default):", with_statistics)
print("statistics off:    ", without)
raise SystemExit(0 if with_statistics[1] == 0.4 and math.isnan(without[1]) else 1)
PY
"$folder/venv/bin/python" "$folder/show.py" "$folder"
