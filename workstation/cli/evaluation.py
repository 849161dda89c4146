"""Commands of research: what recorded signals were worth, and whether a replay gives the rows that were recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column
from rich.table import Table as RichTable

from workstation.cli.answers import answered, console, digest_column, settings_of
from workstation.cli.options import HistoryOption
from workstation.market.engine import Engine
from workstation.market.errors import WorkstationError, unknown_name

PRICE_COLUMNS = {
    "trades": ["event_ns", "instrument", "price", "flags"],
    "quotes": ["event_ns", "instrument", "bid", "ask"],
    "candles": ["event_ns", "instrument", "every_ns", "close", "closed"],
}
"""Tables that hold prices, and the columns that are read of them."""
_FIGURES = (
    ("measured", "{:,.0f}"), ("effective", "{:,.1f}"), ("hit_rate", "{:.1%}"), ("hit_low", "{:.1%}"), ("hit_high", "{:.1%}"),
    ("baseline_hit_rate", "{:.1%}"), ("mean_bps", "{:+.2f}"), ("mean_low", "{:+.2f}"), ("mean_high", "{:+.2f}"), ("p_adjusted", "{:.3f}"),
)  # fmt: skip


@answered
def evaluate(
    table: Annotated[
        str, typer.Argument(help="Derived table with a side: reversals, spikes, hits, alerts, ...")
    ],
    history: HistoryOption = "",
    start: Annotated[str, typer.Option("--from", help="Begin, UTC; default: all there is.")] = "",
    end: Annotated[str, typer.Option("--to", help="End (not included), UTC.")] = "",
    prices: Annotated[str, typer.Option(help="Table of the prices: trades, quotes or candles.")] = "trades",
    horizons: Annotated[
        str, typer.Option(help="Lengths of time, separated by commas.")
    ] = "1min,5min,15min,60min",
    by: Annotated[str, typer.Option(help="Column of the rule; default: classifier, version or kind.")] = "",
    score: Annotated[
        str, typer.Option(help="Column of the score; default: score, confidence, strength or height_sd.")
    ] = "",
    calendar: Annotated[str, typer.Option(help="Sessions, as XNYS or 24/7; default: by the symbol.")] = "",
    cost_bps: Annotated[float, typer.Option(help="Cost of entering and leaving.")] = 0.0,
    draws: Annotated[int, typer.Option(help="Times over which random times are drawn.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the random times.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write the report to this HTML file.")] = None,
) -> None:
    """Say what recorded signals were worth: hit rates, returns, random times, false alarms."""
    from workstation.research.evaluate import evaluate as evaluate_rows
    from workstation.research.evaluation.report import Report

    lengths = [one.strip() for one in horizons.split(",") if one.strip()]
    rows, paths = _recorded(
        history or settings_of().history, table, prices, lengths, start or None, end or None
    )
    made = evaluate_rows(
        rows, paths, lengths, by=by or None, score=score or None, calendar=calendar, cost_bps=cost_bps, draws=draws, seed=seed
    )  # fmt: skip
    console.print(_figures(made, table))
    if report is not None:
        console.print(
            f"Written: {Report(made, table.capitalize()).save(report)}", highlight=False, soft_wrap=True
        )


def _recorded(url: str, table: str, prices: str, lengths: list[str], start: Any, end: Any) -> tuple[Any, Any]:
    """Signals of a store, and the prices that judge them up to the last horizon."""
    from workstation.history import open_history
    from workstation.history.history import to_ns
    from workstation.market.tables import TABLES
    from workstation.research.evaluation.forward_returns import read_horizons

    if prices not in PRICE_COLUMNS:
        raise WorkstationError(unknown_name("table of prices", prices, PRICE_COLUMNS))
    if table not in TABLES:
        raise WorkstationError(
            unknown_name("table", table, [name for name, one in TABLES.items() if not one.raw])
        )
    until = to_ns(end)
    if until is not None:
        until += max(read_horizons(lengths, True).lengths_ns)
    with open_history(url, mode="r", upkeep=False) as held:
        rows = held.read(table, start, end)
        priced = held.read(prices, start, until, columns=PRICE_COLUMNS[prices])
    if prices == "candles" and len(priced):
        priced = priced[priced["every_ns"] == priced["every_ns"].min()]
    for name, frame in ((table, rows), (prices, priced)):
        if not len(frame):
            raise WorkstationError(
                f"{url} holds no row of {name} in this stretch; see workstation history tables"
            )
    return rows, priced


def _figures(made: Any, title: str) -> RichTable:
    table = RichTable(
        Column("rule", no_wrap=True),
        Column("horizon", no_wrap=True),
        *(name.replace("_", " ") for name, _ in _FIGURES),
        title=f"Evaluation of {title}",
    )
    for group in made["group"].values:
        for horizon in made["horizon"].values:
            one = made.sel(group=group, horizon=horizon)
            values = [(float(one[name]), form) for name, form in _FIGURES]
            table.add_row(
                str(group),
                str(horizon),
                *(form.format(value) if value == value else "-" for value, form in values),
            )
    return table


def print_comparison(engines: list[Engine], url: str, start: str, end: str) -> None:
    """Print each derived table of a replay through fresh engines beside the recorded one; ends with 1 when one differs."""
    from workstation.history import open_history
    from workstation.research.comparison import comparison

    with open_history(url, mode="r", upkeep=False) as history:
        tables = comparison(history, start, end, engines)
    shown = RichTable(
        "table",
        "recorded",
        "replayed",
        digest_column("recorded digest"),
        digest_column("replayed digest"),
        "",
        title=f"Replay of {start} to {end} against what was recorded",
    )
    for one in tables:
        shown.add_row(
            one.table, f"{one.recorded_rows:,}", f"{one.replayed_rows:,}", one.recorded_digest[:16], one.replayed_digest[:16],
            "[green]equal[/]" if one.equal else "[bold red]differs[/]",
        )  # fmt: skip
    console.print(shown)
    different = [one for one in tables if not one.equal]
    for one in different:
        console.print(f"[bold red]{one.table}[/]: {one.difference}", highlight=False, soft_wrap=True)
    if not tables:
        console.print("Neither the recording nor the replay has a derived row in this stretch.")
    elif not different:
        console.print("Every derived table is as it was recorded.")
    if different:
        raise typer.Exit(1)
