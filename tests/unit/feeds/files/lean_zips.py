"""Small LEAN zips for the tests of their reader."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from workstation.feeds.files import Rejections, read

Text = str | bytes


def lean_zip(root: Path, where: str, entries: Mapping[str, Text]) -> Path:
    """A zip below ``root`` of these members."""
    file = root / where
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return file


def one_member(root: Path, where: str, lines: list[str], contract: str = "") -> Path:
    """A zip of one member, named as LEAN names it."""
    _security, _market, resolution, *rest = where.split("/")
    name = rest[-1].removesuffix(".zip")
    if resolution in ("hour", "daily"):
        stem = name
    else:
        date, kind, *style = name.split("_")
        stem = "_".join([date, rest[0], resolution, kind, *style])
    member = f"{stem}_{contract}.csv" if contract else f"{stem}.csv"
    return lean_zip(root, where, {member: "\n".join(lines) + "\n"})


def rows_of(path: Path, rejections: Rejections | None = None, **options: str) -> dict[str, pd.DataFrame]:
    """The rows of a zip by table."""
    tables: dict[str, list[pd.DataFrame]] = {}
    for name, frame in read("lean", path, rejections if rejections is not None else Rejections(), **options):
        tables.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items()}


def milliseconds(clock: str) -> int:
    """Milliseconds of the day of ``HH:MM``."""
    hours, minutes = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000
