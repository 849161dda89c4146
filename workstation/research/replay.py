"""Recorded raw rows through fresh engines: what a live desk derived, derived again."""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from workstation.engines import standard_engines
from workstation.feeds.tape.blocks import blocks
from workstation.feeds.tape.recordings import Recording
from workstation.feeds.tape.tape import Tape
from workstation.history.history import to_ns
from workstation.market.digest import digest
from workstation.market.engine import Engine
from workstation.market.instrument_terms import INSTRUMENT_TERMS
from workstation.market.markup import UNKNOWN, iso
from workstation.market.markup import table as html_table
from workstation.market.public_face import make_callable
from workstation.market.tables import TABLES
from workstation.research.progress import progress as progress_bar
from workstation.research.unpaced import Unpaced, suits
from workstation.streams.hub import Hub

Derived = tuple[dict[str, list[pd.DataFrame]], Counter[str]]
"""Derived rows by table, and how many rows of each table were played."""


class Replayed(dict[str, pd.DataFrame]):
    """Derived rows by table; it shows itself in a line a table, in a notebook with spans and digests.

    Examples
    --------
    >>> Replayed(levels=pd.DataFrame({"event_ns": [10**9, 2 * 10**9]}), spikes=pd.DataFrame({"event_ns": []}))
    Replayed
      levels: 2 rows, 1970-01-01T00:00:01Z to 1970-01-01T00:00:02Z
      spikes: 0 rows
    """

    def __repr__(self) -> str:
        lines = ["Replayed"]
        for name, frame in self.items():
            times = frame["event_ns"]
            span = f", {iso(times.min())} to {iso(times.max())}" if len(frame) else ""
            lines.append(f"  {name}: {len(frame)} rows{span}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = []
        for name, frame in self.items():
            times = frame["event_ns"]
            span = (iso(times.min()), iso(times.max())) if len(frame) else (UNKNOWN, UNKNOWN)
            rows.append([name, len(frame), *span, digest([frame])])
        return html_table("Replayed", ("table", "rows", "first (UTC)", "last (UTC)", "digest"), rows)


class ReplayWarning(UserWarning):
    """A replay derived nothing from what it played."""


def replay(
    recording: Recording | Mapping[str, pd.DataFrame],
    start: Any = None,
    end: Any = None,
    engines: Sequence[Engine] | None = None,
    tables: Sequence[str] = (),
    progress: bool | None = None,
) -> Replayed:
    """Derive again what a recording's raw rows give.

    Parameters
    ----------
    recording
        A history, or raw tables by name.
    start, end
        Bounds of event time, half-open: int ns, text or Timestamp; none: all there is.
    engines
        Fresh engines; default: those every desk runs.
    tables
        Raw tables to play; ``frames`` among them plays raw frames through their decoders. Default: every raw table but
        ``frames``.
    progress
        None: a bar with an estimate where somebody looks, a notebook or a terminal; False: no bar.

    Returns
    -------
    dict
        Derived table -> its rows in ``seq`` order. With the same engines they are the rows the live desk wrote, whatever
        the pace: ``workstation.market.digest.digest`` of both is equal.

    Raises
    ------
    RuntimeError
        An engine threw; the reason names it and the table.

    Warns
    -----
    ReplayWarning
        No engine derived a row; the message says what was played. Rows of the recording that do not fit their table were
        set aside.

    Examples
    --------
    >>> trades = pd.DataFrame({"event_ns": [1, 2_000_000_000], "instrument": "X", "price": [1.0, 2.0], "size": 1.0})
    >>> rows = replay({"trades": trades}, engines=standard_engines(["1s"], lateness="0s"))
    >>> rows["candles"][["open", "close"]].values.tolist()
    [[1.0, 1.0]]
    """
    standard = standard_engines() if engines is None else list(engines)
    bounds: dict[str, Any] = {"start": start, "end": end, "tables": tuple(tables), "speed": "max"}
    tape = Tape(recording, **bounds)
    apart = _hub_engines(standard)
    rest = [engine for engine in standard if engine not in apart]
    first_ns, last_ns = _span(tape)
    with progress_bar("replay", last_ns - first_ns, shown=progress) as bar:

        def tell(event_ns: int) -> None:
            bar.tell(event_ns - first_ns, iso(event_ns))

        if not suits(rest, tape.tables):
            made, played = _through_hub(tape, standard, tell)
        else:
            made, played = _in_blocks(tape, rest, tell) if rest else ({}, Counter())
            if apart:
                further, played = _through_hub(Tape(recording, **bounds), apart, tell)
                made |= _numbered_after(made, further)
    for one in getattr(tape.recording, "refused", ()):
        warnings.warn(f"{one.rows:,} rows were set aside: {one.reason}", ReplayWarning, stacklevel=2)
    if not any(made.values()):
        rows = ", ".join(f"{count:,} {name}" for name, count in sorted(played.items())) or "no rows"
        warnings.warn(
            f"nothing was derived: {rows} were played, and the engines make {', '.join(sorted(made))} of other tables or of "
            "more rows",
            ReplayWarning,
            stacklevel=2,
        )
    return Replayed({table: TABLES[table].concat(frames) for table, frames in made.items()})


def _hub_engines(engines: Sequence[Engine]) -> list[Engine]:
    """Those that read what others derive, those they read, and those that write a table with one of them."""
    apart = {id(engine) for engine in engines if any(not TABLES[name].raw for name in engine.inputs)}
    while True:
        chosen = [engine for engine in engines if id(engine) in apart]
        wanted = {name for engine in chosen for name in (*engine.inputs, engine.output)}
        more = {id(engine) for engine in engines if engine.output in wanted}
        if more <= apart:
            return chosen
        apart |= more


def _numbered_after(
    made: Mapping[str, list[pd.DataFrame]], further: Mapping[str, list[pd.DataFrame]]
) -> dict[str, list[pd.DataFrame]]:
    """Further rows with a ``seq`` beyond all that were made before."""
    last = max((int(rows["seq"].max()) for frames in made.values() for rows in frames), default=0)
    return {
        table: [rows.assign(seq=rows["seq"].to_numpy() + last) for rows in frames]
        for table, frames in further.items()
    }


def _span(tape: Tape) -> tuple[int, int]:
    """First and last event time that is played; twice 0 where the recording does not say."""
    held = getattr(tape.recording, "tables", None)
    spans = held() if held is not None else None
    if spans is None or not len(spans):
        return 0, 0
    spans = spans[spans["name"].isin(tape.tables)]
    if not len(spans):
        return 0, 0
    first, last = int(spans["first_event_ns"].min()), int(spans["last_event_ns"].max())
    start, end = to_ns(tape.parameters.start), to_ns(tape.parameters.end)
    return max(first, start if start is not None else first), min(last, end if end is not None else last)


def _untold(event_ns: int) -> None:
    """No progress is shown."""


def _in_blocks(tape: Tape, engines: Sequence[Engine], tell: Callable[[int], None] = _untold) -> Derived:
    """Block by block: what no engine can tell from batch by batch."""
    run, played = Unpaced(engines), Counter[str]()
    tape.begin()
    INSTRUMENT_TERMS.register(tape.terms())
    for block in blocks(tape):
        run.take(block)
        played.update({name: len(frame) for name, frame in block.frames.items() if len(frame)})
        if len(block):
            tell(int(block.event_ns.max()))
    return run.made, played


def _through_hub(tape: Tape, engines: Sequence[Engine], tell: Callable[[int], None] = _untold) -> Derived:
    """Batch by batch through a hub: raw frames through their decoders, and engines that read what others or the hub make."""
    hub = Hub(agreeing=1)  # rows of a recording were accepted once
    made: dict[str, list[pd.DataFrame]] = {engine.output: [] for engine in engines}
    for engine in engines:
        hub.add_engine(engine)
    hub.attach("replay", sorted(made), lambda table, frame: made[table].append(frame))
    with ThreadPoolExecutor(1, thread_name_prefix="replay") as thread:
        played = thread.submit(asyncio.run, _play(tape, hub, tell)).result()
    _raise_failures(hub)
    return made, played


async def _play(tape: Tape, hub: Hub, tell: Callable[[int], None] = _untold) -> Counter[str]:
    """Play to the end; returns the rows of each table."""
    played: Counter[str] = Counter()
    await tape.connect()
    INSTRUMENT_TERMS.register(await tape.instruments())
    async for batch in tape.batches():
        hub.publish(batch.table, batch.frame)
        played[batch.table] += len(batch.frame)
        tell(hub.watermark_ns)
    await tape.close()
    return played


def _raise_failures(hub: Hub) -> None:
    failed = [one for one in hub.set_aside if one.branch != "edge"]
    if failed:
        raise RuntimeError(f"{failed[0].branch} failed on {failed[0].table}: {failed[0].reason}")


make_callable(__name__)
