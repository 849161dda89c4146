"""Which rows of the flow tables a choice asks for: masks over columns, the newest rows of them, their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workstation.flow.evidence_ids import evidence_of, packet_ids, trade_ids
from workstation.flow.offexchange import is_off_exchange
from workstation.market.contract_words import CONTRACTS
from workstation.market.instants import DAY_NS
from workstation.market.tables import TradeFlag
from workstation.views.flow.choice import DTE_BOUNDS, FlowChoice
from workstation.views.widgets.row_table import MOST

Mask = npt.NDArray[np.bool_]
BOUGHT, SOLD = ("AA", "A"), ("BB", "B")
RULES = "flow"
"""Alerts of these rule versions are of the flow; walls and large trades have pages of their own."""
RANKS = {"low": 1, "medium": 2, "high": 3}
_BITS = {
    "iso": int(TradeFlag.ISO), "multi": int(TradeFlag.MULTI_LEG | TradeFlag.STOCK_TIED),
    "auction": int(TradeFlag.AUCTION | TradeFlag.CROSS | TradeFlag.FLOOR), "late": int(TradeFlag.LATE | TradeFlag.OUT_OF_SEQUENCE),
}  # fmt: skip


def print_sides(prints: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Side of each print: the venue's where it tells, else where it lies against the NBBO; 0 where it may have none.

    Parameters
    ----------
    prints
        Rows of ``prints``.

    Returns
    -------
    numpy.ndarray
        +1 bought, -1 sold, 0.

    Examples
    --------
    >>> rows = pd.DataFrame({"side": [0, 0, -1], "placement": ["A", "BB", "MID"], "exclusion": ["", "late", ""]})
    >>> print_sides(rows).tolist()
    [1, 0, -1]
    """
    placement = prints["placement"].astype("str").to_numpy()
    told = prints["side"].to_numpy(dtype=np.int8)
    placed = np.isin(placement, BOUGHT).astype(np.int8) - np.isin(placement, SOLD).astype(np.int8)
    sides = np.where(told != 0, told, placed)
    return np.where(prints["exclusion"].astype("str").to_numpy() == "", sides, 0).astype(np.int8)


def cancelled(prints: pd.DataFrame) -> Mask:
    """Cancels, and the prints among these rows that they take back.

    Examples
    --------
    >>> cancelled(pd.DataFrame({"print_number": [7, 8, 9], "cancels": [0, 0, 7]})).tolist()
    [True, False, True]
    """
    cancels = prints["cancels"].to_numpy()
    return (cancels != 0) | np.isin(prints["print_number"].to_numpy(), cancels[cancels > 0])  # type: ignore[no-any-return]


def packet_sides(packets: pd.DataFrame, ratio: float = 0.55) -> npt.NDArray[np.int8]:
    """Side of each packet: the one that has its share of the size, else 0."""
    bought, sold = packets["buy_ratio"].to_numpy() >= ratio, packets["sell_ratio"].to_numpy() >= ratio
    return bought.astype(np.int8) - (sold & ~bought).astype(np.int8)


def days_to_expiry(expiry_ns: npt.ArrayLike, event_ns: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Whole UTC days from the event to the expiry; -1 of what does not expire.

    Examples
    --------
    >>> days_to_expiry([0, DAY_NS * 3 + 5], [0, DAY_NS + 9]).tolist()
    [-1, 2]
    """
    expiry, event = np.asarray(expiry_ns, dtype=np.int64), np.asarray(event_ns, dtype=np.int64)
    return np.where(expiry > 0, expiry // DAY_NS - event // DAY_NS, -1)


def select_prints(prints: pd.DataFrame, choice: FlowChoice, parts: frozenset[str] | None = None) -> Mask:
    """Prints of the tape that is chosen, options or equities, which pass every filter.

    Parameters
    ----------
    prints
        Rows of ``prints``.
    choice
        Its filters; classifier and severity choose prints by ``parts``.
    parts
        ``trade_id`` of the prints of alerts that pass; None: all prints do.
    """
    codes = prints["instrument"].cat.codes.to_numpy()
    option = CONTRACTS.is_option(codes)
    mask = option if choice.tape != "equities" else ~option
    mask = mask & _of_contract(codes, prints["event_ns"].to_numpy(), choice)
    if choice.premium:
        mask &= prints["premium_usd"].to_numpy() >= choice.premium
    if choice.side:
        mask &= print_sides(prints) == {"buy": 1, "sell": -1, "none": 0}[choice.side]
    if choice.condition:
        mask &= _of_condition(prints["flags"].to_numpy(), prints["exclusion"], choice.condition)
    if parts is not None:
        mask &= prints["trade_id"].isin(parts).to_numpy()
    return mask


def select_packets(packets: pd.DataFrame, choice: FlowChoice, parents: frozenset[str] | None = None) -> Mask:
    """The newest revision of each packet that passes every filter; ``parents``: packets of alerts that pass."""
    mask = ~packets["packet_id"].duplicated(keep="last").to_numpy()
    mask &= _of_contract(packets["instrument"].cat.codes.to_numpy(), packets["event_ns"].to_numpy(), choice)
    if choice.premium:
        mask &= packets["premium_usd"].to_numpy() >= choice.premium
    if choice.side:
        mask &= packet_sides(packets) == {"buy": 1, "sell": -1, "none": 0}[choice.side]
    if choice.condition:
        excluded = np.where(packets["directional"].to_numpy() > 0, "", "excluded")
        mask &= _of_condition(packets["flags"].to_numpy(), pd.Series(excluded), choice.condition)
    if parents is not None:
        mask &= packets["packet_id"].isin(parents).to_numpy()
    return mask


def select_alerts(alerts: pd.DataFrame, choice: FlowChoice) -> Mask:
    """The newest row of each alert of the flow's rules that passes the filters; those that were taken back stay, marked."""
    mask = ~alerts["alert_id"].duplicated(keep="last").to_numpy()
    mask &= alerts["rule_version"].astype("str").str.startswith(RULES).to_numpy()
    codes = alerts["instrument"].cat.codes.to_numpy()
    mask &= _of_contract(codes, alerts["event_ns"].to_numpy(), choice)
    if choice.premium:
        mask &= alerts["premium_usd"].to_numpy() >= choice.premium
    if choice.side:
        mask &= alerts["direction"].to_numpy() == {"buy": 1, "sell": -1, "none": 0}[choice.side]
    if choice.classifier:
        mask &= alerts["kind"].astype("str").to_numpy() == choice.classifier
    if choice.severity:
        ranks = alerts["severity"].astype("str").map(RANKS).fillna(0).to_numpy()
        mask &= ranks >= RANKS[choice.severity]
    return mask


def members(alerts: pd.DataFrame, choice: FlowChoice) -> tuple[frozenset[str], frozenset[str]] | None:
    """Packets and prints of the alerts that a classifier or a severity chooses; None: neither is chosen."""
    if not choice.classifier and not choice.severity:
        return None
    chosen = alerts[select_alerts(alerts, choice)]
    packets: set[str] = set()
    prints: set[str] = set()
    for text in chosen["evidence"].tolist():
        ids = evidence_of(text).get("ids", {})
        packets.update(packet_ids(ids))
        prints.update(trade_ids(ids))
    return frozenset(packets), frozenset(prints)


def newest(mask: Mask, most: int = MOST) -> npt.NDArray[np.intp]:
    """Places of the rows a mask chooses, the newest first, at most so many.

    Examples
    --------
    >>> newest(np.array([True, False, True, True]), most=2).tolist()
    [3, 2]
    """
    return np.flatnonzero(mask)[: -most - 1 : -1]


def ordered(rows: pd.DataFrame, by: str, descending: bool) -> pd.DataFrame:
    """Rows sorted by a column, equal ones as they were, missing values last; no column: as they are.

    Examples
    --------
    >>> ordered(pd.DataFrame({"a": [1.0, np.nan, 3.0]}), "a", True)["a"].tolist()
    [3.0, 1.0, nan]
    """
    if not by:
        return rows
    return rows.sort_values(by, ascending=not descending, kind="stable", na_position="last")


def off_exchange(prints: pd.DataFrame) -> Mask:
    """Prints of a trade reporting facility, by their exchange."""
    exchange = prints["exchange"]
    names = exchange.cat.categories if isinstance(exchange.dtype, pd.CategoricalDtype) else exchange.unique()
    outside = [name for name in names if is_off_exchange(str(name))]
    return exchange.isin(outside).to_numpy()


def _of_contract(codes: np.ndarray, event_ns: np.ndarray, choice: FlowChoice) -> Mask:
    mask = np.ones(len(codes), dtype=bool)
    if choice.ticker:
        mask &= CONTRACTS.underlyings(codes) == choice.ticker
    if choice.dte:
        low, high = DTE_BOUNDS[choice.dte]
        days = days_to_expiry(CONTRACTS.expiries(codes), event_ns)
        mask &= (days >= low) & (days <= high)
    return mask


def _of_condition(flags: np.ndarray, exclusion: Any, condition: str) -> Mask:
    if condition in _BITS:
        return (flags & _BITS[condition]) != 0  # type: ignore[no-any-return]
    words = np.asarray(exclusion.astype("str"))
    return words == "" if condition == "plain" else np.isin(words, ("cancel", "unknown cancel"))
