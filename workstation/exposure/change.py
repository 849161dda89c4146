"""Change of net gex against earlier snapshots."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
import pandas as pd

from workstation.market.instants import MINUTE_NS
from workstation.market.public_face import make_callable
from workstation.market.tables import EXPOSURES
from workstation.pricing.contracts import Floats

MINUTES: tuple[int, ...] = (1, 5, 10, 15, 30)


class Change(NamedTuple):
    """Net gex now less then (USD per 1 % move), the strike whose gex changed most, when then was, and why there is none."""

    net_gex: float
    strike: float
    since_ns: int | None
    reason: str = ""


def unknown(reason: str) -> Change:
    """No change, and why."""
    return Change(float("nan"), float("nan"), None, reason)


def most_changed_strike(*, now: tuple[Floats, Floats], then: tuple[Floats, Floats], spot: float) -> float:
    """The strike with the largest change in size, each snapshot as (strikes ascending, gex).

    A strike that one snapshot lacks counts as zero there; one whose gex is unknown is passed over. Of equals the nearer to ``spot``, then the lower; NaN when nothing changed.
    """
    return float(_most_changed(*now, *then, spot))


@numba.njit(cache=True)
def _most_changed(strikes: Any, gex: Any, strikes_then: Any, gex_then: Any, spot: float) -> float:
    largest, found = 0.0, np.nan
    i = j = 0
    while i < strikes.size or j < strikes_then.size:
        newer = i < strikes.size and (j == strikes_then.size or strikes[i] <= strikes_then[j])
        older = j < strikes_then.size and (i == strikes.size or strikes_then[j] <= strikes[i])
        strike = strikes[i] if newer else strikes_then[j]
        size = abs((gex[i] if newer else 0.0) - (gex_then[j] if older else 0.0))
        if size > largest or (size == largest and size > 0.0 and abs(strike - spot) < abs(found - spot)):
            largest, found = size, strike
        i += newer
        j += older
    return found


class GexHistory:
    """Snapshots of one underlying's gex by strike, as far back as the longest change needs."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._kept: list[tuple[float, Floats, Floats]] = []

    def add(self, asof_ns: int, net_gex: float, strikes: Floats, gex: Floats) -> None:
        """Remember a snapshot; times must not go back. One without a net gex is not kept."""
        if np.isnan(net_gex):
            return
        self._times.append(asof_ns)
        self._kept.append((net_gex, strikes, gex))
        beyond = bisect_right(self._times, asof_ns - MINUTES[-1] * MINUTE_NS) - 1
        if beyond > 0:
            del self._times[:beyond], self._kept[:beyond]

    def changes(
        self, *, asof_ns: int, net_gex: float, strikes: Floats, gex: Floats, spot: float = float("nan")
    ) -> list[Change]:
        """Change over each m of ``MINUTES``, against the latest snapshot at or before m minutes ago.

        There is none where net gex is unknown now, no snapshot is that old, or the latest that is lies more than 2 m
        minutes back: a change over one minute never spans hours.
        """
        found = []
        for minutes in MINUTES:
            at = bisect_right(self._times, asof_ns - minutes * MINUTE_NS) - 1
            if reason := self._reason(at, minutes, asof_ns, net_gex):
                found.append(unknown(reason))
                continue
            net_then, strikes_then, gex_then = self._kept[at]
            strike = most_changed_strike(now=(strikes, gex), then=(strikes_then, gex_then), spot=spot)
            found.append(Change(net_gex - net_then, strike, self._times[at]))
        return found

    def _reason(self, at: int, minutes: int, asof_ns: int, net_gex: float) -> str:
        if np.isnan(net_gex):
            return "net gex is not known"
        if at < 0:
            return f"no snapshot is {minutes} min old"
        age_ns = asof_ns - self._times[at]
        if age_ns > 2 * minutes * MINUTE_NS:
            return f"the latest snapshot {minutes} min ago or before is {age_ns / MINUTE_NS:.1f} min old"
        return ""

    def snapshot(self) -> dict[str, Any]:
        """The snapshots kept."""
        return {
            "times": list(self._times),
            "net_gex": [net for net, _, _ in self._kept],
            "strikes": [strikes.copy() for _, strikes, _ in self._kept],
            "gex": [gex.copy() for _, _, gex in self._kept],
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> GexHistory:
        """A history from its ``snapshot()``."""
        history = cls()
        history._times = list(state["times"])
        history._kept = [
            (float(net), np.asarray(strikes), np.asarray(gex))
            for net, strikes, gex in zip(state["net_gex"], state["strikes"], state["gex"], strict=True)
        ]
        return history


def change(exposures: pd.DataFrame, asof_ns: int | None = None) -> pd.DataFrame:
    """Change of net gex in the newest snapshot of each underlying, sign model and basis.

    Parameters
    ----------
    exposures
        Rows of the ``exposures`` table, any number of snapshots.
    asof_ns
        Snapshots after this instant are left out; default: none are.

    Returns
    -------
    pandas.DataFrame
        One row per underlying, sign model and basis: event_ns, net_gex, change_{m}m and change_strike_{m}m for m
        in ``MINUTES``: now less the latest snapshot at or before m minutes ago; NaN when there is none or it is older than
        2 m minutes, and ``change_reason_{m}m`` says which.

    Examples
    --------
    >>> rows = pd.DataFrame({"event_ns": [0, 0, 60 * 10**9], "underlying": "BTC", "strike": [1.0, 2.0, 2.0],
    ...                      "gex": [5.0, 1.0, 3.0]})
    >>> change(rows)[["net_gex", "change_1m", "change_strike_1m", "change_5m"]].values.tolist()
    [[3.0, -3.0, 1.0, nan]]
    """
    rows = EXPOSURES.conform(exposures)
    if asof_ns is not None:
        rows = rows[rows["event_ns"] <= asof_ns]
    found = []
    keys = ["underlying", "sign_model", "basis"]
    for key, group in rows.groupby(keys, observed=True, sort=True):
        history = GexHistory()
        for asof, net, strikes, gex in _snapshots(group):
            history.add(asof, net, strikes, gex)
        row = {**dict(zip(keys, key, strict=True)), "event_ns": asof, "net_gex": net}
        moves = history.changes(asof_ns=asof, net_gex=net, strikes=strikes, gex=gex)
        for minutes, moved in zip(MINUTES, moves, strict=True):
            row[f"change_{minutes}m"], row[f"change_strike_{minutes}m"] = moved.net_gex, moved.strike
            row[f"change_reason_{minutes}m"] = moved.reason
        found.append(row)
    names = [f"change{part}_{m}m" for m in MINUTES for part in ("", "_strike", "_reason")]
    return pd.DataFrame(found, columns=[*keys, "event_ns", "net_gex", *names])


def _snapshots(rows: pd.DataFrame) -> Iterator[tuple[int, float, Floats, Floats]]:
    """Instant, net gex, strikes ascending and gex by strike of each snapshot, in order of time."""
    by_strike = rows.groupby(["event_ns", "strike"], sort=True)["gex"].sum(min_count=1)
    event_ns = by_strike.index.get_level_values("event_ns").to_numpy(dtype=np.int64)
    strike = by_strike.index.get_level_values("strike").to_numpy(dtype=np.float64)
    gex = by_strike.to_numpy(dtype=np.float64)
    edges = [0, *(np.flatnonzero(np.diff(event_ns)) + 1), len(gex)]
    for start, stop in pairwise(edges):
        part = gex[start:stop]
        known = part[~np.isnan(part)]
        net = float(known.sum()) if known.size else float("nan")
        yield int(event_ns[start]), net, strike[start:stop], part


make_callable(__name__)
