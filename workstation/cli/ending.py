"""One orderly end for every signal that asks for one: Ctrl-C, a service manager's SIGTERM, a closed terminal's SIGHUP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@dataclass
class Ending:
    """Whether a signal asked for the end."""

    asked: bool = False


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[Ending]:
    """Call ``end`` once, at the first of ``SIGNALS``; later ones are ignored while the end goes on.

    What it yields says that one came: an exception which ``end`` raises may be swallowed by whatever runs just then, a library that is
    being imported say. Outside the main thread, where signals cannot be handled, nothing is changed.
    """
    ending = Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if not ending.asked:
            ending.asked = True
            end()

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_signals() -> Iterator[Ending]:
    """End the block as Ctrl-C does at the first of ``SIGNALS``, so that every ``finally`` on the way is passed."""
    with suppress(KeyboardInterrupt), ended_by_signals(_interrupt) as ending:
        yield ending


def _interrupt() -> None:
    raise KeyboardInterrupt
