"""Decoding live prints and quotes of Alpaca and Databento: ours against the vendors' own Python clients.

Every way begins with the bytes as the socket gave them and ends with what its users work with:

* ``decode``: a conformed table with every column, validated, in batches;
* ``client``: Databento's live session, an object per record, the fields of each kept and made a table; Alpaca's ``unpackb`` and its ``Quote`` and ``Trade``, where
  alpaca-py is installed (``pip install alpaca-py``).

The ways run in turn within each repeat, measured in CPU time of the process; the ratio is that of the best repeats.

Run: ``python benchmarks/decode_options.py [messages]``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import databento_dbn as dbn
import msgspec
import numpy as np
import pandas as pd
from databento.live.protocol import DatabentoLiveProtocol

from workstation.feeds.alpaca.decode import decode as alpaca
from workstation.feeds.databento.decode import decode as databento

REPEATS, BATCH, PER_FRAME, READ = 5, 2_000, 8, 1 << 20
"""Messages of a batch, messages of a frame of Alpaca's, bytes of a frame of Databento's, as reads gather."""
AT = 1_796_053_000_123_456_789
SYMBOLS = [f"SPY261218{right}{strike:05d}000" for strike in range(500, 700) for right in "CP"]


def alpaca_frames(count: int, kind: str) -> list[bytes]:
    """Pushed frames of prints or quotes."""
    prices = np.random.default_rng(7).integers(1, 2_000, count).tolist()

    def one(at: int) -> dict[str, Any]:
        seconds, fraction = divmod(AT + at * 1_000_003, 10**9)
        stamp = msgspec.msgpack.Ext(-1, (fraction << 34 | seconds).to_bytes(8, "big"))
        shared = {"T": kind, "S": SYMBOLS[at % len(SYMBOLS)], "t": stamp}
        if kind == "t":
            return shared | {"p": prices[at] / 100, "s": 3, "x": "N", "c": "I"}
        price = prices[at] / 100
        return shared | {"bx": "C", "bp": price, "bs": 53, "ax": "A", "ap": price + 0.1, "as": 38, "c": "A"}

    made = [one(at) for at in range(count)]
    return [msgspec.msgpack.encode(made[at : at + PER_FRAME]) for at in range(0, count, PER_FRAME)]


def databento_reads(count: int, kind: str) -> list[bytes]:
    """Records of prints or consolidated quotes, cut as reads of a socket are, at whole records."""
    none = dbn.SType.RAW_SYMBOL
    symbols = [f"SPY   261218{right}{strike:05d}000" for strike in range(500, 700) for right in "CP"]
    names = [
        dbn.SymbolMappingMsg(0, at, AT, none, name, none, name, 0, 2**64 - 1)
        for at, name in enumerate(symbols)
    ]

    def one(at: int) -> Any:
        shared = {
            "publisher_id": 22 + at % 10,
            "instrument_id": at % len(symbols),
            "ts_event": AT + at,
            "ts_recv": AT + at + 50,
        }
        shared |= {"price": (5 + at % 7) * 10**9, "size": 3, "side": dbn.Side.NONE}
        if kind == "trades":
            return dbn.TradeMsg(**shared, action=dbn.Action.TRADE, depth=0, sequence=at)
        level = dbn.ConsolidatedBidAskPair(5 * 10**9, 6 * 10**9, 3, 4)
        return dbn.CMBP1Msg(**shared, rtype=dbn.RType.CMBP_1, action=dbn.Action.ADD, levels=level)

    made = [bytes(one(at)) for at in range(count)]
    whole = READ // len(made[0])
    return [b"".join(map(bytes, names)), *(b"".join(made[at : at + whole]) for at in range(0, count, whole))]


def ours(decode: Callable[[pd.DataFrame], Any], frames: list[bytes], channel: str, per_batch: int) -> int:
    """Frames to tables, in batches."""
    rows = 0
    for start in range(0, len(frames), per_batch):
        part = frames[start : start + per_batch]
        payload = np.empty(len(part), dtype=object)
        payload[:] = part
        made = {"payload": payload, "channel": pd.Categorical([channel] * len(part)), "seen_ns": AT}
        rows += sum(len(batch.frame) for batch in decode(pd.DataFrame(made, copy=False)))
    return rows


class _Client(DatabentoLiveProtocol):
    """The vendor's session, of which a callback keeps the fields of each print and quote."""

    def __init__(self) -> None:
        super().__init__("db-0", "OPRA.PILLAR")
        self.kept: list[tuple[Any, ...]] = []
        self.connection_made(asyncio.Transport())
        self._process_dbn(
            bytes(
                dbn.Metadata(
                    dataset="OPRA.PILLAR",
                    start=AT,
                    stype_in=None,
                    stype_out=dbn.SType.INSTRUMENT_ID,
                    schema=None,
                )
            )
        )

    def received_record(self, record: Any) -> None:
        """A record as the client hands it to callbacks."""
        if isinstance(record, dbn.TradeMsg | dbn.CMBP1Msg):
            row = (
                record.ts_event,
                record.ts_recv,
                record.instrument_id,
                record.publisher_id,
                record.price,
                record.size,
            )
            if isinstance(record, dbn.CMBP1Msg):
                level = record.levels[0]
                row += (level.bid_px, level.ask_px, level.bid_sz, level.ask_sz)
            self.kept.append(row)


def databento_client(reads: list[bytes]) -> int:
    """What the client does with reads, and a table of what it gave."""

    async def run() -> int:
        client, rows = _Client(), 0
        for read in reads:
            client._process_dbn(read)
            rows += len(pd.DataFrame(client.kept))
            client.kept.clear()
        return rows

    return asyncio.run(run())


def alpaca_client() -> Callable[[list[bytes]], int] | None:
    """What the vendor's stream does with a frame; None where alpaca-py is not installed."""
    try:
        import msgpack  # type: ignore[import-not-found]
        from alpaca.data.models import Quote, Trade  # type: ignore[import-not-found]
    except ImportError:
        return None

    def run(frames: list[bytes]) -> int:
        rows = 0
        for frame in frames:
            for message in msgpack.unpackb(frame):
                message["t"] = message["t"].to_datetime()
                (Trade if message["T"] == "t" else Quote)(message["S"], message)
                rows += 1
        return rows

    return run


def best(ways: dict[str, Callable[[], int]], count: int) -> dict[str, float]:
    """Messages/s of CPU of each way, its best repeat."""
    found = dict.fromkeys(ways, 0.0)
    for _ in range(REPEATS):
        for name, way in ways.items():
            started = time.process_time()
            rows = way()
            assert rows >= count, f"{name}: {rows} of {count} rows"
            found[name] = max(found[name], count / (time.process_time() - started))
    return found


def main(count: int) -> None:
    """Print a table."""
    client = alpaca_client()
    if client is None:
        print("alpaca-py is not installed: Alpaca is measured alone")
    for kind in ("t", "q"):
        frames = alpaca_frames(count, kind)
        ways = {"decode": lambda f=frames: ours(alpaca, f, "option/trades", BATCH // PER_FRAME)}
        if client is not None:
            ways["client"] = lambda f=frames: client(f)
        _told(f"alpaca {'prints' if kind == 't' else 'quotes'}", best(ways, count))
    for kind in ("trades", "cmbp-1"):
        reads = databento_reads(count, kind)
        ways = {
            "decode": lambda r=reads: ours(databento, r, "OPRA.PILLAR/records", 1),
            "client": lambda r=reads: databento_client(r),
        }
        _told(f"databento {kind}", best(ways, count))


def _told(name: str, found: dict[str, float]) -> None:
    ratio = f"  {found['decode'] / found['client']:5.1f} x" if "client" in found else ""
    print(f"{name:20}" + "".join(f"  {way} {rate:12,.0f}/s" for way, rate in found.items()) + ratio)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
