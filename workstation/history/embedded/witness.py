"""The last batch ever logged, kept next to the manifest: how a lost write-ahead log or an older manifest is noticed."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

_RECORD = struct.Struct("<8sQI")
_MAGIC = b"wkstn-w1"


class Witness:
    """A record of 20 bytes, overwritten after every commit.

    It is written after the commit and not synced: after a crash it is behind the manifest or equal to it, never ahead.
    A manifest that is behind it has lost what was committed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def read(self) -> int:
        """Id of the last batch, 0 when there is no (whole) record."""
        try:
            held = self._path.read_bytes()
        except FileNotFoundError:
            return 0
        if len(held) != _RECORD.size:
            return 0
        magic, last, checksum = _RECORD.unpack(held)
        return last if magic == _MAGIC and checksum == zlib.crc32(held[:16]) else 0

    def write(self, last: int) -> None:
        """Overwrite the record; a full disk or a folder that became read-only leaves it as it is."""
        body = struct.pack("<8sQ", _MAGIC, last)
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            os.pwrite(self._descriptor, body + struct.pack("<I", zlib.crc32(body)), 0)
        except OSError:
            return  # behind is safe: it only ever says less

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
