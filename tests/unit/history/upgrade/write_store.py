"""Write the small store of ``test_upgrade.py``: run at the commit whose format it is to keep, with an empty folder as its argument."""

import sys
from pathlib import Path

import pandas as pd

from workstation.history import open_history
from workstation.market.tables import TABLES

BEGIN = 1_767_225_600_000_000_000


def rows(count: int, first: int) -> pd.DataFrame:
    """Trades a second apart."""
    numbers = range(first, first + count)
    return pd.DataFrame(
        {
            "event_ns": [BEGIN + n * 10**9 for n in numbers],
            "seen_ns": [BEGIN + n * 10**9 + 5 for n in numbers],
            "venue": "deribit",
            "instrument": ["BTC/USD:BTC" if n % 2 else "ETH/USD:ETH" for n in numbers],
            "price": [100.0 + n / 7 for n in numbers],
            "size": [1.0 + n for n in numbers],
            "side": [(-1) ** n for n in numbers],
            "trade_id": [f"t{n}" for n in numbers],
        }
    )


def main() -> None:
    """One part merged into segments, one still in the manifest."""
    history = open_history(Path(sys.argv[1]))
    seq = 1
    for first in (0, 50):
        table = TABLES["trades"]
        history.write("trades", table.numbered(rows(50, first), seq))
        seq += 50
        if first == 0:
            history.roll()
    told = pd.DataFrame(
        {"event_ns": [BEGIN], "feed": "deribit", "event": "gap", "count": 3, "detail": "a hole"}
    )
    history.write("health", TABLES["health"].numbered(told, seq))
    history.close()


if __name__ == "__main__":
    main()
