"""What the vendor's gateway said in a file recorded live: errors and warnings become ``health`` rows, the rest is counted.

Source of the codes: ErrorCode and SystemCode of https://github.com/databento/dbn (0.70).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from workstation.feeds.feed import Batch
from workstation.feeds.files.dbn_layout import ERROR, fields_of, texts
from workstation.feeds.files.dbn_rows import END_NS, FIRST_NS, Records, Source
from workstation.market.tables import HEALTH

_ERRORS: Mapping[int, tuple[str, str]] = {
    1: ("refused", "authentication failed"), 2: ("refused", "API key deactivated"), 3: ("refused", "connection limit exceeded"),
    4: ("refused", "symbol not resolved"), 5: ("refused", "invalid subscription"), 6: ("failed", "internal error"),
    7: ("gap", "records skipped after slow reading"), 8: ("gap", "data to replay aged out"),
}  # fmt: skip
_SYSTEM: Mapping[int, str] = {
    0: "heartbeat", 1: "subscription acknowledged", 3: "replay completed", 4: "end of interval", 5: "unsubscription acknowledged",
}  # fmt: skip
SLOW_READER = 2
_UNSET = 255


def messages(source: Source, records: Records, rtype: int) -> Iterator[Batch]:
    """Health rows of errors and of warnings to a slow reader, one per kind with the number of messages; others are counted."""
    codes = records["code"].tolist() if "code" in fields_of(records) else [_UNSET] * len(records)
    said = pd.DataFrame({"code": codes, "text": texts(records["text"]), "event_ns": records["ts_event"]})
    if rtype != ERROR:
        reported = said["code"] == SLOW_READER
        for code, text in zip(said["code"][~reported], said["text"][~reported], strict=True):
            word = _SYSTEM.get(code, "heartbeat" if text == "Heartbeat" else f"code {code}")
            source.rejections.add(f"gateway message without rows: {word}", 1, f"{source.file}: {text}")
        said = said[reported]
    kinds = said.groupby(["code", "text"], sort=False)
    rows = [_row(source, rtype, same) for _, same in kinds]
    if rows:
        yield Batch("health", HEALTH.conform(pd.DataFrame(rows)))


def _row(source: Source, rtype: int, same: pd.DataFrame) -> dict[str, object]:
    code, text = int(same["code"].iloc[0]), str(same["text"].iloc[0])
    if rtype == ERROR:
        event, meaning = _ERRORS.get(code, ("failed", "error" if code == _UNSET else f"error code {code}"))
    else:
        event, meaning = "late", "slow reader, no record lost"
    times = same["event_ns"][(same["event_ns"] >= FIRST_NS) & (same["event_ns"] < END_NS)].astype("int64")
    first, last = (times.min(), times.max()) if len(times) else (0, 0)
    return {
        "event_ns": first,
        "feed": "databento",
        "channel": source.dataset,
        "event": event,
        "start_ns": first,
        "end_ns": last,
        "count": len(same),
        "detail": f"{meaning}: {text}",
    }
