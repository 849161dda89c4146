#!/usr/bin/env bash
# numba 0.68.1 (2026-11-30): a cached kernel whose own file did not change fails after a record type of another file was renamed.
# One would guess: a cache entry that cannot be read is a miss, and the kernel is compiled again.
# Seen: the index is found by the kernel's file alone, holds the type by name, and every call ends in an AttributeError until the
# cache is deleted by hand: an upgrade in place of a package that ships kernels breaks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 numpy==2.4.6
cd "$folder"
cat > kernels.py <<'PY'
import numba


@numba.njit(cache=True)
def mid(quote):
    return 0.5 * (quote.bid + quote.ask)
PY
first='from typing import NamedTuple


class Quote(NamedTuple):
    bid: float
    ask: float
'
printf '%s' "$first" > records.py
venv/bin/python -c 'import numba, kernels, records; print("numba", numba.__version__, "first run:", kernels.mid(records.Quote(1.0, 2.0)))'
printf '%s' "${first/class Quote/class TopOfBook}" > records.py
said=$(venv/bin/python -c 'import kernels, records; print(kernels.mid(records.TopOfBook(1.0, 2.0)))' 2>&1 | tail -n 1 || true)
echo "after Quote was renamed in records.py: $said"
rm -rf __pycache__
echo "cache deleted: $(venv/bin/python -c 'import kernels, records; print(kernels.mid(records.TopOfBook(1.0, 2.0)))')"
case "$said" in *AttributeError*) exit 0 ;; *) exit 1 ;; esac
