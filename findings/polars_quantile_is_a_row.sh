#!/usr/bin/env bash
# What:     polars' quantile(0.5) is not its median: of 1 2 3 4 the median is 2.5 and the quantile 3. quantile(0.25) of the same is 2,
#           where NumPy, pandas and pyarrow say 1.75.
# Why:      the default is interpolation="nearest": one of the values, and of two equally near the upper one. The others interpolate.
# Bites:    percentiles of premium, spread or volatility ported from pandas: on small samples (the last 50 packets) thresholds move
#           by whole steps, always by the same code that was right before.
# Instead:  quantile(q, interpolation="linear").
# Versions: polars==2.1.0, numpy==2.4.6, pyarrow==26.0.1
# Seen on 2026-11-30:
#   polars 2.1.0, numpy 2.4.6, pyarrow 26.0.1; of 1 2 3 4
#   expected: quantile(0.5) 2.5, quantile(0.25) 1.75
#   seen:     polars quantile 3.0 and 2.0, median 2.5
#   seen:     numpy 2.5 and 1.75, pyarrow 2.5 and 1.75
#   seen:     polars, interpolation="linear" 2.5 and 1.75
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 numpy==2.4.6 pyarrow==26.0.1
"$work/venv/bin/python" - "$work" <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

values = [1.0, 2.0, 3.0, 4.0]
column = pl.Series(values)
plain = [column.quantile(q) for q in (0.5, 0.25)]
linear = [column.quantile(q, interpolation="linear") for q in (0.5, 0.25)]
numpy = np.quantile(values, [0.5, 0.25]).tolist()
arrow = pc.quantile(pa.array(values), q=[0.5, 0.25]).to_pylist()
print("polars {}, numpy {}, pyarrow {}; of 1 2 3 4".format(*map(version, ("polars", "numpy", "pyarrow"))))
print("expected: quantile(0.5) 2.5, quantile(0.25) 1.75")
print(f"seen:     polars quantile {plain[0]} and {plain[1]}, median {column.median()}")
print(f"seen:     numpy {numpy[0]} and {numpy[1]}, pyarrow {arrow[0]} and {arrow[1]}")
print(f'seen:     polars, interpolation="linear" {linear[0]} and {linear[1]}')
right = [2.5, 1.75]
sys.exit(0 if plain == [3.0, 2.0] and column.median() == 2.5 and numpy == arrow == linear == right else 1)
PY
