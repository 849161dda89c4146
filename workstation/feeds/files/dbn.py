"""Databento's binary files (DBN versions 1 to 3, plain or zstd), historical or recorded live.

Becomes: trades, mbp-1, tbbo, cmbp-1, tcbbo -> trades (action T) and quotes; bbo-*, cbbo-* -> quotes at the interval's end;
ohlcv-* -> candles, one per venue; definition -> instruments; statistics of type 9 -> marks' open interest; mbo -> trades;
errors and slow-reader warnings of the live gateway -> health. Depth, status and imbalance records have no table and are
counted. A stream of several schemas is read record by record. The vendor's library is not needed.

``venue`` is the publisher's (``dbn_publishers``). ``exchange`` is its code where the instrument trades on several: empty
for a consolidated quote, so no venue's quote passes for the NBBO. ``side`` is the aggressor's where the venue says it;
OPRA's prints have none. DBN carries no sale condition: ``condition`` is empty and ``flags`` say only what the publisher
is (OFF_EXCHANGE), so nothing is known of late, cancelled or multi-leg prints. ``ts_event`` of OPRA records is the
consolidator's; where it is undefined ``ts_recv`` stands for it. Listed options are named by OSI symbol; others keep the
venue's raw symbol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from workstation.feeds.feed import Batch
from workstation.feeds.files import dbn_layout as dbn
from workstation.feeds.files import dbn_rows as rows
from workstation.feeds.files.dbn_definitions import definitions
from workstation.feeds.files.dbn_gateway import messages
from workstation.feeds.files.dbn_names import Names
from workstation.feeds.files.dbn_rows import Source
from workstation.feeds.files.dbn_stream import Run, check, runs
from workstation.feeds.files.reading import Rejections

_REMEDIES: Mapping[str, str] = {
    "mbp-10": "for quotes and trades export mbp-1",
    "ohlcv": "the length of these bars is not said; export ohlcv-1s, 1m, 1h or 1d",
    "ohlcv-eod": "a session's length is not fixed; export ohlcv-1d",
}
"""What to export in place of a schema that is not read."""


def read(path: Path, rejections: Rejections) -> Iterator[Batch]:
    """Batches in record order; nothing is given of a file that is cut off or damaged.

    Raises
    ------
    FrameError
        The file is not whole DBN of a known version; names the file, the record and the byte.
    """
    header = check(path)
    source = Source(path.name, header.dataset, Names(header.names), rejections)
    for run in runs(path, header):
        yield from batches(source, run)


def batches(source: Source, run: Run) -> Iterator[Batch]:
    """Batches of records of one type; names they bring are the source's from here on."""
    rtype, records = run
    if not dbn.is_read(rtype):
        _count(source, rtype, len(records))
    elif rtype in dbn.BARS:
        yield from rows.bars(source, records, rtype)
    elif rtype in (dbn.TRADES, dbn.MBP_1, dbn.CMBP_1, dbn.TCBBO):
        yield from rows.ticks(source, records, consolidated=rtype in (dbn.CMBP_1, dbn.TCBBO))
    elif rtype in (dbn.ERROR, dbn.SYSTEM):
        yield from messages(source, records, rtype)
    elif rtype == dbn.SYMBOL_MAPPING:
        source.names.add_messages(records)
    elif rtype == dbn.DEFINITION:
        yield definitions(source, records)
    elif rtype == dbn.STATISTICS:
        yield from rows.statistics(source, records)
    elif rtype == dbn.MBO:
        yield from rows.orders(source, records)
    else:
        consolidated = rtype in (dbn.CBBO_1S, dbn.CBBO_1M)
        yield from rows.intervals(source, records, consolidated=consolidated)


def _count(source: Source, rtype: int, count: int) -> None:
    """Count records that no table keeps, and say what to do about it."""
    schema = dbn.SCHEMAS.get(rtype)
    if schema is None:
        what, remedy = (
            f"record type {rtype:#04x} is not known",
            "update the workstation, or export another schema",
        )
    else:
        what, remedy = f"schema {schema} has no table", _REMEDIES.get(schema, "nothing of it can be imported")
    source.rejections.add(what, count, f"{source.file}: {remedy}")
