"""The taker's side of prints by a named stack of rules; the first that answers wins, and ``side_source`` names it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workstation.flow.nbbo import NbboPlacement
from workstation.flow.nbbo import prints as placed_prints
from workstation.flow.side_rules import RULES, rule_codes
from workstation.market.engine import conformed
from workstation.market.tables import TRADES

Sides = NbboPlacement
"""The engine: sides are given where prints are placed (``rules`` of ``NbboParameters``)."""


def sides(
    trades: pd.DataFrame, quotes: pd.DataFrame, rules: Sequence[str] = ("quote", "tick"), max_age_ms: float = 1000.0
) -> pd.DataFrame:  # fmt: skip
    """Trades with ``side`` (+1 taker buy, -1 taker sale, 0 no rule answered) and ``side_source``.

    Parameters
    ----------
    trades, quotes
        Rows of those tables, as ``flow.nbbo.prints`` takes them. The side that a venue prints counts only where ``rules`` name
        ``venue``, so that the others can be held against it.
    rules
        Of venue, quote, tick, lee_ready, emo, clnv, depth, trade_size and reverse_tick, in the order in which they are asked;
        ``reverse_tick`` looks at the instrument's next price and comes last.
    max_age_ms
        Of the quotes.

    Returns
    -------
    pandas.DataFrame
        Rows of ``prints``.

    Raises
    ------
    ValueError
        No such rule.

    Examples
    --------
    >>> from workstation.market.tables import QUOTES
    >>> trades = pd.DataFrame({"event_ns": [1, 2, 3], "instrument": "AAPL", "price": [10.0, 10.1, 10.1], "size": 1.0})
    >>> sides(trades, QUOTES.empty(), rules=("quote", "tick"))[["side", "side_source"]].values.tolist()
    [[0, ''], [1, 'tick'], [1, 'tick']]
    """
    rule_codes(rules, ahead=True)
    ahead = "reverse_tick" in rules
    if ahead and rules[-1] != "reverse_tick":
        raise ValueError("reverse_tick looks ahead and is asked last; put it at the end of rules")
    known = tuple(rule for rule in rules if rule != "reverse_tick")
    found = placed_prints(conformed(TRADES, trades), quotes, max_age_ms=max_age_ms, rules=known or ("venue",))
    if not known:
        found = found.assign(side=np.zeros(len(found), dtype=np.int8), side_source="")
    return _with_next_price(found) if ahead else found


def _with_next_price(prints: pd.DataFrame) -> pd.DataFrame:
    """Prints without a side get the opposite of the instrument's next change of price."""
    price = prints["price"].to_numpy()
    later = prints.groupby(prints["instrument"].cat.codes)["price"].shift(-1).to_numpy()
    side = prints["side"].to_numpy().copy()
    told = (side == 0) & (later != price) & ~np.isnan(later) & (prints["exclusion"] == "").to_numpy()
    side[told] = np.sign(price - later)[told]
    sources = np.where(told, "reverse_tick", prints["side_source"].astype("str"))
    return prints.assign(side=side, side_source=pd.Categorical(sources, categories=["", *RULES]))
