#!/usr/bin/env bash
# What:     a numba function with cache=True, in a file that nobody touched, raises AttributeError or
#           ModuleNotFoundError after the class of an argument was moved to another module.
# Why:      the cache's index holds the argument types by the module path of their classes, and is unpickled
#           whole before numba looks whether an entry fits. The check "has the source changed?" covers the
#           kernel's own file only, and the failure is not taken for a miss.
# Bites:    a named tuple of market data, moved in a refactoring behind an import that stays the same:
#           a fresh checkout and CI pass, every machine that has run the old version fails.
# Instead:  delete the __pycache__ folders (*.nbi, *.nbc) on upgrade, or set NUMBA_CACHE_DIR to a folder
#           named after the release.
# Versions: numba==0.68.1, numpy==2.4.6
# Seen on 2026-11-30:
#   numba 0.68.1
#   expected: 1.5 each time; after the move the kernel is compiled anew
#   seen:     first run: 1.5
#   seen:     class moved, its old module stays: AttributeError: Can't get attribute 'Quote'
#   seen:     class moved, its old module gone: ModuleNotFoundError: No module named 'quotes'
#   seen:     cache deleted: 1.5
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1 numpy==2.4.6
mkdir "$work/project"
cd "$work/project"
unset NUMBA_CACHE_DIR

cat > quotes.py <<'PY'
from typing import NamedTuple


class Quote(NamedTuple):
    bid: float
    ask: float
PY
echo "from quotes import Quote" > api.py
cat > kernel.py <<'PY'
from numba import njit


@njit(cache=True)
def mid(quote):
    return (quote.bid + quote.ask) / 2
PY
cat > main.py <<'PY'
import api
import kernel

try:
    print(kernel.mid(api.Quote(1.0, 2.0)))
except (AttributeError, ImportError) as error:
    print(f"{type(error).__name__}: {error}".split(" on <")[0])
PY
run() { "$work/venv/bin/python" main.py; }

"$work/venv/bin/python" -c "import numba; print('numba', numba.__version__)"
echo "expected: 1.5 each time; after the move the kernel is compiled anew"
first=$(run)
echo "seen:     first run: $first"
mv quotes.py market.py
echo "from market import Quote" > api.py
echo "# The classes of this module have moved to market.py." > quotes.py
moved=$(run)
echo "seen:     class moved, its old module stays: $moved"
rm quotes.py
gone=$(run)
echo "seen:     class moved, its old module gone: $gone"
rm -rf __pycache__
anew=$(run)
echo "seen:     cache deleted: $anew"
[[ $first == 1.5 && $anew == 1.5 && $moved == AttributeError* && $gone == ModuleNotFoundError* ]] || exit 1
