"""Which code made a result."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import workstation


@lru_cache(maxsize=1)
def code_version() -> str:
    """The package's version, and twelve digits of the digest of its sources as they were when first asked for.

    >>> code_version().partition("+")[1]
    '+'
    """
    try:
        released = version("workstation")
    except PackageNotFoundError:
        released = "unknown"
    folder = Path(workstation.__file__).parent
    told = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        told.update(f"{path.relative_to(folder).as_posix()}:{len(source)}".encode() + source)
    return f"{released}+{told.hexdigest()[:12]}"
