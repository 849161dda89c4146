#!/usr/bin/env bash
# What:     A pyarrow Flight server that raises one of Arrow's errors `from` another with a long message is answered to the client as
#           "resource exhausted: received metadata size exceeds hard limit"; its own message, short as it may be, is gone.
# Why:      the traceback of the exception and of its causes goes into a trailer (x-arrow-status-detail-bin), and gRPC takes 16 KB of
#           trailers at most.
# Bites:    a server of market data over SQL that turns the database's error into ArrowInvalid: a wrong column in a long query shows as
#           a lack of resources, which clients try again.
# Instead:  raise ... from None, and cut what goes into the message.
# Versions: pyarrow==26.0.1
# Seen on 2026-12-01:
#   pyarrow 26.0.1
#   expected: the client reads: no column px
#   seen:     raised from None: no column px
#   seen:     raised from its cause: gRPC returned resource exhausted error
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$work/venv/bin/python" - <<'PY'
import sys

import pyarrow as pa
import pyarrow.flight as flight


class Server(flight.FlightServerBase):
    def do_get(self, context, ticket):
        try:
            raise ValueError("no column px among " + ", ".join(f"column_{number}" for number in range(1_000)))
        except ValueError as error:
            if ticket.ticket == b"cause":
                raise pa.ArrowInvalid("no column px") from error
            raise pa.ArrowInvalid("no column px") from None


def said(ticket):
    with flight.connect(f"grpc://127.0.0.1:{server.port}") as client:
        try:
            client.do_get(flight.Ticket(ticket)).read_all()
        except pa.ArrowException as error:
            return str(error)


with Server("grpc://127.0.0.1:0") as server:
    alone, caused = said(b"alone"), said(b"cause")
print("pyarrow", pa.__version__)
print("expected: the client reads: no column px")
print("seen:     raised from None:", alone[:12])
print("seen:     raised from its cause:", caused[:38])
sys.exit(0 if alone.startswith("no column px") and "resource exhausted" in caused and "no column px" not in caused[:60] else 1)
PY
