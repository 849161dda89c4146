"""The command of a fleet: the same replay and evaluation of every day of a range."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as RichTable

from workstation.cli.answers import answered, console, digest_column, settings_of
from workstation.cli.options import HistoryOption


@answered
def fleet(
    start: Annotated[str, typer.Option("--from", help="Begin, UTC.")],
    end: Annotated[str, typer.Option("--to", help="End (not included), UTC.")],
    results: Annotated[Path, typer.Option(help="Folder of the results; what is there is not made again.")],
    history: HistoryOption = "",
    signals: Annotated[str, typer.Option(help="Derived table that is evaluated.")] = "reversals",
    prices: Annotated[str, typer.Option(help="Table of the prices: trades or quotes.")] = "trades",
    instrument: Annotated[
        list[str] | None,
        typer.Option(help="An item per instrument; may be given more than once. Default: all at once."),
    ] = None,
    horizons: Annotated[
        str, typer.Option(help="Lengths of time, separated by commas.")
    ] = "1min,5min,15min,60min",
    scheduler: Annotated[
        str,
        typer.Option(
            help="threads, local, or the address of a Dask scheduler, tcp://host:port; default: one core."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(help="Of threads and local.")] = 2,
    memory: Annotated[str, typer.Option(help="Of a local worker.")] = "2GiB",
) -> None:
    """Replay and evaluate every UTC day of a range, on one core or on Dask; ends with 1 when a day failed.

    Stopped midway, start it again: days that are done are not made again.
    """
    from workstation.research import fleet as fleets

    settings = settings_of()
    carry = settings.engine_parameters().carry
    known = {name: value for name, value in vars(carry).items() if value}
    made = fleets.run(
        history or settings.history, fleets.days(start, end), results, instruments=instrument or (None,), parameters=[known], signals=signals,
        prices=prices, horizons=[one.strip() for one in horizons.split(",") if one.strip()], scheduler=scheduler, workers=workers,
        memory=memory,
    )  # fmt: skip
    shown = RichTable(
        "start",
        "end",
        "instruments",
        signals,
        digest_column("digest"),
        "seconds",
        "",
        title=f"Fleet of {len(made.frame)} items",
    )
    for row in made.frame.to_dict("records"):
        shown.add_row(
            f"{row['start']:%Y-%m-%d %H:%M}", f"{row['end']:%Y-%m-%d %H:%M}", row["instruments"] or "all", f"{row['rows']:,}",
            row["digest"][:16], f"{row['seconds']:.1f}", "[green]done[/]" if not row["error"] else "[bold red]failed[/]",
        )  # fmt: skip
    console.print(shown)
    for row in made.frame.to_dict("records"):
        if row["error"]:
            console.print(
                f"[bold red]{row['start']:%Y-%m-%d}[/]: {row['error']}", highlight=False, soft_wrap=True
            )
    if made.failures:
        raise typer.Exit(1)
