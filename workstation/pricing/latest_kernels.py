"""Kernels of the newest known state: rows of fields into arrays by slot, where they are not older than what is known."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True)
def absorb(
    event_ns: Any,
    codes: Any,
    published_ns: Any,
    rows: Any,
    edges: Any,
    open_interest: int,
    values: Any,
    times: Any,
    published: Any,
    seen: Any,
) -> None:
    """Newest values of each group of fields by slot; ``open_interest``: the group whose publication time is kept too."""
    for group in range(edges.size - 1):
        for i in range(codes.size):
            code = codes[i]
            if code < 0 or event_ns[i] < times[group, code]:
                continue
            known = False
            for field in range(edges[group], edges[group + 1]):
                known |= not np.isnan(rows[field, i])
            if known:
                seen[code] = True
                times[group, code] = event_ns[i]
                for field in range(edges[group], edges[group + 1]):
                    values[field, code] = rows[field, i]
                if group == open_interest:
                    published[code] = published_ns[i]


@numba.njit(cache=True)
def absorb_quotes(
    event_ns: Any, slots: Any, sources: Any, rows: Any, values: Any, times: Any, source: Any, seen: Any
) -> None:
    """Newest quotes, rows of fields by slot; of one exchange only until a consolidated one (source 1) comes."""
    for i in range(slots.size):
        slot = slots[i]
        beside = sources[i] != 1 and source[slot] != 0 and source[slot] != sources[i]
        better = sources[i] == 1 and source[slot] > 1
        if beside or (event_ns[i] < times[slot] and not better):
            continue
        source[slot] = sources[i]
        seen[slot] = True
        times[slot] = event_ns[i]
        values[:, slot] = np.nan
        for field in range(rows.shape[0]):
            values[field, slot] = rows[field, i]
