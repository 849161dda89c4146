"""A signal ends a command wherever it comes: while a library runs, in a callback that swallows what it raises, before the server runs."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from queue import SimpleQueue
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from workstation import process
from workstation.cli import serving
from workstation.cli.app import _came
from workstation.cli.ending import ended_by_signals, interrupt, interrupted_by_signals
from workstation.settings import ServerSettings


class _Thing:
    pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_callback_swallows_is_known_of() -> None:
    with ended_by_signals(interrupt) as asked:
        thing = _Thing()
        held = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
        assert not asked()
        del thing
        assert held() is None and asked()
        signal.raise_signal(signal.SIGTERM)  # later ones do nothing


def test_an_interrupt_ends_what_runs() -> None:
    with pytest.raises(KeyboardInterrupt), ended_by_signals(interrupt):
        signal.raise_signal(signal.SIGHUP)


def test_a_signal_in_the_middle_of_the_wait_ends_it() -> None:
    asked: SimpleQueue[None] = SimpleQueue()
    with ended_by_signals(lambda: asked.put(None)):
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert _came(asked, 60.0)
    assert not _came(asked, 0.0)


def test_a_page_that_runs_the_loop_while_it_is_built_does_not_use_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = []

    async def asked_for_twice() -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)

    def listen(*_: Any) -> None:
        IOLoop.current().add_callback(asked_for_twice)
        IOLoop.current().start()  # ended by the first signal

    desk: Any = _Thing()
    desk.start = lambda: desk
    monkeypatch.setattr(serving, "_listen", listen)
    monkeypatch.setattr(serving, "share", lambda desk, held: desk)
    monkeypatch.setattr(serving, "stop_shared", lambda: stopped.append(True))
    monkeypatch.setattr(serving.KernelCache, "complete", lambda _: True)
    serving.serve(desk, ServerSettings(port=0), pages={})
    assert stopped == [True]


def test_a_signal_while_the_desk_is_opened_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []

    def make(_: Any) -> Any:
        thing, desk = _Thing(), _Thing()
        held = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
        del thing
        assert held() is None
        desk.stop = lambda: stopped.append(True)  # type: ignore[attr-defined]
        return desk

    monkeypatch.setattr(serving, "serve", lambda *_, **__: pytest.fail("served after a signal"))
    with pytest.MonkeyPatch.context() as quiet:
        quiet.setattr("sys.unraisablehook", lambda _: None)
        with interrupted_by_signals() as asked:
            serving.open_and_serve(asked, make, ServerSettings(port=0), False)
    assert stopped == [True]


def test_a_held_desk_is_not_started_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    desk: Any = _Thing()
    desk.start, desk.stop = lambda: started.append(True), lambda: None
    for name, value in (("_shared", desk), ("_held", True)):
        monkeypatch.setattr(process, name, value)
    process.stop_shared()
    process.release()
    assert started == []
