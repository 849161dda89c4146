#!/usr/bin/env bash
# What:     redis-py's xadd(name, fields, maxlen=10) keeps more than 10 entries: a hundred and more, where the command line's
#           XADD name MAXLEN 10 keeps 10.
# Why:      xadd() of the client has approximate=True by default and sends "MAXLEN ~ 10"; the server's own default is exact, and
#           with ~ it drops whole nodes of 100 entries.
# Bites:    "the last n" of a stream read as n rows, a memory bound for many small streams (one per instrument): each holds
#           ten times what was asked for.
# Instead:  xadd(..., maxlen=10, approximate=False), or count in nodes.
# Versions: redis==8.1.0 (Python), redis-server 7.0.15 (the one on PATH)
# Seen on 2026-11-30:
#   redis 8.1.0, server 7.0.15
#   expected: 10 entries
#   seen:     xadd(maxlen=10), 150 times: 50 to 109 entries kept
#   seen:     xadd(maxlen=10, approximate=False), 150 times: 10 entries
#   seen:     XADD s MAXLEN 10, 150 times: 10 entries
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v redis-server > /dev/null || { echo "needs redis-server on PATH"; exit 2; }
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0
"$work/venv/bin/python" - "$work" <<'PY'
import socket
import subprocess
import sys
import time
from importlib.metadata import version

import redis

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(
    ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", sys.argv[1]],
    stdout=subprocess.DEVNULL,
)
try:
    client = redis.Redis(port=port, decode_responses=True)
    until = time.monotonic() + 60
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    most = 0
    for row in range(150):
        client.xadd("about", {"n": row}, maxlen=10)
        client.xadd("exact", {"n": row}, maxlen=10, approximate=False)
        client.execute_command("XADD", "line", "MAXLEN", "10", "*", "n", row)
        most = max(most, client.xlen("about"))
    kept = [client.xlen(name) for name in ("about", "exact", "line")]
    told = client.info("server")["redis_version"]
finally:
    server.terminate()
    server.wait()
print(f"redis {version('redis')}, server {told}")
print("expected: 10 entries")
print(f"seen:     xadd(maxlen=10), 150 times: {kept[0]} to {most} entries kept")
print(f"seen:     xadd(maxlen=10, approximate=False), 150 times: {kept[1]} entries")
print(f"seen:     XADD s MAXLEN 10, 150 times: {kept[2]} entries")
sys.exit(0 if kept[1:] == [10, 10] and most >= 100 else 1)
PY
