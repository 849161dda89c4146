#!/usr/bin/env bash
# What:     One missing price and TA-Lib's RSI and CMO are 0.0 to the end of the array: as oversold as can be, and a number. SMA, EMA,
#           STDDEV and BBANDS are NaN to the end; MOM and ROC are NaN for as long as the window holds the gap.
# Why:      averages are carried from one output to the next. NaN once in the sums of gains and losses stays there, and the guard
#           against dividing by zero (is the total near zero?) answers for NaN as for none.
# Bites:    a bar without a trade kept as NaN in a regular index, two instruments aligned by an outer join. RSI < 30 fires on every
#           bar behind it, and nothing looks missing.
# Instead:  call it on prices without NaN (Series.dropna(), and reindex the result), or on each run between gaps.
# Versions: TA-Lib==0.8.2, numpy==2.4.6
# Seen on 2026-12-01:
#   TA-Lib 0.8.2
#   expected: NaN while the window of 14 holds the missing price, then values again
#   seen:     RSI at the 28 prices from the gap on: [0.0]
#   seen:     CMO at the 28 prices from the gap on: [0.0]
#   seen:     SMA: 28 of 28 NaN, MOM: 2 of 28 NaN
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check TA-Lib==0.8.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys

import numpy as np
import talib

prices = 100 + np.cumsum(np.random.default_rng(0).normal(0, 1, 60))
gap = 32
assert 20 < talib.RSI(prices)[gap:].min()
prices[gap] = np.nan
after = {name: getattr(talib, name)(prices, timeperiod=14)[gap:] for name in ("RSI", "CMO", "SMA", "MOM")}
print("TA-Lib", talib.__version__)
print("expected: NaN while the window of 14 holds the missing price, then values again")
for name in ("RSI", "CMO"):
    print(f"seen:     {name} at the {len(after[name])} prices from the gap on: {sorted({float(one) for one in after[name]})}")
missing = {name: int(np.isnan(after[name]).sum()) for name in ("SMA", "MOM")}
print(f"seen:     SMA: {missing['SMA']} of {len(after['SMA'])} NaN, MOM: {missing['MOM']} of {len(after['MOM'])} NaN")
seen = (after["RSI"] == 0).all() and (after["CMO"] == 0).all() and missing == {"SMA": 28, "MOM": 2}
sys.exit(0 if seen else 1)
PY
