#!/usr/bin/env bash
# What:     streamz's groupby().std() and .var() of prices are wrong without a word: 2 % off where a price of 100 000 moves by
#           thousandths, 0 where it moves by ten-thousandths.
# Why:      the state is a sum, a sum of squares and a count; the variance is their difference, of which nothing is left where the mean
#           is 10^8 times the deviation (a rounded difference under zero has NaN for its root).
# Bites:    volatility per instrument over live prices, which is what one groups a stream of trades for. mean() is right.
# Instead:  take differences or returns first, or subtract a price of about that level per instrument.
# Versions: streamz==0.6.6, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-12-01:
#   streamz 0.6.6
#   moves of 0.001: expected 0.0014146 (pandas' std of the same rows), seen 0.0013818
#   moves of 0.0002: expected 0.0002829 (pandas' std of the same rows), seen 0.0000000
#   the second with a hundred thousand subtracted first: 0.0002829
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check streamz==0.6.6 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import math
import sys
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
from streamz import Stream
from streamz.dataframe import DataFrame


def streamed(frame):
    source = Stream()
    found = DataFrame(source, example=frame.iloc[:0]).groupby("instrument").price.std().stream.sink_to_list()
    for begin in range(0, len(frame), 100):
        source.emit(frame.iloc[begin : begin + 100])
    return float(found[-1].iloc[0])


moves = np.random.default_rng(1).integers(-2, 3, 1_000)
found = {}
print("streamz", version("streamz"))
for tick in (0.001, 0.0002):
    prices = pd.DataFrame({"price": 100_000 + tick * moves, "instrument": "BTC"})
    right, seen = float(prices["price"].std()), streamed(prices)
    print(f"moves of {tick}: expected {right:.7f} (pandas' std of the same rows), seen {seen:.7f}")
    found[tick] = right, seen
moved = streamed(prices.assign(price=prices["price"] - 100_000))
print(f"the second with a hundred thousand subtracted first: {moved:.7f}")
few, none = found[0.001], found[0.0002]
wrong = 0.01 < abs(few[1] / few[0] - 1) < 0.1 and (none[1] == 0 or math.isnan(none[1]))
sys.exit(0 if wrong and math.isclose(moved, none[0], rel_tol=1e-6) else 1)
PY
