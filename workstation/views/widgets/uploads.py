"""What a page takes of files from its visitor."""

from __future__ import annotations

from workstation.market.errors import FrameError

UPLOAD_LIMIT = 24 * 2**20
"""Bytes of a file that a page takes."""
MESSAGE_LIMIT = UPLOAD_LIMIT * 4 // 3 + 2**20
"""Bytes of a message from a page: a file comes as base64."""
UPLOAD_MARK = "larger-than-a-page-takes:"
"""Stands before the size of a file that the page did not send."""


def check_size(content: bytes, name: str) -> None:
    """Refuse a file that was too large to be sent. Raises ``FrameError``.

    Examples
    --------
    >>> check_size(b"time,venue", "mine.csv")
    >>> check_size(b"larger-than-a-page-takes:31500000", "mine.csv")
    Traceback (most recent call last):
    ...
    workstation.market.errors.FrameError: mine.csv has 30.0 MiB; a page takes files of up to 24 MiB: split it
    """
    mark = UPLOAD_MARK.encode()
    told = content.removeprefix(mark) if content.startswith(mark) else b""
    size = int(told) if told.isdigit() and len(told) < 20 else len(content)
    if size > UPLOAD_LIMIT:
        raise FrameError(
            f"{name} has {size / 2**20:.1f} MiB; a page takes files of up to {UPLOAD_LIMIT >> 20} MiB: split it"
        )
