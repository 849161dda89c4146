"""The process's own desk, which every dashboard session sees."""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Iterable
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from workstation.demo import trade_sample_book
from workstation.desk import Desk, open_desk
from workstation.feeds import open_feed
from workstation.feeds.synthetic.options_day_feed import OptionsDayFeed
from workstation.flow.classifier_parameters import ClassifierParameters
from workstation.flow.classifiers import Classifiers
from workstation.settings import Settings

__all__ = [
    "applied_thresholds",
    "apply_thresholds",
    "flow_desk",
    "invented",
    "played",
    "release",
    "share",
    "shared_desk",
    "spare_collections",
]

OLD_COLLECTIONS = 1_000
"""Collections of the middle generation between two of everything: a quarter of an hour at ten thousand trades a second."""

DRAWN_FOR_READING: dict[str, Any] = {"slice_ms": 500, "history_rate": 40.0}
"""A market which is played to its end needs no picture ten times a second: its rows come in fewer, longer batches."""

_shared: Desk | None = None
_flow: Desk | None = None
_shared_lock = threading.Lock()


_held = False


def share(desk: Desk, *, held: bool = False) -> Desk:
    """Make this desk the process's own, which every dashboard session sees; a held one is not started before ``release``."""
    global _shared, _held
    with _shared_lock:
        if _shared is not None and _shared is not desk:
            raise RuntimeError(
                "this process shares a desk already; stop it and start a new process for another"
            )
        _shared, _held = desk, held
    trade_sample_book(desk)
    return desk


def replace_shared(desk: Desk) -> None:
    """Make this desk the process's own in place of another: pages that open from now on show it."""
    global _shared, _held
    with _shared_lock:
        _shared, _held = desk, False


def stop_shared() -> None:
    """Stop the process's desk, whichever it is by now; one that is held is not started any more."""
    global _held
    with _shared_lock:
        _held = False
        if _shared is not None:
            _shared.stop()


def shared_desk() -> Desk:
    """The process's running desk; made from the settings at the first call."""
    global _shared
    with _shared_lock:
        if _shared is None:
            settings = Settings()
            store = settings.store(invented=invented(settings.feeds))
            _shared = Context().run(open_desk, history=store, settings=settings)
            trade_sample_book(_shared)
            spare_collections()
        return _shared if _held else _started(_shared)


def _started(desk: Desk) -> Desk:
    """Started outside any session: tasks keep the context they begin in, and with it the document of its session."""
    return Context().run(desk.start)


def flow_desk() -> Desk:
    """The desk whose flow is shown: the process's own where its settings run the flow engines, else one of an invented US options day.

    The second is made at the first call and records nothing.
    """
    global _flow
    own = shared_desk()
    if own.settings.flow.enabled:
        return own
    with _shared_lock:
        if _flow is None:
            settings = own.settings.model_copy(update={"flow": replace(own.settings.flow, enabled=True)})
            feeds = [OptionsDayFeed(settings.options_day)]
            _flow = Context().run(open_desk, feeds=feeds, settings=settings)
        return _started(_flow)


def _classifiers(desk: Desk) -> Classifiers:
    found = [engine for engine in desk.hub.engines.values() if isinstance(engine, Classifiers)]
    if not found:
        raise ValueError("this desk runs no flow engines; set flow.enabled")
    return found[0]


def applied_thresholds(desk: Desk) -> ClassifierParameters:
    """Thresholds of a desk's classifiers that hold now. Raises ``ValueError`` for a desk without flow engines."""
    held: ClassifierParameters = _classifiers(desk).parameters
    return held


def apply_thresholds(desk: Desk, thresholds: ClassifierParameters) -> None:
    """Have a desk's classifiers follow other thresholds from now on; alerts told before can still be taken back by cancels.

    Raises ``ValueError`` for a desk without flow engines, and as ``Classifiers.adopt`` does.
    """
    engine = _classifiers(desk)
    desk.hub.between_batches(lambda: engine.adopt(thresholds))


def invented(feeds: Iterable[str]) -> bool:
    """Whether any of the feeds of these names gives what never happened.

    >>> invented(["synthetic"]), invented(["deribit"])
    (True, False)
    """
    return any(open_feed(name).capabilities.invented for name in feeds if name in _WITHOUT_OPTIONS)


_WITHOUT_OPTIONS = ("synthetic",)
"""Feeds that may be invented, and can be made to be asked."""

_played: dict[tuple[tuple[str, Any], ...], Desk] = {}
_playing = threading.Lock()


def played(
    *,
    seed: int = 7,
    start: str = "2026-11-20 14:00",
    seconds: float = 45.0,
    history_minutes: float = 15.0,
    rate: float = 250.0,
    book: bool = True,
) -> Desk:
    """A desk that has seen a seeded market to its end: the same rows every time, recorded into a store of its own.

    Played once per process for all notebooks and sessions that ask for the same.

    Parameters
    ----------
    seed
        Of the market.
    start
        When it begins, UTC.
    seconds, rate
        How long it goes on tick by tick, and ticks per second.
    history_minutes
        Coarser minutes before that.
    book
        Trade the sample paper book at the first levels.

    Returns
    -------
    Desk
        Stopped; ``board`` and ``history`` hold what it saw. The store is a temporary folder.
    """
    asked = {
        "seed": seed,
        "start_ns": pd.Timestamp(start).value,
        "duration_s": seconds,
        "rate": rate,
        "history_minutes": history_minutes,
    }
    key = (*sorted(asked.items()), ("book", book))
    with _playing:
        if key not in _played:
            folder = TemporaryDirectory(prefix="workstation-tape-")
            atexit.register(folder.cleanup)
            market = open_feed("synthetic", speed="max", **DRAWN_FOR_READING, **asked)
            desk = open_desk([market], str(Path(folder.name) / "history"))
            if book:
                trade_sample_book(desk)
            with desk:
                desk.wait()
            _played[key] = desk
        return _played[key]


def release() -> None:
    """Start the process's desk if it is still held."""
    global _held
    with _shared_lock:
        if _held and _shared is not None:
            _shared.start()
        _held = False


def spare_collections() -> None:
    """Leave what is imported out of garbage collections, and walk all the rest seldom: either stops every session for 0.1 s.

    Collections of everything come with so many objects made, and kept rows alone are enough for one every few seconds; what
    they would find, the models of ended sessions, pages have collected when a session ends.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, OLD_COLLECTIONS)
