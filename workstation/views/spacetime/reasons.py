"""Signals and alerts for reading: when, which way, and why, in words."""

from __future__ import annotations

import pandas as pd

from workstation.market.errors import TableError
from workstation.views.spacetime.signal_reasons import SIDES, reasons, words


def reason_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Each signal or alert with its reason.

    Parameters
    ----------
    rows
        Rows of ``reversals`` or of ``alerts``.

    Returns
    -------
    pandas.DataFrame
        On an index ``time`` (UTC): instrument (alerts: underlying), rule, way, strength (alerts: score), and why, in words with the
        thresholds that were passed.

    Raises
    ------
    TableError
        They are rows of another table.

    Examples
    --------
    >>> evidence = '{"ema_fast": 101.5, "ema_slow": 101.2, "choppiness": 40.0, "volume": 50.0, "volume_mean": 20.0}'
    >>> rows = pd.DataFrame({"event_ns": [10**9], "instrument": "X", "version": 4, "side": 1, "strength": 0.5, "evidence": evidence})
    >>> reason_table(rows)[["rule", "way"]].values.tolist()
    [['v4', '▲ up']]
    """
    if {"version", "evidence", "side"} <= set(rows.columns):
        told = [
            words(reasons(int(version), int(side), str(evidence)))
            for version, side, evidence in zip(rows["version"], rows["side"], rows["evidence"], strict=True)
        ]
        columns = {
            "instrument": rows["instrument"].astype("str"), "rule": "v" + rows["version"].astype("str"),
            "way": rows["side"].map(SIDES), "strength": rows["strength"], "why": told,
        }  # fmt: skip
    elif {"kind", "explanation", "score"} <= set(rows.columns):
        columns = {
            "underlying": rows["underlying"].astype("str"), "rule": rows["kind"].astype("str"),
            "way": rows["direction"].map(SIDES), "score": rows["score"], "why": rows["explanation"],
        }  # fmt: skip
    else:
        raise TableError(
            "reversals", "evidence", -1, "neither signals nor alerts: give rows of reversals or of alerts"
        )
    times = pd.DatetimeIndex(rows["event_ns"].to_numpy().astype("datetime64[ns]"), tz="UTC", name="time")
    return pd.DataFrame({name: pd.Series(values).to_numpy() for name, values in columns.items()}, index=times)
