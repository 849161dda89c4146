"""How many coins an option contract of a crypto venue is: a shipped table with its source; what it does not know is NaN."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd


class _Size(NamedTuple):
    coins: float
    from_ns: int
    until_ns: int


@lru_cache(maxsize=1)
def _sizes() -> dict[tuple[str, str], list[_Size]]:
    text = files("workstation.market").joinpath("data", "crypto_contract_sizes.json").read_text("utf-8")
    found: dict[tuple[str, str], list[_Size]] = {}
    for row in json.loads(text)["options"]:
        size = _Size(row["coins"], _ns(row["from"], -(2**63)), _ns(row["until"], 2**63 - 1))
        found.setdefault((row["venue"], row["underlying"]), []).append(size)
    return found


def _ns(text: str, otherwise: int) -> int:
    return pd.Timestamp(text).value if text else otherwise


def coins_per_contract(venue: str, underlying: str, at_ns: Any) -> npt.NDArray[np.float64]:
    """Coins per option contract at each time, NaN where the table does not know it.

    Parameters
    ----------
    venue, underlying
        ``okx``, ``BTC``.
    at_ns
        UTC nanoseconds (n,): a venue changes its contracts.

    Examples
    --------
    >>> at = [pd.Timestamp(day).value for day in ("2021-06-01", "2022-05-01", "2026-01-01")]
    >>> coins_per_contract("okx", "BTC", at).tolist()
    [0.1, nan, 0.01]
    """
    at = np.asarray(at_ns, dtype=np.int64)
    coins = np.full(at.shape, np.nan)
    known = _sizes()
    for size in known.get((venue, underlying)) or known.get((venue, "*"), []):
        coins[(at >= size.from_ns) & (at < size.until_ns)] = size.coins
    return coins
