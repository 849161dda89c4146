#!/usr/bin/env bash
# What:     an http:// address given to Databento's historical client as its gateway is asked by https://; neither an
#           error nor a warning says so.
# Why:      validate_gateway() takes the address apart and puts it together again with the scheme "https".
# Bites:    a local stand-in or a proxy without TLS: every request ends in "SSL: WRONG_VERSION_NUMBER", which looks like a
#           broken certificate.
# Instead:  give the stand-in TLS, or put the address into the client after it is made (client.timeseries._base_url).
# Versions: databento==0.87.0, databento-dbn==0.70.0
# Seen on 2026-11-30:
#   databento 0.87.0
#   expected: http://127.0.0.1:8080 is asked, or refused
#   seen:     asked at https://127.0.0.1:8080/v0/timeseries; warnings: none
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check databento==0.87.0 databento-dbn==0.70.0 pandas==3.1.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys
import warnings
from importlib.metadata import version

import databento

GIVEN = "http://127.0.0.1:8080"
print(f"databento {version('databento')}")
print(f"expected: {GIVEN} is asked, or refused")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        asked = databento.Historical("db-" + "0" * 29, gateway=GIVEN).timeseries._base_url
    except ValueError as error:
        asked = f"refused: {error}"
print(f"seen:     asked at {asked}; warnings:", len(caught) or "none")
sys.exit(0 if asked.startswith("https://127.0.0.1:8080/") and not caught else 1)
PY
