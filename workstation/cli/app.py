"""The commands."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from workstation.cli.answers import TRACEBACK, answered, console, settings_of
from workstation.cli.ending import ended_by_signals, interrupted_by_signals
from workstation.cli.evaluation import evaluate
from workstation.cli.fleet import fleet
from workstation.cli.history import history_app
from workstation.cli.login import credential
from workstation.cli.logs import health_log, start_logging
from workstation.cli.options import (
    AddressOption,
    DashboardsOption,
    HistoryOption,
    LoginOption,
    PortOption,
    server_of,
)
from workstation.cli.replaying import replay
from workstation.market.errors import WorkstationError
from workstation.settings import Settings

app = typer.Typer(
    help="The research workstation for options and market microstructure.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.add_typer(history_app, name="history")
app.command()(evaluate)
app.command()(credential)
app.command()(fleet)
app.command()(replay)


@app.command()
@answered
def demo(
    port: PortOption = None,
    address: AddressOption = None,
    flavour: Annotated[str, typer.Option(help="crypto or us")] = "crypto",
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market.")] = 7,
    rate: Annotated[int, typer.Option(help="Ticks per second.")] = 2_000,
    history: Annotated[
        str, typer.Option(help="Keep the rows here; default: a folder dropped at the end.")
    ] = "",
    without_login: LoginOption = False,
    dashboards: DashboardsOption = None,
) -> None:
    """Open the dashboards on the synthetic market."""
    settings = settings_of(feed_options={"synthetic": {"flavour": flavour, "rate": rate}})
    start_logging(settings)
    server = server_of(settings, port, address)
    with (
        interrupted_by_signals() as asked,
        tempfile.TemporaryDirectory(prefix="workstation-demo-") as folder,
    ):
        from workstation.cli.serving import open_and_serve

        open_and_serve(
            asked,
            lambda open_desk: open_desk(
                ["synthetic"], history or folder, seed, settings, sinks=[health_log()]
            ),
            server,
            without_login,
            dashboards,
        )


@app.command(name="compile")
@answered
def compile_kernels(
    part: Annotated[str, typer.Option(help="Compile this part alone, in this process.")] = "",
) -> None:
    """Compile the numerical kernels once per machine; every later start reads them from the cache."""
    from workstation.cli.compiling import KernelCache, ParallelCompilation, compile_part

    if part:
        compile_part(part)
        return
    began = time.perf_counter()
    with console.status("Compiling the numerical kernels, once"):
        ParallelCompilation(KernelCache()).run()
    console.print(f"The numerical kernels are compiled ({time.perf_counter() - began:.0f} s).")


@app.command()
@answered
def serve(
    port: PortOption = None,
    address: AddressOption = None,
    without_login: LoginOption = False,
    login: Annotated[
        str | None, typer.Option(help="none, basic or oidc; default: the settings' (docs/guides/serving.md).")
    ] = None,
    dashboards: DashboardsOption = None,
) -> None:
    """Serve the dashboards on the feeds of the settings, recording into the settings' history."""
    settings = settings_of()
    start_logging(settings)
    from workstation.process import invented

    if login not in (None, "none", "basic", "oidc"):
        raise WorkstationError(f"--login {login}: there are none, basic and oidc")
    store = settings.store(invented=invented(settings.feeds))
    if store is None and settings.record is None:
        console.print(
            "An invented market is not recorded; set WORKSTATION_RECORD or WORKSTATION_HISTORY to keep it"
        )
    with interrupted_by_signals() as asked:
        from workstation.cli.serving import open_and_serve

        open_and_serve(
            asked,
            lambda open_desk: _with_sinks(open_desk, settings, None, store),
            server_of(settings, port, address, login),
            without_login,
            dashboards,
        )


@app.command()
@answered
def collect(
    feeds: Annotated[
        list[str] | None, typer.Argument(help="Feeds to record; default: the settings'.")
    ] = None,
    history: HistoryOption = "",
    seconds: Annotated[float, typer.Option(help="Stop after so long; 0 goes on until interrupted.")] = 0.0,
    bus: Annotated[
        str,
        typer.Option(
            help="Publish every row to this Redis too (redis://127.0.0.1:6379/0), for page servers."
        ),
    ] = "",
) -> None:
    """Record feeds into history, without a screen."""
    settings = settings_of()
    start_logging(settings)
    asked: SimpleQueue[None] = SimpleQueue()  # its put may come in its get; Event.set would wait for itself
    with ended_by_signals(lambda: asked.put(None)):  # also while the desk is imported and opened
        from workstation.desk import open_desk

        with _collecting(
            lambda sinks: _with_sinks(open_desk, settings, feeds, history or settings.history, sinks), bus
        ) as desk:
            console.print(
                f"Recording {', '.join(feeds or settings.feeds)} into {history or settings.history}"
            )
            waited = 0.0
            while not _came(asked, 1.0) and not desk.wait(0.0) and (not seconds or waited < seconds):
                waited += 1.0
                console.print(_status_line(desk.board.feeds()), end="\r")
    console.print("\nStopped; every accepted row is written.")


def _came(queue: SimpleQueue[None], seconds: float) -> bool:
    try:
        queue.get(timeout=seconds)
    except Empty:
        return False
    return True


@contextmanager
def _collecting(make_desk: Callable[[list[Any]], Any], bus: str) -> Iterator[Any]:
    """A running desk; with the address of a bus its rows and its newest state are published there."""
    if not bus:
        with make_desk([]) as desk:
            yield desk
        return
    from workstation.bus.newest import NewestState
    from workstation.bus.sink import BusSink

    sink = BusSink(bus)
    desk = make_desk([sink])
    desk.hub.number_from(sink.published_seq() + 1)
    with desk, NewestState(desk.board, sink, bus):
        yield desk


def _with_sinks(
    open_desk: Callable[..., Any], settings: Settings, feeds: list[str] | None, store: str | None, more: Sequence[Any] = ()
) -> Any:  # fmt: skip
    """A desk that logs what it reports, and sends alerts on where the settings name a receiver.

    One that follows a bus sends nothing on: its collector does.
    """
    from workstation.webhooks.sink import WebhookSink

    wanted = settings.webhook.url.get_secret_value() and "bus" not in (feeds or settings.feeds)
    hooks = [WebhookSink(settings.webhook)] if wanted else []
    desk = open_desk(feeds or None, store, settings=settings, sinks=[health_log(), *hooks, *more])
    for hook in hooks:
        hook.report = desk.report
        desk.told_by.append(hook.parts)
    return desk


def _status_line(feeds: Any) -> str:
    parts = [
        f"{row.feed}: {row.state}, {row.rows_per_s:,.0f} rows/s, {row.gaps} gaps, {row.drops} drops"
        for row in feeds.itertuples()
    ]
    return "  ".join(parts) or "starting"


@app.command("import")
@answered
def import_(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="cboe, dbn, lean, tardis, frames or table")
    ],
    paths: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    history: HistoryOption = "",
    mapping: Annotated[str, typer.Option(help="table: a shipped mapping's name or a YAML file.")] = "",
    feed: Annotated[str, typer.Option(help="frames: the venue, when the file does not tell.")] = "",
    zone: Annotated[
        str, typer.Option(help="lean: time zone of a market LEAN's database does not name, as UTC-05.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Import files although their content is in the store.")
    ] = False,
) -> None:
    """Import recorded files into history."""
    from workstation.history import open_history
    from workstation.research.importing import expand, import_files

    given = {"mapping": mapping, "feed": feed, "zone": zone}
    options = {name: value for name, value in given.items() if value}
    files = expand(paths)
    store = open_history(history or settings_of().history)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(f"import {format_name}", total=len(files))
            done = import_files(
                store, format_name, files, again=again, **options,
                progress=lambda path, rows: bar.update(task, advance=1, description=path.name[:40]),
            )  # fmt: skip
            bar.update(task, completed=len(files), description=f"import {format_name}")
    except KeyboardInterrupt:
        console.print("Interrupted; what was written stays, the next import goes on from there.")
        raise typer.Exit(130) from None
    except TypeError as error:
        raise WorkstationError(f"import {format_name}: {error}") from error
    finally:
        store.close()
    _print_import(done)


def _print_import(done: Any) -> None:
    rows = ", ".join(f"{count:,} {name}" for name, count in done.rows.items()) or "no rows"
    console.print(
        f"{done.files} files: {rows}"
        + (f"; {done.known} files were in the store already" if done.known else "")
    )
    if done.known_rows:
        known = ", ".join(f"{count:,} {name}" for name, count in done.known_rows.items())
        console.print(f"in the store already and not written again: {known}")
    _print_reasons("rows set aside", done.rejections.counts, done.rejections.examples)
    _print_reasons("kept, not all known", done.rejections.notes, done.rejections.examples)
    for path, problem in done.failures.items():
        console.print(f"[bold red]not read[/] {path}: {problem}", highlight=False)
    if done.failures:
        raise typer.Exit(1)


def _print_reasons(title: str, counts: dict[str, int], examples: dict[str, str]) -> None:
    if not counts:
        return
    table = RichTable(title, "reason", "first of them")
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(f"{count:,}", reason, examples[reason])
    console.print(table)


@app.command()
@answered
def new(
    kind: Annotated[str, typer.Argument(help="feed, engine or dashboard")],
    name: Annotated[str, typer.Argument(help="Name of the module.")],
    folder: Annotated[Path, typer.Option(help="Where it is written.")] = Path(),
) -> None:
    """Write a feed, an engine or a dashboard of your own, with a test that passes."""
    from workstation.cli.new import written

    paths = written(kind, name, folder)
    console.print(
        f"Wrote {' and '.join(map(str, paths))}; test it: python -m pytest {paths[-1]}", soft_wrap=True
    )
    if kind == "dashboard":
        console.print(f"Serve it: workstation serve --dashboards {paths[0].parent}", soft_wrap=True)


@app.command()
@answered
def doctor() -> None:
    """Check what the workstation needs, and say what to do about what is missing."""
    from workstation.cli.doctor import examine

    table = RichTable("what", "state", "detail")
    findings = examine(settings_of())
    for finding in findings:
        table.add_row(finding.what, "[green]ok[/]" if finding.ok else "[bold red]mend[/]", finding.detail)
    console.print(table)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


if os.environ.get(TRACEBACK):
    app.pretty_exceptions_enable = False
