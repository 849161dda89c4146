"""Batches that wait on disk: one Arrow file each, in order of arrival."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from workstation.history.arrow_codec import decode, encode, to_arrow, to_frame
from workstation.history.embedded.segments import sync_folder
from workstation.market.errors import HistoryError
from workstation.market.tables import TABLES
from workstation.market.tables import table as declared


class Spill:
    """A bounded folder of waiting batches; one recorder uses it at a time."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self._limit = folder.expanduser().absolute(), max_bytes
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HistoryError(f"cannot make the spill folder {self.folder}: {error}") from error
        existing = self._files()
        self._number = 1 + max((int(path.name.partition("-")[0]) for path in existing), default=0)
        self._bytes = sum(path.stat().st_size for path in existing)

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.arrow") if path.name[:1].isdigit())

    def put(self, table: str, frame: pd.DataFrame) -> Path:
        """Write a batch; it survives this process, and after ``keep`` a loss of power."""
        schema = declared(table)
        blob = encode(to_arrow(schema, schema.conform(frame)))
        if self._bytes + blob.size > self._limit:
            raise HistoryError(f"the spill folder {self.folder} holds its {self._limit} bytes")
        path = self.folder / f"{self._number:012d}-{len(frame)}-{table}.arrow"
        draft = path.with_suffix(".tmp")
        try:
            draft.write_bytes(blob)
            draft.rename(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise HistoryError(f"cannot spill to {self.folder}: {error}") from error
        self._number += 1
        self._bytes += blob.size
        return path

    def get(self, table: str, path: Path) -> pd.DataFrame:
        """The batch of a file; a damaged file is renamed and named in the error."""
        schema = declared(table)
        try:
            return to_frame(schema, decode(schema, path.read_bytes()))
        except (OSError, pa.ArrowException) as error:
            damaged = path.with_suffix(".damaged")
            if path.exists():
                path.rename(damaged)
            raise HistoryError(f"spilled batch {damaged} cannot be read: {error}") from error

    def remove(self, path: Path) -> None:
        """Forget a batch that is durable elsewhere."""
        if path.exists():
            self._bytes -= path.stat().st_size
            path.unlink()

    def left_over(self) -> Iterator[tuple[str, int, int, Path]]:
        """(table, rows, bytes, path) of batches an earlier recorder left, in order."""
        for path in self._files():
            _, rows, table = path.stem.split("-", 2)
            if table in TABLES:
                yield table, int(rows), path.stat().st_size, path

    def keep(self, paths: Sequence[Path]) -> None:
        """Make waiting batches durable, to be left over in the order given."""
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            path.rename(path.with_name(f"{self._number:012d}-{path.name.partition('-')[2]}"))
            self._number += 1
        sync_folder(self.folder)
