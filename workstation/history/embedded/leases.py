"""Locks between processes: who reads, and who tidies.

A reader holds a lease while it reads; a segment file that left the manifest is deleted only when every living
lease is younger than its leaving. Leases are files with an ``flock``, so that a killed process leaves none.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENOSPC, errno.EDQUOT)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock file for this process alone; yields False when another holds it and ``wait`` is off."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if wait:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield True
        else:
            yield _try_lock(descriptor)
    finally:
        os.close(descriptor)


class Leases:
    """The readers at work in one store, of all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def hold(self, generation: int) -> Iterator[None]:
        """Announce a read that begins at or after this generation of the manifest."""
        try:
            path, descriptor = self._open(generation)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            # A reader that may not write here: it asks again when a file has gone from under it.
            yield
            return
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
            os.close(descriptor)

    def _open(self, generation: int) -> tuple[Path, int]:
        while True:
            path = self._folder / f"{generation}-{uuid.uuid4().hex}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            if _try_lock(descriptor):
                # Between creation and lock it may have been taken for a dead one's and removed.
                with suppress(FileNotFoundError):
                    if path.stat().st_ino == os.fstat(descriptor).st_ino:
                        return path, descriptor
            os.close(descriptor)

    def oldest(self) -> int | None:
        """Generation of the oldest living lease, None when nobody reads; removes those of dead processes."""
        living = []
        for path in list(self._folder.iterdir()) if self._folder.is_dir() else []:
            generation = path.name.partition("-")[0]
            if not generation.isdigit():
                continue  # not one of ours
            try:
                descriptor = os.open(path, os.O_RDWR)
            except (FileNotFoundError, IsADirectoryError):
                continue
            try:
                if _try_lock(descriptor):
                    path.unlink(missing_ok=True)
                else:
                    living.append(int(generation))
            finally:
                os.close(descriptor)
        return min(living, default=None)
