#!/usr/bin/env bash
# Create the virtual environment with exactly the locked dependencies. Usage: setup.sh PYTHON VENV
set -euo pipefail
python=$1
venv=$2
"$python" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 ...")'
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv" || {
    echo "The venv module is missing; on Debian: apt-get install python3-venv" >&2
    exit 1
  }
fi
uv_pin=$(grep -E '^uv==' requirements.lock | cut -d' ' -f1)
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$uv_pin"
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip sync --quiet --compile-bytecode requirements.lock
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip install --quiet --no-deps --editable .
