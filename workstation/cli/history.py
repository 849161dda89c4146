"""Commands on a store: what it holds, what is wrong with it, repair, merging, forgetting, and a copy of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from workstation.cli.answers import answered, console, digest_column, fail, settings_of
from workstation.market.errors import HistoryError, WorkstationError
from workstation.market.instants import DAY_S

history_app = typer.Typer(
    help="Look at the history, repair it, merge, forget and copy.", no_args_is_help=True
)

StoreArgument = Annotated[
    str, typer.Argument(metavar="[STORE]", help="A path or an embedded:// URL. Default: the settings'.")
]


def _url(store: str) -> str:
    return store or settings_of().history


def _print(frame: pd.DataFrame, title: str) -> None:
    table = RichTable(*frame.columns, title=title)
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    console.print(table)


def _print_problems(problems: pd.DataFrame) -> None:
    if problems.empty:
        console.print("Nothing is damaged or missing.")
        return
    for row in problems.itertuples(index=False):
        console.print(
            f"[bold red]{row.channel}[/] ({row.count:,} rows) {row.detail}", highlight=False, soft_wrap=True
        )
    raise typer.Exit(1)


def _open(store: str, mode: str) -> Any:
    from workstation.history import folder_of, open_history

    url = _url(store)
    return open_history(url, upkeep=False, mode=mode) if folder_of(url) else open_history(url)


def _folder(store: str) -> Path:
    """Folder of an embedded store; ``HistoryError`` for one that is in none."""
    from workstation.history import folder_of

    folder = folder_of(_url(store))
    if folder is None:
        raise HistoryError(f"{_url(store)} is in no folder; this is for the embedded history alone")
    return folder


@history_app.command()
def tables(store: StoreArgument = "") -> None:
    """Rows, first and last time, bytes and segments of every table."""
    try:
        with _open(store, "r") as history:
            held = history.tables()
    except WorkstationError as error:
        fail(error)
    else:
        for name in ("first_event_ns", "last_event_ns"):
            held[name] = pd.to_datetime(held[name], utc=True).dt.strftime("%Y-%m-%d %H:%M:%S")
        _print(held.rename(columns={"first_event_ns": "first", "last_event_ns": "last"}), _url(store))


@history_app.command()
def problems(store: StoreArgument = "") -> None:
    """What was found damaged, missing or unknown; ends with 1 when there is something."""
    try:
        with _open(store, "r") as history:
            found = history.problems()
    except WorkstationError as error:
        fail(error)
    else:
        _print_problems(found)


@history_app.command()
def verify(store: StoreArgument = "") -> None:
    """Read every page of every segment and batch, set aside what is damaged; ends with 1 when there is something."""
    try:
        with _open(store, "r+") as history:
            found = history.verify()
    except WorkstationError as error:
        fail(error)
    else:
        _print_problems(found)


@history_app.command()
def repair(store: StoreArgument = "") -> None:
    """Make the manifest agree with the segments: lost, damaged and older manifests, unknown segments.

    Nothing is deleted: what is left out is kept in the store's quarantine folder. Stop what writes to the store first.
    """
    from workstation.history.embedded.repair import repair as repair_store

    try:
        done = repair_store(_folder(store))
    except (WorkstationError, OSError) as error:
        fail(error)
    else:
        if done.empty:
            console.print("The manifest agrees with the segments; nothing was to be done.")
        else:
            _print(done, f"Repair of {_url(store)}")


@history_app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Folder for the backup; it must not be there yet.")],
    store: StoreArgument = "",
) -> None:
    """Copy one consistent moment into a new folder and read all of it again; what writes to the store goes on."""
    from workstation.history.embedded.backup import backup as backup_store

    try:
        rows = backup_store(_folder(store), target)
    except WorkstationError as error:
        fail(error)
    else:
        console.print(
            f"{sum(rows.values()):,} rows of {len(rows)} tables are in {target}, verified.", soft_wrap=True
        )


@history_app.command()
def restore(
    kept: Annotated[Path, typer.Argument(help="Folder of the backup.")],
    target: Annotated[Path, typer.Argument(help="Folder for the store; it must not be there yet.")],
) -> None:
    """Make a store of a backup in a new folder and check that it holds every row."""
    from workstation.history.embedded.backup import restore as restore_store

    try:
        rows = restore_store(kept, target)
    except WorkstationError as error:
        fail(error)
    else:
        console.print(
            f"{sum(rows.values()):,} rows of {len(rows)} tables are in {target}, verified.", soft_wrap=True
        )


@history_app.command()
def compact(store: StoreArgument = "") -> None:
    """Write the log into segments and merge small ones."""
    try:
        with _open(store, "r+") as history:
            history.roll()
            merged = history.compact()
    except WorkstationError as error:
        fail(error)
    else:
        console.print(f"{merged} segments merged.")


@history_app.command()
def retain(
    table: Annotated[str, typer.Argument(help="Name of the table.")],
    days: Annotated[float, typer.Argument(help="Days to keep before the newest row.")],
    store: StoreArgument = "",
) -> None:
    """Forget rows of a table older than so many days before its newest row that is not ahead of the clock."""
    try:
        with _open(store, "r+") as history:
            forgotten = history.retain(table, days * DAY_S)
            reported = history.problems()
    except WorkstationError as error:
        fail(error)
    else:
        console.print(f"{forgotten:,} rows of {table} forgotten.")
        for detail in reported.loc[(reported["channel"] == table) & reported["recoverable"], "detail"]:
            console.print(detail, highlight=False, soft_wrap=True)


@history_app.command()
@answered
def copy(
    source: Annotated[str, typer.Argument(help="Store to copy: a path or a URL.")],
    target: Annotated[str, typer.Argument(help="Store to copy into, made where there is none.")],
    table: Annotated[
        list[str] | None, typer.Option(help="Only this table; may be given more than once.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="Begin, UTC; default: all there is.")] = "",
    end: Annotated[str, typer.Option("--to", help="End (not included), UTC.")] = "",
) -> None:
    """Copy a store into another, compare both, and print the digests; ends with 1 when they differ.

    Cut off, it goes on from there when it is started again: what the target holds is not written twice.
    """
    from workstation.history import open_history
    from workstation.history.copying import copy_history

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _open(source, "r") as held, open_history(target) as kept, Progress(*columns, console=console) as bar:
        tasks: dict[str, Any] = {}

        def tell(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        made = copy_history(held, kept, table or (), start or None, end or None, progress=tell)
    _print_copied(made, f"{source} copied into {target}")


def _print_copied(made: Any, title: str) -> None:
    shown = RichTable(
        "table",
        "rows",
        "written",
        "known before",
        digest_column("digest"),
        digest_column("digest of the copy"),
        "",
        title=title,
    )
    for one in made.tables:
        shown.add_row(
            one.table, f"{one.rows:,}", f"{one.written:,}", f"{one.known:,}", one.source_digest[:16], one.target_digest[:16],
            "[green]equal[/]" if one.equal else "[bold red]differs[/]",
        )  # fmt: skip
    console.print(shown)
    for note in made.notes:
        console.print(note, highlight=False, soft_wrap=True)
    different = {one.table: one.difference for one in made.tables if not one.equal} | made.failures
    for name, reason in different.items():
        console.print(f"[bold red]{name}[/]: {reason}", highlight=False, soft_wrap=True)
    if not made.equal:
        raise typer.Exit(1)
