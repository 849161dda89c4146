#!/usr/bin/env bash
# What:     installing ib_async beside a newer tzdata takes tzdata back to 2025: the client of Interactive Brokers allows no
#           time zone database of 2026 or later, though it is a database of dated releases and no API.
# Why:      its metadata say tzdata<2026; pip and uv obey without a warning.
# Bites:    one environment for feeds of several venues: pandas and zoneinfo read last year's zones where the system has none,
#           so a country that changed its clocks since has wrong session times, in silence.
# Instead:  install ib_async without its dependencies, or override the cap (uv: override-dependencies), and look at
#           importlib.metadata.version("tzdata") after any change of the environment.
# Versions: ib_async==2.1.0, tzdata==2026.6 before
# Seen on 2026-11-30:
#   before:   tzdata 2026.6
#   expected: tzdata as it was
#   seen:     tzdata 2025.3; ib_async requires tzdata (>=2025.2,<2026.0)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check tzdata==2026.6
before=$("$work/venv/bin/python" -c 'from importlib.metadata import version; print(version("tzdata"))')
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ib_async==2.1.0
"$work/venv/bin/python" - "$before" <<'PY'
import sys
from importlib.metadata import requires, version

before, after = sys.argv[1], version("tzdata")
asked = [one for one in requires("ib_async") or () if one.startswith("tzdata")]
print(f"before:   tzdata {before}")
print("expected: tzdata as it was")
print(f"seen:     tzdata {after}; ib_async requires {', '.join(asked)}")
sys.exit(0 if before.startswith("2026") and after.startswith("2025") else 1)
PY
