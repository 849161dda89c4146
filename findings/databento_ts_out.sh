#!/usr/bin/env bash
# What:     turning one live recording that carries send times (ts_out) into a frame or an array makes the
#           same process misread every other file of that schema: wrong prices and sizes, without an error
#           or a warning. A second such call raises for any file of the schema.
# Why:      DBNStore appends ("ts_out", "u8") to the record class's own list of fields
#           (TradeMsg._dtypes), which all later reads share, and appends once more at each call.
# Bites:    comparing a live recording with the day's historical file in one notebook.
# Instead:  read the two in different processes, or iterate over the store, which is not affected.
# Versions: databento==0.87.0, databento-dbn==0.70.0, pandas==3.1.1, numpy==2.4.6
# Seen on 2026-11-30:
#   databento 0.87.0, databento-dbn 0.70.0
#   expected: the historical file has 7 trades of sizes 10 11 12 13 14 15 16, whatever was read before
#   seen:     before: 7 trades of sizes 10 11 12 13 14 15 16, prices 100 101 102 103 104 105 106
#   seen:     after:  6 trades of sizes 10 1024176641 0 65548 1024176645 2920784896,
#             prices 100 71829 1.79603e+09 12.8849 30.0648 1.79603e+09; warnings: none
#   seen:     iterating: 7 trades of sizes 10 11 12 13 14 15 16
#   seen:     after a second call: ValueError: field 'ts_out' occurs more than once
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    databento==0.87.0 databento-dbn==0.70.0 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys
import warnings
from importlib.metadata import version

import databento
import databento_dbn as dbn

SECOND = 10**9
START = 1_796_028_773 * SECOND
UNDEFINED = 2**64 - 1


def trade(i, **ts_out):
    return bytes(dbn.TradeMsg(
        publisher_id=1, instrument_id=7, ts_event=START + i, price=(100 + i) * SECOND, size=10 + i,
        action=dbn.Action.TRADE, side=dbn.Side.ASK, depth=0, ts_recv=START + i, sequence=i, **ts_out,
    ))


def historical():
    header = dbn.Metadata(
        dataset="XNAS.ITCH", start=START, stype_in=dbn.SType.RAW_SYMBOL, stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.TRADES, version=3,
    )
    return databento.DBNStore.from_bytes(bytes(header) + b"".join(trade(i) for i in range(7)))


def live():
    sent = {"ts_out": START + SECOND}
    header = dbn.Metadata(
        dataset="XNAS.ITCH", start=START, stype_in=None, stype_out=dbn.SType.INSTRUMENT_ID, schema=None,
        ts_out=True, version=3,
    )
    mapping = dbn.SymbolMappingMsg(
        publisher_id=0, instrument_id=7, ts_event=START, stype_in=dbn.SType.RAW_SYMBOL, stype_in_symbol="AAPL",
        stype_out=dbn.SType.INSTRUMENT_ID, stype_out_symbol="7", start_ts=UNDEFINED, end_ts=UNDEFINED, **sent,
    )
    return databento.DBNStore.from_bytes(
        bytes(header) + bytes(mapping) + b"".join(trade(i, **sent) for i in range(3))
    )


def text(array):
    sizes = " ".join(str(size) for size in array["size"])
    prices = " ".join(f"{price / SECOND:.6g}" for price in array["price"])
    return f"{len(array)} trades of sizes {sizes}, prices {prices}"


print(f"databento {version('databento')}, databento-dbn {version('databento-dbn')}")
print("expected: the historical file has 7 trades of sizes 10 11 12 13 14 15 16, whatever was read before")
before = historical().to_ndarray()
print("seen:     before:", text(before))
assert list(live().to_ndarray(schema="trades")["size"]) == [10, 11, 12]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    after = historical().to_ndarray()
print("seen:     after: ", text(after) + "; warnings:", len(caught) or "none")
records = [record.size for record in historical()]
print(f"seen:     iterating: {len(records)} trades of sizes", *records)
try:
    live().to_ndarray(schema="trades")
except ValueError as error:
    second = str(error)
else:
    second = ""
print("seen:     after a second call: ValueError:", second)
seen = (
    list(before["size"]) == records == list(range(10, 17))
    and len(after) == 6
    and list(after["size"]) != list(range(10, 16))
    and not caught
    and "more than once" in second
)
sys.exit(0 if seen else 1)
PY
