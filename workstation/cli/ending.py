"""One orderly end for every signal that asks for one: Ctrl-C, a service manager's SIGTERM, a closed terminal's SIGHUP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Call ``end`` once, at the first of ``SIGNALS``; later ones are ignored while the end goes on.

    Outside the main thread, where signals cannot be handled, nothing is changed.

    Parameters
    ----------
    end
        Called wherever the main thread is: it may take no lock that the thread may hold, as ``threading.Event.set`` does.

    Yields
    ------
    Callable
        Whether a signal has asked for the end. What ``end`` raises is lost where it comes in a callback of an import's lock
        or of the garbage collector, so whoever goes on to the next long step asks first.
    """
    asked = False
    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            end()

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_signals() -> Iterator[Callable[[], bool]]:
    """End the block as Ctrl-C does at the first of ``SIGNALS``, so that every ``finally`` on the way is passed; yields as above."""
    with suppress(KeyboardInterrupt), ended_by_signals(interrupt) as asked:
        yield asked


def interrupt() -> None:
    """End what runs now as Ctrl-C does, so that every ``finally`` on the way is passed."""
    raise KeyboardInterrupt
