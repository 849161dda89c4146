"""What the tests of the file readers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from workstation.feeds.files import Rejections, read


def rows(format_name: str, path: Path, **options: Any) -> tuple[dict[str, pd.DataFrame], Rejections]:
    """All rows of a file by table, and what was set aside."""
    rejections, tables = Rejections(), dict[str, list[pd.DataFrame]]()
    for name, frame in read(format_name, path, rejections, **options):
        tables.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items()}, rejections


def mapped(
    folder: Path, mapping: str, content: str | pd.DataFrame | Any, name: str = ""
) -> tuple[pd.DataFrame, Rejections]:
    """Rows that a mapping makes of a text, a frame (as Parquet) or an Arrow table (as Parquet)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "m.yaml").write_text(mapping)
    if isinstance(content, str):
        path = folder / (name or "t.csv")
        path.write_text(content)
    else:
        path = folder / (name or "t.parquet")
        table = content if isinstance(content, pa.Table) else pa.Table.from_pandas(content)
        pq.write_table(table, path)
    tables, rejections = rows("table", path, mapping=str(folder / "m.yaml"))
    return next(iter(tables.values()), pd.DataFrame()), rejections


def utc(times: pd.Series[Any]) -> list[str]:
    """Nanoseconds as UTC text without needless digits."""
    return [pd.Timestamp(ns).isoformat() for ns in times.tolist()]
