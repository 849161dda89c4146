"""Which row of several counts: the newest of a group, the last written of a key."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from workstation.history.arrow_codec import ORDER, is_keyed, numbers, to_frame
from workstation.market.tables import Table

_GROUPS = {
    "candles": ("instrument", "every_ns", "venue"),
    "quotes": ("instrument", "venue", "exchange"),
    "marks": ("instrument", "venue"),
    "positions": ("instrument", "venue", "account", "position_side", "margin_mode"),
    "pnl": ("instrument", "venue", "account"),
    "balances": ("venue", "account", "currency"),
    "levels": ("underlying", "sign_model", "basis"),
    "exposures": ("underlying", "sign_model", "basis"),
    "cascade": ("underlying", "sign_model", "basis"),
    "surfaces": ("underlying", "expiry_ns"),
    "structures": ("underlying",),
    "frames": ("feed", "channel"),
    "health": ("feed", "channel"),
    "heartbeat": ("feed",),
}
_WHOLE_SNAPSHOT = ("exposures",)


def groups_of(table: Table) -> tuple[str, ...]:
    """Columns of which every combination has one newest state."""
    return _GROUPS.get(table.name, ("instrument",))


def _take(rows: pa.Table, mask: np.ndarray) -> pa.Table:
    return rows if mask.all() else rows.filter(pa.array(mask))


def last_written(table: Table, rows: pa.Table) -> pa.Table:
    """Of rows with one key the one written last; order is kept. Rows of a table without replacement pass."""
    if not is_keyed(table) or rows.num_rows < 2:
        return rows
    order = np.argsort(numbers(rows, ORDER), kind="stable")
    keys = to_frame(table, rows.select(list(table.key)))
    mask = np.zeros(rows.num_rows, dtype=bool)
    mask[order] = ~keys.take(order).duplicated(keep="last").to_numpy()
    return _take(rows, mask)


def newest(table: Table, rows: pa.Table, by: tuple[str, ...]) -> pa.Table:
    """Of time-sorted rows the last of every group, or the whole last snapshot where the table comes in snapshots."""
    if rows.num_rows == 0:
        return rows
    rows = last_written(table, rows)
    groups = to_frame(table, rows.select(list(by)))
    if table.name in _WHOLE_SNAPSHOT:
        event = pd.Series(numbers(rows, "event_ns"))
        last = event.groupby([groups[name] for name in by], observed=True, dropna=False).transform("max")
        return _take(rows, (event == last).to_numpy())
    return _take(rows, ~groups.duplicated(keep="last").to_numpy())
