"""The process's own desk, which every dashboard session sees."""

from __future__ import annotations

import gc
import threading

from workstation.demo import trade_sample_book
from workstation.desk import Desk, open_desk
from workstation.settings import Settings

OLD_COLLECTIONS = 1_000
"""Collections of the middle generation between two of everything: a quarter of an hour at ten thousand trades a second."""

_shared: Desk | None = None
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


def shared_desk() -> Desk:
    """The process's running desk; made from the settings at the first call."""
    global _shared
    with _shared_lock:
        if _shared is None:
            settings = Settings()
            _shared = open_desk(history=settings.history if settings.record else None, settings=settings)
            trade_sample_book(_shared)
            spare_collections()
        return _shared if _held else _shared.start()


def release() -> None:
    """Start the process's desk, which was held."""
    global _held
    with _shared_lock:
        _held = False
        if _shared is not None:
            _shared.start()


def spare_collections() -> None:
    """Leave what is imported out of garbage collections, and walk all the rest seldom: either stops every session for 0.1 s.

    Collections of everything come with so many objects made, and kept rows alone are enough for one every few seconds; what
    they would find, the models of ended sessions, pages have collected when a session ends.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, OLD_COLLECTIONS)
