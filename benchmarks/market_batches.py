"""What a batch costs at the edge: conform and concat beside pandas' own constructor and concat, in one run.

Run: ``python benchmarks/market_batches.py``
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import numpy as np
import pandas as pd

from workstation.market.instrument_terms import InstrumentTerms
from workstation.market.instruments import InstrumentRegistry
from workstation.market.tables import TRADES

ROWS = 1_000


def microseconds(work: Callable[[], object]) -> float:
    """Best of five, per call."""
    work()
    return min(timeit.repeat(work, number=300, repeat=5)) / 300 * 1e6


def main() -> None:
    """Print the table."""
    registry = InstrumentRegistry()
    terms = InstrumentTerms(registry)
    names = [
        f"BTC/USD:BTC-26{month:02d}25-{strike}000-{right}"
        for month in range(1, 13)
        for strike in range(20, 105)
        for right in "CP"
    ]
    codes = np.random.default_rng(1).integers(0, len(names), ROWS).astype(np.int32)
    registry.codes(names)
    hand = pd.DataFrame(
        {
            "event_ns": np.arange(ROWS),
            "instrument": registry.categorical(codes),
            "price": np.ones(ROWS),
            "size": np.ones(ROWS),
        }
    )
    worded = hand.assign(instrument=np.array(names, dtype=object)[codes])
    done = TRADES.conform(hand, registry)
    columns = {name: done[name].array for name in done.columns}
    made = microseconds(lambda: pd.DataFrame(columns, copy=False))
    joined = microseconds(lambda: pd.concat([done, done], ignore_index=True))
    rows = [
        ("pandas.DataFrame of ready columns", made, made),
        ("conform, four columns brought", microseconds(lambda: TRADES.conform(hand, registry)), made),
        ("conform, instruments as words", microseconds(lambda: TRADES.conform(worded, registry)), made),
        ("conform, already conformed", microseconds(lambda: TRADES.conform(done, registry)), made),
        ("pandas.concat of two", joined, joined),
        ("Table.concat of two", microseconds(lambda: TRADES.concat([done, done], registry)), joined),
        ("describe, 2 040 names", microseconds(lambda: terms.describe(names)), made),
    ]
    print(f"{'per call, ' + str(ROWS) + ' rows':36}{'us':>9}{'ratio':>8}")
    for label, cost, peer in rows:
        print(f"{label:36}{cost:9.1f}{cost / peer:8.2f}")


if __name__ == "__main__":
    main()
