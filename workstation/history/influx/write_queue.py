"""Write requests that wait on disk while the server is down: one compressed file each, in order."""

from __future__ import annotations

import fcntl
import gzip
import os
from pathlib import Path

from workstation.history.embedded.segments import sync_folder
from workstation.history.influx.write_requests import Request
from workstation.market.errors import HistoryError


class QueueTaken(HistoryError):
    """Another process keeps its waiting writes in the folder."""


class WriteQueue:
    """A bounded folder of requests; one process uses it at a time.

    Raises
    ------
    HistoryError
        The folder cannot be made; ``QueueTaken`` when another process has it.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self._limit = folder, max_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise HistoryError(f"cannot use the queue folder {folder}: {error}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise QueueTaken(
                f"another process keeps its waiting writes in {folder}; give this one a queue_folder of its own"
            ) from error
        self._files = sorted(folder.glob("*.lines.gz"))
        self._number = 1 + max((int(path.name.split("-")[0]) for path in self._files), default=0)
        self._bytes = sum(path.stat().st_size for path in self._files)

    @staticmethod
    def left_over(folder: Path) -> bool:
        """Whether writes wait in a folder, of this process or of another."""
        return any(folder.glob("*.lines.gz"))

    def __len__(self) -> int:
        return len(self._files)

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return sum(int(path.name.split("-")[1]) for path in self._files)

    @property
    def last_seq(self) -> int:
        """Highest ``seq`` that waits, 0 when none does."""
        return max((int(path.name.split("-")[2]) for path in self._files), default=0)

    def put(self, request: Request, last_seq: int) -> None:
        """Keep a request; it is on disk when this returns. Raises ``HistoryError`` when there is no room."""
        blob = gzip.compress(request.body, 1, mtime=0)
        if self._bytes + len(blob) > self._limit:
            raise HistoryError(f"{self.folder} holds its {self._limit} bytes of waiting writes")
        name = f"{self._number:012d}-{request.rows}-{max(last_seq, 0)}-{request.first_row}-{request.table}.lines.gz"
        path = self.folder / name
        draft = path.with_suffix(".tmp")
        try:
            with draft.open("wb") as file:
                file.write(blob)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
            sync_folder(self.folder)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise HistoryError(f"cannot keep waiting writes in {self.folder}: {error}") from error
        self._number += 1
        self._bytes += len(blob)
        self._files.append(path)

    def first(self) -> Request:
        """The request that has waited longest.

        Raises
        ------
        HistoryError
            Its file is damaged; it is renamed and named.
        """
        path = self._files[0]
        _, rows, _, first_row, table = path.name.removesuffix(".lines.gz").split("-", 4)
        try:
            body = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            self.set_aside("damaged")
            raise HistoryError(
                f"waiting write {path.with_suffix('.damaged')} cannot be read: {error}"
            ) from error
        return Request(table, body, int(rows), int(first_row))

    def remove(self) -> None:
        """Forget the first request: the server has it."""
        path = self._files.pop(0)
        self._bytes -= path.stat().st_size
        path.unlink()

    def set_aside(self, why: str) -> Path:
        """Take the first request out of the queue and leave its file under another name."""
        path = self._files.pop(0)
        aside = path.with_suffix(f".{why}")
        if path.exists():
            self._bytes -= path.stat().st_size
            path.rename(aside)
        return aside

    def close(self) -> None:
        """Leave the folder to the next process."""
        os.close(self._lock)
