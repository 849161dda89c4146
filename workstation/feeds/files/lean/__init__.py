"""LEAN's zips: ticks and bars of equities, options, futures, future options, index, forex, CFD and crypto.

The path says security type, market, resolution and symbol (``paths``), the names in the zip say the contracts
(``contracts``), the security type and kind say the columns (``layouts``), and LEAN's market-hours database says in
which time zone the times are (``zones``). What the lines become: ``rows``. The CSVs of option chains: ``universes``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.lean.contracts import venue_of
from workstation.feeds.files.lean.layouts import layout_of
from workstation.feeds.files.lean.lines import parse_lines
from workstation.feeds.files.lean.members import Block, blocks
from workstation.feeds.files.lean.paths import LeanFile, parse_path
from workstation.feeds.files.lean.rows import LeanReading, batches_of
from workstation.feeds.files.lean.universes import is_universe, read_universe
from workstation.feeds.files.lean.zones import zone_name, zone_of
from workstation.feeds.files.read_ahead import one_ahead
from workstation.feeds.files.reading import Rejections
from workstation.market.errors import FrameError
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.tables import table


def read(path: Path, rejections: Rejections, zone: str = "") -> Iterator[Batch]:
    """Batches of every CSV in the zip, in the zip's order, conformed to their tables.

    Parameters
    ----------
    path
        A zip in LEAN's folders, or the CSV of an option universe.
    rejections
        Counts the lines and members set aside; tells what is kept although something about it is not known.
    zone
        Time zone of the file's times, for markets LEAN's database does not name: ``America/New_York``, ``UTC-05``.

    Notes
    -----
    What the files say of futures, future options and foreign listings is recorded in the instrument registry.

    Raises
    ------
    FrameError
        The path is not LEAN's, its market has no known zone, LEAN has no such files, or nothing in the zip can be read.
    """
    if is_universe(path):
        yield from read_universe(path, rejections, zone)
        return
    file = parse_path(path)
    layout = layout_of(file.security, file.resolution, file.kind)
    reading = LeanReading(
        file, zone_of(zone or zone_name(file.security, file.market, file.symbol)), rejections
    )
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise FrameError(f"{path.name}: not a whole zip: {error}; take it from its source again") from error
    with archive:

        def made(block: Block) -> list[Batch]:
            lines = parse_lines(block, layout, file.midnight is None, rejections)
            batches = batches_of(reading, block, lines)
            if batches:
                _register(file, block, int(batches[0].frame["event_ns"].iloc[0]), rejections)
            return batches

        for batches in one_ahead(blocks(archive, file, rejections), made):
            yield from batches


def _register(file: LeanFile, block: Block, event_ns: int, rejections: Rejections) -> None:
    """Record what LEAN says of a block's contracts beyond their names, and tell what neither says."""
    said = []
    for piece in block.pieces:
        contract = piece.contract
        if contract.unknown and piece.first_line == 1:
            rejections.note(
                f"not in LEAN's files: {contract.unknown}", 1, f"{contract.name} ({piece.member})"
            )
        if contract.terms and piece.first_line == 1:
            said.append({"instrument": contract.name, "venue_symbol": piece.member} | contract.terms)
    if said:
        rows = pd.DataFrame(said).assign(event_ns=np.int64(event_ns), venue=venue_of(file))
        INSTRUMENT_TERMS.register(table("instruments").conform(rows))
