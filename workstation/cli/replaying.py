"""The command of a replay: recorded rows through the engines again, compared, or served on the dashboards."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable

from workstation.cli.answers import answered, console, digest_column, settings_of
from workstation.cli.ending import interrupted_by_signals
from workstation.cli.evaluation import print_comparison
from workstation.cli.options import AddressOption, HistoryOption, LoginOption, PortOption, server_of
from workstation.market.engine import Engine
from workstation.market.errors import WorkstationError
from workstation.settings import Settings


@answered
def replay(
    start: Annotated[str, typer.Option("--from", help="Begin, UTC: 2026-03-20 or 2026-03-20T04:00.")],
    end: Annotated[str, typer.Option("--to", help="End (not included), UTC.")],
    history: HistoryOption = "",
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Compare with the derived rows that were recorded; ends with 1 when a table differs.",
        ),
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Open the dashboards on the replay.")] = False,
    speed: Annotated[float, typer.Option(help="Times real time; 0 goes as fast as it can.")] = 0.0,
    max_wait: Annotated[
        float, typer.Option(help="Longest pause, in seconds, that a hole in the data may cause.")
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="With --serve: begin again at the end.")] = False,
    port: PortOption = None,
    address: AddressOption = None,
    without_login: LoginOption = False,
) -> None:
    """Run recorded raw rows through the engines again; prints the digest of every derived table."""
    from workstation.history.history import to_ns

    for moment in (start, end):
        to_ns(moment)
    settings = settings_of()
    url = history or settings.history
    if compare and serve:
        raise WorkstationError("replay: --compare shows no dashboards; leave --serve out")
    if compare:
        print_comparison(_engines(settings), url, start, end)
    elif serve:
        with interrupted_by_signals() as asked:
            from workstation.cli.serving import open_and_serve

            open_and_serve(
                asked,
                lambda _: _replaying_desk(settings, url, start, end, speed, max_wait, loop),
                server_of(settings, port, address),
                without_login,
            )
    else:
        _print_replay(_engines(settings), url, start, end)


def _engines(settings: Settings) -> list[Engine]:
    """The engines that a desk with these settings runs."""
    from workstation.engines import standard_engines

    return standard_engines(parameters=settings.engine_parameters())


def _replaying_desk(
    settings: Settings,
    url: str,
    start: str,
    end: str,
    speed: float,
    max_wait: float,
    loop: bool,
) -> Any:
    from workstation.history import folder_of, open_history
    from workstation.process import replace_shared
    from workstation.replay_session import ReplaySession

    store = open_history(url, mode="r", upkeep=False) if folder_of(url) else open_history(url)
    session = ReplaySession(
        store, start, end, speed=speed or "max", settings=settings, max_wait_s=max_wait, changed=replace_shared, loop=loop
    )  # fmt: skip
    return session.desk


def _print_replay(engines: list[Engine], url: str, start: str, end: str) -> None:
    from workstation.history import open_history
    from workstation.market.digest import digest
    from workstation.research.replay import ReplayWarning
    from workstation.research.replay import replay as replay_rows

    table = RichTable("table", "rows", digest_column("digest"), title=f"Replay of {start} to {end}")
    with open_history(url, mode="r", upkeep=False) as history, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ReplayWarning)
        for name, frame in replay_rows(history, start, end, engines).items():
            table.add_row(name, f"{len(frame):,}", digest([frame]))
    console.print(table)
    for warning in told:
        console.print(str(warning.message), highlight=False, soft_wrap=True)
