#!/usr/bin/env bash
# redis-py 8.1.0 (2026-11-30): a client with default settings sends XADD again when the connection is lost before the answer.
# One would guess: a command that is not idempotent (XADD, INCR, RPUSH) raises ConnectionError then, as it did up to redis-py 5:
# the server may have carried it out. Since 6.0 the default is Retry(ExponentialWithJitterBackoff, 3), for every command, and whole
# pipelines too.
# Bites:    rows twice in a stream, a counter one too high; and a server that restarted empty goes unnoticed.
# Instead:  retry=Retry(NoBackoff(), 0) where commands are not idempotent, and numbers in the rows by which readers drop repeats.
# Seen: the server gets XADD twice, the caller one id and no error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check redis==8.1.0
"$folder/venv/bin/python" - <<'PY'
import socketserver
import sys
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

taken = []


class Server(socketserver.StreamRequestHandler):
    """Speaks RESP: takes every XADD, and loses the connection before it answers the first."""

    def handle(self):
        while line := self.rfile.readline():
            parts = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                parts.append(self.rfile.read(size + 2)[:-2])
            if parts[0].upper() != b"XADD":
                self.wfile.write(b"-ERR unknown command\r\n" if parts[0].upper() == b"HELLO" else b"+OK\r\n")
                continue
            taken.append(parts)
            if len(taken) == 1:
                return
            self.wfile.write(b"$3\r\n2-0\r\n")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
answer = redis.Redis(port=port, protocol=2).xadd("stream", {"row": "1"})
print("redis-py", redis.__version__)
print("expected: ConnectionError, one XADD taken")
print("seen:     answer", answer, "and", len(taken), "XADD taken")
changed = len(taken) != 2
taken.clear()
try:
    redis.Redis(port=port, protocol=2, retry=Retry(NoBackoff(), 0)).xadd("stream", {"row": "1"})
    raised = False
except redis.ConnectionError:
    raised = True
print("with no retries: ConnectionError", raised, "and", len(taken), "XADD taken")
sys.exit(changed or not raised or len(taken) != 1)
PY
