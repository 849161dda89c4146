"""How well flow is read: a synthetic US options day with its truth, recorded equity prints, and sides against venues that publish them.

    python benchmarks/flow_accuracy.py [--minutes 30] [--parents-per-minute 6] [--data FOLDER]

Six parents a minute and name measure the classifiers; 0.1, some forty a session, what a desk would see of alerts.
FOLDER is that of the recorded market data (``WORKSTATION_SAMPLE_DATA``); without it only the synthetic day is read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from pathlib import Path

import pandas as pd

from workstation.feeds.files import Rejections, read
from workstation.feeds.synthetic.options_day import options_day
from workstation.flow.nbbo import prints
from workstation.flow.offexchange import OffExchange, reasons
from workstation.market.tables import QUOTES, TRADES
from workstation.research.flow_accuracy import flow_accuracy, placement_counts, side_accuracy

MINUTES_OF_A_DAY = 390


def synthetic(minutes: float, parents_per_minute: float) -> None:
    """Precision and recall, alerts a day and name, sides by rule and bucket."""
    names = ("SPY", "NVDA")
    day = options_day(minutes=minutes, names=names, parents_per_minute=parents_per_minute)
    placed = prints(day.tables["trades"], day.tables["quotes"], day.tables["marks"])
    found = flow_accuracy(placed, day.truth["prints"], day.truth["parents"])
    parents = len(day.truth["parents"])
    print(f"synthetic day of {minutes:g} minutes: {len(placed):,} prints, {parents} parents")
    print(found.round(3).to_string(index=False))
    told, days = found.attrs, len(names) * minutes / MINUTES_OF_A_DAY
    print(
        f"a day and name: {parents / days:,.0f} parents, {told['alerts'] / days:,.0f} alerts, of which "
        f"{(told['alerts'] - told['alerts_of_parents']) / days:,.0f} of no parent; {told['parents_alerted'] / max(parents, 1):.0%} of parents "
        f"alerted; share of hits that abstain {told['abstained']:.3f}"
    )
    options = ~day.tables["trades"]["instrument"].astype("str").isin(names).to_numpy()
    trades = day.tables["trades"][options].reset_index(drop=True)
    truth = trades["trade_id"].map(day.truth["prints"].set_index("trade_id")["side"]).fillna(0)
    print(side_accuracy(trades, day.tables["quotes"], truth).round(3).to_string(index=False))


def equities(folder: Path) -> None:
    """Placement and off-exchange results of recorded equity prints, with the share left out and why."""
    root = folder / "equities_prints" / "lean" / "equity" / "usa" / "tick"
    for name, day in (("aig", "20131008"), ("ibm", "20131008"), ("bac", "20131008")):
        trades = _read("lean", root / name / f"{day}_trade.zip", "trades")
        quotes = _read("lean", root / name / f"{day}_quote.zip", "quotes")
        _report(f"{name.upper()} {day}", trades, quotes)


def _read(kind: str, path: Path, table: str) -> pd.DataFrame:
    batches = [batch.frame for batch in read(kind, path, Rejections()) if batch.table == table]
    return (TRADES if table == "trades" else QUOTES).concat(batches)


def _report(title: str, trades: pd.DataFrame, quotes: pd.DataFrame) -> None:
    placed = prints(trades, quotes)
    print(f"{title}: {len(placed):,} prints against {len(quotes):,} quotes")
    print(placement_counts(placed).round(4).to_string(index=False))
    why = reasons(placed)
    counts = pd.Series(why.astype(str)).replace("", "may be inferred from").value_counts()
    print("  off exchange: " + ", ".join(f"{reason} {count:,}" for reason, count in counts.items()))
    events = OffExchange().update(placed)
    print(
        "  events: "
        + (", ".join(f"{kind} {count}" for kind, count in events["kind"].value_counts().items()) or "none")
    )


def calibration(folder: Path) -> None:
    """Sides by rule against the taker side that a venue publishes, beside the published shares for options."""
    for path in sorted((folder / "ticks" / "binance_raw_ws").glob("*.gz")):
        trades, quotes = _binance(path)
        print(
            f"{path.stem}: {len(trades):,} trades, {len(quotes):,} quotes; taker side hidden, then held against"
        )
        truth = trades["side"].to_numpy()
        print(side_accuracy(trades, quotes, truth).round(3).to_string(index=False))


def _binance(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trades and best quotes of a capture of Binance's raw socket, numbered in order of arrival."""
    trades, quotes = [], []
    with gzip.open(path, "rt") as lines:
        for seq, line in enumerate(lines, start=1):
            seen, _, text = line.partition(" ")
            told = json.loads(text)
            data = told.get("data", {})
            at = {"seq": seq, "event_ns": int(seen), "instrument": "BTC/USDT"}
            if told.get("stream", "").endswith(("@trade", "@aggTrade")):
                trades.append(
                    at | {"price": float(data["p"]), "size": float(data["q"]), "side": -1 if data["m"] else 1, "side_source": "venue"}
                )  # fmt: skip
            elif told.get("stream", "").endswith("@bookTicker"):
                sizes = {"bid_size": float(data["B"]), "ask_size": float(data["A"])}
                quotes.append(at | {"bid": float(data["b"]), "ask": float(data["a"])} | sizes)
    return TRADES.conform(pd.DataFrame(trades)), QUOTES.conform(pd.DataFrame(quotes))


def main() -> None:
    """Run what there is data for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--parents-per-minute", type=float, default=6.0)
    parser.add_argument("--data", default=os.environ.get("WORKSTATION_SAMPLE_DATA", ""))
    given = parser.parse_args()
    synthetic(given.minutes, given.parents_per_minute)
    if given.data:
        equities(Path(given.data))
        calibration(Path(given.data))


if __name__ == "__main__":
    main()
